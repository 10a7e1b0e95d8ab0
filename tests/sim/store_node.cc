// Life and checks of a simulated store. The random work: store_work.cc.
#include "tests/sim/store_node.h"

#include <algorithm>

namespace weir::sim_tests {

using model::log_id;
using model::offset;
using model::shard_id;

store_node::store_node(platform::sim::sim_world& world, platform::sim::sim_volume& volume,
                       platform::sim::sim_executor& reactor, std::string folder, work_shape shape,
                       storage::store_options options, open_fn open, fail_fn fail)
    : world_(world),
      volume_(volume),
      reactor_(reactor),
      folder_(std::move(folder)),
      shape_(shape),
      options_(std::move(options)),
      open_(std::move(open)),
      fail_(std::move(fail)),
      random_(world.random().next()) {
  formats_.add(keyed_tag, format_);
}

store_node::~store_node() { drop(); }

void store_node::fail(const std::string& what) {
  if (volume_.dead()) return;  // what a process believes while the power goes does not count
  fail_(folder_.empty() ? what : folder_ + ": " + what);
}

bool store_node::open() {
  disk_ = std::make_unique<platform::sim::sim_disk>(volume_, reactor_, folder_);
  machine_ = std::make_unique<shadow_machine>(known, [this](const std::string& what) { fail(what); });
  closing_ = closed_ = false;
  auto opened = open_(*disk_, reactor_, world_.time(), world_.random(), formats_, *machine_, options_);
  if (!opened) {
    why_ = opened.error();
    if (world_.tracing()) world_.trace("open refused: " + why_.describe());
    drop();
    return false;
  }
  store_ = std::move(*opened);
  ++counts["opens"];
  counts["replayed"] += machine_->replays;
  counts["torn_blocks"] += store_->recovered().torn_blocks;
  counts["kept_wal_files"] += store_->recovered().kept_files;
  check_recovered();
  check_files();
  machine_->go_live();
  return true;
}

void store_node::drop() {
  store_.reset();
  reactor_.drop_all();
  machine_.reset();
  disk_.reset();
  reads_open_ = 0;
  verify_left_.clear();
}

void store_node::start_close() {
  closing_ = true;
  store_->close([this](result<void> r) {
    close_result_ = std::move(r);
    closed_ = true;
  });
}

bool store_node::settled() const { return store_->durable_ticket() >= store_->last_ticket(); }

bool store_node::excused(const fault& f) const {
  switch (f.code) {
    case errc::io:
      return excuse.io;
    case errc::corrupt:
      return excuse.damage;
    case errc::no_space:
      return excuse.no_space;
    case errc::busy:
      return true;
    default:
      return false;
  }
}

// ---- After recovery -----------------------------------------------------------------------------------------------

void store_node::check_recovered() {
  for (auto& [id, shard] : known.shards) {
    const std::uint64_t last = machine_->last_lsn(id);
    if (last < shard.acked) {
      fail("shard " + std::to_string(id.raw()) + " came back with lsn " + std::to_string(last) + ", but " +
           std::to_string(shard.acked) + " was durable (of " + std::to_string(shard.records.size()) + ")");
      return;
    }
    if (last > shard.records.size()) {
      fail("shard " + std::to_string(id.raw()) + " came back with lsn " + std::to_string(last) + " of " +
           std::to_string(shard.records.size()));
      return;
    }
    if (last < shard.records.size()) ++counts["lost_unacked"];
    known.recovered(id, last);
  }
  known.rebuild_logs();
  known.forget_tickets();
  const auto ids = store_->logs();
  for (const log_id id : ids) {
    if (!known.logs.contains(id)) fail("log " + std::to_string(id.raw()) + " is there but should not be");
  }
  if (ids.size() != known.logs.size()) {
    fail(std::to_string(ids.size()) + " logs came back of " + std::to_string(known.logs.size()));
  }
  if (store_->durable_ticket() >= store_->last_ticket()) {
    // Answers may leave at once from what was recovered: all of it counts as seen from here on.
    for (auto& [id, shard] : known.shards) shard.acked = shard.records.size();
  } else {
    for (auto& [id, shard] : known.shards) {
      for (std::size_t i = shard.acked; i < shard.records.size(); ++i) {
        shard.records[i].ticket = store_->last_ticket().raw();
      }
    }
  }
  check_bounds();
}

void store_node::check_files() {
  const std::uint64_t incarnation = store_->recovered().incarnation;
  if (incarnation != 0 && incarnation <= incarnation_) fail("incarnation " + std::to_string(incarnation) + " again");
  incarnation_ = incarnation;
  const auto paths = volume_.paths();
  const auto wal_files = std::count_if(paths.begin(), paths.end(),
                                       [this](const std::string& path) { return path.starts_with(folder_ + "/wal/"); });
  // One may be under construction at a crash, or not be unlinked because unlinking fails; but not more and more of them.
  // Those that are kept as data are counted apart.
  const auto most = std::max(options_.wal_files_max, options_.wal_files_min + 2) + 4 + store_->recovered().kept_files;
  if (static_cast<std::uint64_t>(wal_files) > most) fail(std::to_string(wal_files) + " WAL files pile up");
}

void store_node::check_clean_start() {
  const auto& r = store_->recovered();
  if (r.replayed_records != 0) fail(std::to_string(r.replayed_records) + " records replayed after a clean stop");
  if (r.orphans_removed != 0) fail(std::to_string(r.orphans_removed) + " files that nobody names after a clean stop");
}

bool store_node::has_reserve() const {
  const auto* f = volume_.find(folder_ + "/reserve");
  return f != nullptr && f->cache.size() >= options_.reserve_bytes;
}

void store_node::check_bounds() {
  for (auto& [id, log] : known.logs) {
    const std::string name = "log " + std::to_string(id.raw());
    if (!store_->exists(id)) {
      fail(name + " is gone");
      return;
    }
    const auto info = store_->info(id);
    const bool start_ok = info.start == log.start;  // what retention trims is logged
    if (!start_ok || info.end != log.end) {
      fail(name + " is [" + std::to_string(info.start.raw()) + ", " + std::to_string(info.end.raw()) +
           ") but should be [" + std::to_string(log.start.raw()) + ", " + std::to_string(log.end.raw()) + ")");
      return;
    }
    if (info.durable_end > info.end) return fail(name + " is durable beyond its end");
    known.promise(id, info.durable_end);
    if (settled() && info.durable_end != info.end) {
      fail(name + " is settled, but its durable end is " + std::to_string(info.durable_end.raw()) + " of " +
           std::to_string(info.end.raw()));
      return;
    }
  }
}

// ---- Reads --------------------------------------------------------------------------------------------------------

void store_node::start_read(const pending_read& asked) {
  pending_read p = asked;
  p.end_then = known.logs.contains(p.log) ? known.logs.at(p.log).end : offset{};
  model::read_request request;
  request.log = p.log;
  request.from = p.from;
  request.below = p.below;
  request.bytes_max = p.bytes_max;
  request.at_least_one = p.at_least_one;
  ++reads_open_;
  ++counts["reads"];
  if (world_.tracing()) {
    world_.trace("ask log " + std::to_string(p.log.raw()) + " from " + std::to_string(p.from.raw()) + " below " +
                 std::to_string(p.below.raw()) + " bytes " + std::to_string(p.bytes_max));
  }
  store_->read(request, [this, p](result<model::read_batch> r) {
    --reads_open_;
    finish_read(p, r);
    if (p.verify) continue_verify();
  });
}

void store_node::finish_read(const pending_read& p, const result<model::read_batch>& r) {
  const auto living = known.logs.find(p.log);
  const auto gone = known.removed.find(p.log);
  const log_truth* log = living != known.logs.end()    ? &living->second
                         : gone != known.removed.end() ? &gone->second
                                                       : nullptr;
  const std::string name = "read of log " + std::to_string(p.log.raw()) + " from " + std::to_string(p.from.raw());
  if (r) {
    if (log == nullptr)
      fail(name + ": answered for a log that never was");
    else
      check_batch(p, *log, *r);
    return;
  }
  const fault& f = r.error();
  ++counts[std::string("read_") + to_string(f.code)];
  if (f.code == errc::not_found && living == known.logs.end()) return;
  if (f.code == errc::out_of_range) {
    if (log == nullptr) return;
    if (p.from < log->start || p.from > p.end_then) return;
  }
  if (excused(f)) return;
  fail(name + " below " + std::to_string(p.below.raw()) + " failed: " + f.describe());
}

bool store_node::same_entry(log_id id, const entry_truth& e, const model::read_entry& got) {
  if (e.count != got.count || e.format != got.format || e.leader_epoch != got.leader_epoch) return false;
  const bool same = e.max_timestamp_ms == got.max_timestamp_ms && e.payload.size() == got.payload.size() &&
                    std::equal(e.payload.begin(), e.payload.end(), got.payload.begin());
  if (same || !known.compacted.contains(id) || e.format != keyed_tag) return same;
  // Compaction may have left a part of the records, the rest as they were.
  const auto was = decode_keyed(e.payload);
  const auto is = decode_keyed(got.payload);
  if (!was || !is || was->base != is->base) return false;
  return std::all_of(is->records.begin(), is->records.end(), [&](const keyed_record& k) {
    return std::find(was->records.begin(), was->records.end(), k) != was->records.end();
  });
}

void store_node::check_batch(const pending_read& p, const log_truth& log, const model::read_batch& batch) {
  const std::string name = "read of log " + std::to_string(p.log.raw()) + " from " + std::to_string(p.from.raw()) +
                           " below " + std::to_string(p.below.raw());
  const bool gaps = known.compacted.contains(p.log);
  offset next = p.from;
  std::size_t sum = 0;
  if (world_.tracing()) {
    std::string line = "got log " + std::to_string(p.log.raw());
    for (const auto& got : batch.entries)
      line += " " + std::to_string(got.base.raw()) + "+" + std::to_string(got.count);
    world_.trace(line);
  }
  for (const auto& got : batch.entries) {
    const auto e = std::lower_bound(log.entries.begin(), log.entries.end(), got.base,
                                    [](const entry_ptr& a, offset b) { return a->base < b; });
    if (e == log.entries.end() || (*e)->base != got.base || !same_entry(p.log, **e, got)) {
      fail(name + ": the entry at " + std::to_string(got.base.raw()) + " is not what was appended");
      return;
    }
    const bool first = &got == batch.entries.data();
    const bool follows = first ? got.base <= next && (*e)->end() > next : got.base == next;
    const bool trimmed = first && got.base > next && log.start > next;  // it was trimmed while the read was under way
    if (!follows && !trimmed && !(gaps && got.base > next)) {
      fail(name + ": the entry at " + std::to_string(got.base.raw()) + " does not follow " +
           std::to_string(next.raw()));
      return;
    }
    if (got.base >= p.below) {
      fail(name + ": the entry at " + std::to_string(got.base.raw()) + " is beyond the limit");
      return;
    }
    sum += got.payload.size();
    if (sum > p.bytes_max && !(first && p.at_least_one)) {
      fail(name + ": " + std::to_string(sum) + " bytes, more than " + std::to_string(p.bytes_max));
      return;
    }
    next = (*e)->end();
    ++counts["entries_read"];
  }
  if (batch.payload_bytes != sum) fail(name + ": payload_bytes is not their sum");
  const bool something = p.from < std::min(p.below, p.end_then) && p.from >= log.start;
  if (batch.entries.empty() && something && p.at_least_one && !gaps) fail(name + ": nothing, but there is something");
  if (!p.verify) return;
  note_verified(p.log, batch);
  // Ends of batches are where the next read begins; an empty one ends the log.
  if (batch.entries.empty()) next = p.below;
  if (next < std::min(p.below, log.end)) {
    verify_left_.emplace_back(p.log, next);
  } else if (known.compacted.contains(p.log)) {
    check_compacted(p.log, log, p.below);
  }
}

void store_node::start_verify() {
  verify_seen_.clear();
  doubted_.clear();
  ++counts["verifies"];
  for (const auto& [id, log] : known.logs) {
    const auto info = store_->info(id);
    if (info.start < info.durable_end) verify_left_.emplace_back(id, info.start);
  }
  continue_verify();
}

void store_node::continue_verify() {
  if (verify_left_.empty() || store_ == nullptr) return;
  const auto [id, from] = verify_left_.back();
  verify_left_.pop_back();
  if (!store_->exists(id)) {
    reactor_.defer([this] { continue_verify(); });
    return;
  }
  pending_read p;
  p.log = id;
  p.from = from;
  p.below = store_->info(id).durable_end;
  p.bytes_max = 1 + random_.below(32768);
  p.verify = true;
  start_read(p);
}

void store_node::check_found(log_id id, std::int64_t from_ms, offset below, const std::optional<model::read_batch>& r) {
  const auto living = known.logs.find(id);
  if (living == known.logs.end() || known.compacted.contains(id)) return;
  const entry_truth* expected = nullptr;
  for (const auto& e : living->second.entries) {
    if (e->end() <= living->second.start || e->base >= below) continue;
    if (e->max_timestamp_ms >= from_ms) {
      expected = e.get();
      break;
    }
  }
  // The start cuts an entry, and nothing of the rest is below the limit: both answers are right.
  if (expected != nullptr && expected->base < living->second.start && below <= living->second.start) return;
  const std::string name = "find_time in log " + std::to_string(id.raw()) + " from " + std::to_string(from_ms);
  if (!r || r->entries.empty()) {
    if (expected != nullptr) fail(name + ": nothing, but the entry at " + std::to_string(expected->base.raw()) + " is");
    return;
  }
  const auto& got = r->entries.front();
  if (expected == nullptr || expected->base != got.base || !same_entry(id, *expected, got)) {
    fail(name + ": the entry at " + std::to_string(got.base.raw()) + ", not at " +
         (expected == nullptr ? std::string("none") : std::to_string(expected->base.raw())));
  }
}

}  // namespace weir::sim_tests
