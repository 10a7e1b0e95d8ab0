// The random work that is done to a simulated store.
#include <algorithm>
#include <array>

#include "tests/sim/store_node.h"

namespace weir::sim_tests {

using model::log_id;
using model::offset;
using model::shard_id;
using write_class = model::log_store::write_class;

void store_node::work() {
  if (store_ == nullptr || closing_ || machine_->fenced()) return;
  const std::array<std::uint64_t, 11> weights{shape_.append,     shape_.burst, shape_.state_only, shape_.create,
                                              shape_.remove,     shape_.trim,  shape_.read,       shape_.find,
                                              shape_.checkpoint, shape_.clean, shape_.policy};
  std::uint64_t sum = 0;
  for (const auto w : weights) sum += w;
  std::uint64_t draw = random_.below(sum);
  std::size_t what = 0;
  while (draw >= weights[what]) draw -= weights[what++];
  switch (what) {
    case 0:
      do_append(3);
      break;
    case 1:
      for (std::uint64_t n = random_.between(3, 30); n > 0; --n) do_append(2);
      break;
    case 2:
      do_state_only();
      break;
    case 3:
      do_create();
      break;
    case 4:
      do_remove();
      break;
    case 5:
      do_trim();
      break;
    case 6:
      do_read();
      break;
    case 7:
      do_find_time();
      break;
    case 8:
      do_checkpoint();
      break;
    case 9:
      do_clean();
      break;
    default:
      do_policy();
      break;
  }
}

bool store_node::may_append(write_class c) {
  const auto answer = store_->writable(c);
  if (answer) return true;
  const errc code = answer.error().code;
  ++counts[std::string("refused_") + to_string(code)];
  if (code == errc::fenced && machine_->fenced()) return false;
  if (code == errc::busy) return false;
  // Acknowledgements, deletes and trims have a reserve: a full disk never refuses them.
  if (code == errc::no_space && excuse.no_space && c == write_class::bulk) return false;
  fail("writable says " + answer.error().describe());
  return false;
}

void store_node::append(const model::new_record& r) {
  const auto before = store_->last_ticket();
  const auto& shard = known.shards[r.shard];
  const std::size_t records = shard.records.size();
  const model::ticket t = store_->append(r);
  if (shard.records.size() != records + 1) {
    fail("append did not apply exactly one record");
    return;
  }
  if (t <= before || t != store_->last_ticket()) fail("append: the ticket does not rise");
  const auto& applied = shard.records.back();
  bool same = applied.entries.size() == r.entries.size() && applied.changes.size() == r.changes.size();
  for (std::size_t i = 0; same && i < r.entries.size(); ++i) {
    const auto& want = r.entries[i];
    const auto& got = *applied.entries[i];
    byte_vector payload(want.head.begin(), want.head.end());
    payload.insert(payload.end(), want.body.begin(), want.body.end());
    same = got.payload == payload && got.log == want.log && got.count == want.count && got.format == want.format &&
           got.max_timestamp_ms == want.max_timestamp_ms && got.leader_epoch == want.leader_epoch;
  }
  if (!same) fail("append applied something else than the record");
  known.set_ticket(t.raw());
  ++counts["records"];
  if (!world_.tracing()) return;
  std::string line = "append shard " + std::to_string(r.shard.raw()) + " lsn " + std::to_string(records + 1);
  for (const auto& c : r.changes) {
    line += c.kind == model::log_change_kind::create   ? " create "
            : c.kind == model::log_change_kind::remove ? " remove "
                                                       : " trim ";
    line += std::to_string(c.log.raw()) + "@" + std::to_string(c.at.raw());
  }
  for (const auto& e : applied.entries) {
    line += " log " + std::to_string(e->log.raw()) + " [" + std::to_string(e->base.raw()) + "," +
            std::to_string(e->end().raw()) + ") " + std::to_string(e->payload.size()) + "B";
  }
  world_.trace(line);
}

byte_vector store_node::random_bytes(std::size_t n) {
  byte_vector out(n);
  std::uint64_t word = random_.next();
  for (std::size_t i = 0; i < n; ++i) {
    if (i % 8 == 0) word = word * 6364136223846793005ULL + 1442695040888963407ULL;
    out[i] = static_cast<std::byte>(word >> (8 * (i % 8)));
  }
  return out;
}

std::size_t store_node::payload_size() {
  const std::uint64_t draw = random_.below(100);
  if (draw < 3) return 0;
  if (draw < 80) return random_.below(shape_.payload_max + 1);
  if (draw < 97) return random_.below(4 * shape_.payload_max + 1);
  return random_.below(std::min<std::uint64_t>(options_.record_bytes_max / 8, 24 * shape_.payload_max) + 1);
}

byte_vector store_node::keyed_payload(offset base, std::uint32_t& count, std::int64_t& max_timestamp) {
  keyed_entry e;
  e.base = base.raw();
  count = static_cast<std::uint32_t>(random_.between(1, 5));
  for (std::uint32_t i = 0; i < count; ++i) {
    keyed_record r;
    r.delta = i;
    r.timestamp_ms = max_timestamp - static_cast<std::int64_t>(random_.below(3));
    r.key = static_cast<std::uint32_t>(random_.below(12));
    r.tombstone = random_.chance(0.1);
    if (!r.tombstone) r.value = random_bytes(random_.below(60));
    e.records.push_back(std::move(r));
  }
  max_timestamp = -1;
  for (const auto& r : e.records) max_timestamp = std::max(max_timestamp, r.timestamp_ms);
  return encode_keyed(e);
}

log_id store_node::any_log(bool live_only) {
  if (!live_only && !known.removed.empty() && random_.chance(0.1)) {
    return std::next(known.removed.begin(), static_cast<std::ptrdiff_t>(random_.below(known.removed.size())))->first;
  }
  if (known.logs.empty()) return log_id{};
  // Some logs are hot.
  const std::uint64_t n = known.logs.size();
  const std::uint64_t i = random_.chance(0.5) ? random_.below(std::min<std::uint64_t>(n, 3)) : random_.below(n);
  return std::next(known.logs.begin(), static_cast<std::ptrdiff_t>(i))->first;
}

void store_node::do_append(std::size_t entries_max) {
  const log_id first = any_log();
  if (first == log_id{}) {
    do_create();
    return;
  }
  if (!may_append(write_class::bulk)) return;
  model::new_record r;
  r.shard = known.logs.at(first).shard;
  const std::size_t n = random_.between(1, entries_max);
  std::vector<byte_vector> memory;
  memory.reserve(2 * n + 1);
  std::map<log_id, offset> ends;
  for (std::size_t i = 0; i < n; ++i) {
    const log_id log = i == 0 ? first : any_log();
    const auto& t = known.logs.at(log);
    if (t.shard != r.shard) continue;
    auto [end, added] = ends.try_emplace(log, t.end);
    model::new_entry e;
    e.log = log;
    e.count = 1 + static_cast<std::uint32_t>(random_.chance(0.3) ? random_.below(20) : 0);
    e.max_timestamp_ms = world_.time().wall().raw() - static_cast<std::int64_t>(random_.below(20));
    if (random_.chance(0.03)) e.max_timestamp_ms = -1;
    e.leader_epoch = model::epoch(static_cast<std::int32_t>(random_.below(4)));
    if (known.compacted.contains(log) || random_.chance(0.2)) {
      e.format = keyed_tag;
      e.max_timestamp_ms = std::max<std::int64_t>(e.max_timestamp_ms, 0);
      memory.push_back(keyed_payload(end->second, e.count, e.max_timestamp_ms));
    } else {
      memory.push_back(random_bytes(payload_size()));
    }
    const bytes whole(memory.back());
    const std::size_t split = random_.below(whole.size() + 1);
    e.head = whole.first(split);
    e.body = whole.subspan(split);
    end->second = end->second + static_cast<std::int64_t>(e.count);
    r.entries.push_back(e);
  }
  if (random_.chance(0.3)) {
    memory.push_back(random_bytes(random_.below(100)));
    r.state = memory.back();
    r.state_kind = static_cast<std::uint16_t>(random_.between(1, 9));
    r.state_version = static_cast<std::uint8_t>(random_.below(3));
  }
  std::size_t size = 4096;
  for (const auto& m : memory) size += m.size() + 64;
  if (size <= options_.record_bytes_max) append(r);
}

void store_node::do_state_only() {
  if (!may_append(write_class::essential)) return;
  const byte_vector state = random_bytes(random_.below(400));
  model::new_record r;
  r.shard = shard_of_new_log();
  r.state_kind = static_cast<std::uint16_t>(random_.between(1, 9));
  r.state_version = 1;
  r.state = state;
  append(r);
}

shard_id store_node::shard_of_new_log() { return shard_id(random_.between(1, shape_.shards)); }

void store_node::do_create() {
  if (known.logs.size() >= shape_.logs_max || !may_append(write_class::bulk)) return;
  model::new_record r;
  r.shard = shard_of_new_log();
  const std::uint64_t n = random_.chance(0.1) ? random_.between(5, 30) : random_.between(1, 3);
  for (std::uint64_t i = 0; i < n; ++i) r.changes.push_back({model::log_change_kind::create, log_id(next_log_++), {}});
  // A record may use what it creates.
  const byte_vector payload = random_bytes(payload_size());
  if (random_.chance(0.3)) {
    model::new_entry e;
    e.log = r.changes.back().log;
    e.count = 1;
    e.max_timestamp_ms = world_.time().wall().raw();
    e.body = payload;
    if (payload.size() + 8192 < options_.record_bytes_max) r.entries.push_back(e);
  }
  append(r);
}

void store_node::do_remove() {
  const log_id log = any_log();
  if (log == log_id{} || known.logs.size() < 2 || !may_append(write_class::essential)) return;
  model::new_record r;
  r.shard = known.logs.at(log).shard;
  r.changes.push_back({model::log_change_kind::remove, log, {}});
  append(r);
  policies_.erase(log);
}

void store_node::do_trim() {
  const log_id log = any_log();
  if (log == log_id{} || !may_append(write_class::essential)) return;
  const auto info = store_->info(log);
  model::new_record r;
  r.shard = known.logs.at(log).shard;
  const auto length = static_cast<std::uint64_t>(info.end - info.start);
  const offset at = random_.chance(0.35) ? info.end : info.start + static_cast<std::int64_t>(random_.below(length + 1));
  r.changes.push_back({model::log_change_kind::trim, log, at});
  append(r);
}

void store_node::do_read() {
  pending_read p;
  p.log = any_log(false);
  if (p.log == log_id{}) return;
  const bool there = store_->exists(p.log);
  const auto info = there ? store_->info(p.log) : model::log_info{};
  const auto length = static_cast<std::uint64_t>(std::max<std::int64_t>(0, info.end - info.start));
  p.from = info.start + static_cast<std::int64_t>(random_.below(length + 1));
  if (random_.chance(0.2)) p.from = info.start;
  if (random_.chance(0.03)) p.from = info.end + static_cast<std::int64_t>(random_.below(3));
  if (random_.chance(0.03)) p.from = offset(info.start.raw() - static_cast<std::int64_t>(random_.below(3)));
  p.below = random_.chance(0.2) ? info.end : info.durable_end;
  if (random_.chance(0.1)) p.below = info.start + static_cast<std::int64_t>(random_.below(length + 1));
  p.bytes_max = random_.chance(0.3) ? random_.below(200) : random_.below(40'000);
  p.at_least_one = random_.chance(0.8);
  start_read(p);
}

void store_node::do_find_time() {
  const log_id log = any_log();
  if (log == log_id{}) return;
  const auto info = store_->info(log);
  const std::int64_t from = world_.time().wall().raw() - static_cast<std::int64_t>(random_.below(400));
  ++reads_open_;
  const offset start_then = known.logs.at(log).start;
  store_->find_time(
      log, from, info.durable_end,
      [this, log, from, start_then, below = info.durable_end](result<std::optional<model::read_batch>> r) {
        --reads_open_;
        if (!r) {
          const bool gone = !known.logs.contains(log);
          if (!excused(r.error()) && !gone) fail("find_time failed: " + r.error().describe());
          return;
        }
        // A trim in the meantime makes both answers right.
        const auto living = known.logs.find(log);
        if (living == known.logs.end() || living->second.start != start_then) return;
        check_found(log, from, below, *r);
      });
}

void store_node::do_checkpoint() {
  store_->checkpoint([this](result<void> r) {
    ++counts[r ? "checkpoints" : "checkpoints_failed"];
    if (!r && !excused(r.error()) && r.error().code != errc::fenced && r.error().code != errc::closed) {
      fail("checkpoint failed: " + r.error().describe());
    }
  });
}

void store_node::do_clean() {
  const log_id log = any_log();
  if (log == log_id{}) return;
  store_->clean_now(log, [this](result<void> r) {
    ++counts[r ? "cleans" : "cleans_failed"];
    if (r || excused(r.error())) return;
    const errc code = r.error().code;
    if (code != errc::fenced && code != errc::closed && code != errc::not_found) {
      fail("clean_now failed: " + r.error().describe());
    }
  });
  known.set_ticket(store_->last_ticket().raw());
}

void store_node::do_policy() {
  // Memory is wanted elsewhere, or is there again.
  if (random_.chance(0.3)) {
    store_->limit_cache(random_.chance(0.5) ? 0 : options_.wal_write_bytes_max * random_.between(1, 40));
  }
  const log_id log = any_log();
  if (log == log_id{} || (!shape_.compaction && !shape_.retention)) return;
  model::log_policy p;
  p.segment_bytes = random_.between(2000, 20'000);
  p.segment_ms = static_cast<std::int64_t>(random_.between(5, 100));
  if (shape_.retention && random_.chance(0.5)) {
    p.retention_bytes = static_cast<std::int64_t>(random_.below(30'000));
    if (random_.chance(0.5)) p.retention_ms = static_cast<std::int64_t>(random_.below(200));
    known.retained.insert(log);
  }
  // Compaction looks into entries: only logs whose entries are all keyed have it.
  if (shape_.compaction && (known.compacted.contains(log) || known.logs.at(log).entries.empty())) {
    p.compact = true;
    p.delete_old = known.retained.contains(log) && random_.chance(0.5);
    p.min_cleanable_ratio = random_.chance(0.5) ? 0.0 : 0.5;
    p.delete_retention_ms = random_.chance(0.5) ? 0 : 1'000'000'000;
    known.compacted.insert(log);
  }
  policies_[log] = p;
  store_->set_policy(log, p);
}

void store_node::set_policies() {
  for (auto it = policies_.begin(); it != policies_.end();) {
    if (known.logs.contains(it->first)) {
      store_->set_policy(it->first, it->second);
      ++it;
    } else {
      it = policies_.erase(it);  // its creation was lost
    }
  }
}

}  // namespace weir::sim_tests
