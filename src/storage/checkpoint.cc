#include "storage/checkpoint.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "storage/flush.h"

namespace weir::storage {

namespace {
// From this pace on there is time for small writes, which hold up the WAL less: 250 MB/s.
constexpr double gentle_ns_per_byte = 4;

manifest_cleaned to_manifest(model::log_id log, const clean_state& c) {
  return {log, c.to, c.tombstones_to, c.tombstones_ms, c.tombstones};
}
}  // namespace

struct checkpointer::run {
  run(core& c, bool gentle) : data(c, gentle) {}
  std::function<void(result<void>)> done;
  flush data;
  manifest_edit edit;
  bool full = false;
  std::uint64_t replay_from = 0;     // block seq: what is before is covered
  std::uint64_t cover_serial = 0;    // chunks before it are covered
  std::uint64_t wait_for_block = 0;  // must be durable before the edit is written
  // What was taken at the begin, to be given back on failure.
  struct taken_log {
    std::uint32_t slot = 0;
    model::offset to{};
  };
  std::vector<taken_log> logs;
  std::vector<std::uint64_t> shards;
  std::vector<model::log_id> removed_logs;
  std::vector<std::uint32_t> removed_slots;
  std::vector<std::uint64_t> dead;
  std::vector<std::uint64_t> changed_files;
  std::uint64_t appended_bytes = 0;
  std::uint64_t appended_large_bytes = 0;
  rewritten replaced;
  std::vector<touched_file> files;  // written by this checkpoint or rewritten before it
  bool keeps = false;
  bool await_wal = false;  // what is to be kept must be submitted first
  // Pace of the writes.
  double ns_per_byte = 0;
  std::int64_t next_write_ns = 0;
  std::uint64_t hurry_above = 0;  // bytes in the ring
  bool hurry = false;
  timer_id waiting{};  // for the time of the next write
  // Progress.
  std::size_t writing = 0;
  std::size_t syncing = 0;
  std::size_t next_sync = 0;
  bool all_written = false;
  bool edit_written = false;
  bool edit_started = false;
  std::optional<fault> failure;
};

checkpointer::checkpointer(core& c, manifest_store& manifest, wal& w, wal_files& files)
    : core_(c), manifest_(manifest), wal_(w), files_(files), alive_(std::make_shared<checkpointer*>(this)) {}
checkpointer::~checkpointer() = default;

bool checkpointer::needed() const {
  return !core_.dirty_logs.empty() || !core_.dirty_shards.empty() || !core_.removed_logs.empty() ||
         !core_.dead_files.empty() || !core_.changed_files.empty() || !core_.replaced.empty();
}

void checkpointer::start(std::int64_t spread_ns, bool keep_large, std::function<void(result<void>)> done) {
  WEIR_ASSERT(run_ == nullptr);
  const std::uint64_t held = core_.memory.uncovered_bytes();
  const double ns_per_byte = static_cast<double>(spread_ns) / static_cast<double>(std::max<std::uint64_t>(held, 1));
  run_ = std::make_unique<run>(core_, ns_per_byte > gentle_ns_per_byte);
  run_->done = std::move(done);
  if (keep_large) run_->data.keep_large();
  run_->keeps = keep_large;
  run_->ns_per_byte = ns_per_byte;
  run_->next_write_ns = core_.time.now().raw();
  run_->hurry_above = held + held / 2;
  run_->full = manifest_.needs_full();
  // Everything appended up to now is covered; later records begin a new block in a new chunk.
  wal_.leave_chunk();
  run_->cover_serial = core_.memory.last_serial() + 1;
  run_->replay_from = run_->edit.wal.replay_from_seq = wal_.last_block_seq() + 1;
  run_->edit.wal.incarnation = core_.incarnation;
  collect();
  if (core_.planted(planted_fault::wal_recycled_early)) files_.recycle(run_->replay_from);
  if (core_.planted(planted_fault::unlink_before_manifest)) unlink_dead();
  core_.exec.defer([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) pump_writes();
  });
}

// ---- The begin: one step, no waiting ------------------------------------------------------------------------------------

void checkpointer::collect() {
  run& r = *run_;
  r.removed_logs.swap(core_.removed_logs);
  r.removed_slots.swap(core_.removed_slots);
  r.dead.swap(core_.dead_files);
  std::erase_if(r.dead, [&](std::uint64_t id) {
    const data_file* f = core_.files.find(id);
    return f == nullptr || f->extents > 0;  // a checkpoint gave it an extent after it had lost its last one
  });
  r.changed_files.swap(core_.changed_files);
  std::swap(r.appended_bytes, core_.appended_bytes);
  std::swap(r.appended_large_bytes, core_.appended_large_bytes);
  std::swap(r.replaced, core_.replaced);
  if (!core_.planted(planted_fault::removed_log_returns)) r.edit.removed_logs = r.removed_logs;
  if (r.full) collect_everything();
  collect_shards();
  collect_logs();
}

void checkpointer::collect_shards() {
  run& r = *run_;
  r.shards.swap(core_.dirty_shards);
  std::vector<std::uint64_t> ids = r.shards;
  if (r.full) {
    ids.clear();
    for (const auto& [id, s] : core_.shards) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  for (const std::uint64_t id : ids) {
    shard_state& s = core_.shards.at(id);
    s.dirty = false;
    manifest_shard out;
    out.shard = s.id;
    out.covered = s.last;
    if (core_.planted(planted_fault::covered_lsn_too_high)) ++out.covered;
    if (core_.planted(planted_fault::covered_lsn_too_low)) out.covered = model::lsn(out.covered.raw() - 1);
    if (!core_.planted(planted_fault::snapshot_misses_shard) || id != ids.front()) {
      core_.machine.snapshot(s.id, out.snapshot);
    }
    r.edit.shards.push_back(std::move(out));
  }
}

void checkpointer::collect_logs() {
  run& r = *run_;
  std::vector<std::uint32_t> slots;
  slots.swap(core_.dirty_logs);
  for (const std::uint32_t slot : slots) {
    log_state* log = core_.logs.at_slot(slot);
    if (log == nullptr || !log->dirty || log->removed) continue;
    log->dirty = false;
    r.logs.push_back({slot, log->end});
    if (!r.full) {
      const bool forget = core_.planted(planted_fault::trim_forgotten);
      r.edit.logs.push_back({log->id, log->shard, forget ? model::offset{} : log->start, log->end});
    }
    log->flushing_max_ts = log->unflushed_max_ts;
    log->unflushed_max_ts = -1;
    if (log->flushed_end < log->end) r.data.add(*log, log->flushed_end, log->end, log->unflushed_bytes);
  }
}

// A full edit: every log, file and extent that is recorded and still needed.
void checkpointer::collect_everything() {
  run& r = *run_;
  const bool forget = core_.planted(planted_fault::trim_forgotten);
  core_.logs.each([&](const log_state& log) {
    r.edit.logs.push_back({log.id, log.shard, forget ? model::offset{} : log.start, log.end});
    if (log.clean.to > model::offset{}) r.edit.cleaned.push_back(to_manifest(log.id, log.clean));
    for (const extent& e : log.extents) {
      r.edit.extents.push_back({log.id, e.file->id, e.position, e.length, e.base, e.end, e.max_timestamp_ms});
    }
  });
  for (const auto& [id, f] : core_.files.all()) {
    if (f->extents > 0) r.edit.files.push_back({f->id, f->kind, f->sealed, f->log, f->created_ms, f->length});
  }
  std::sort(r.edit.files.begin(), r.edit.files.end(),
            [](const manifest_file& a, const manifest_file& b) { return a.id < b.id; });
}

// ---- Data files -------------------------------------------------------------------------------------------------------

void checkpointer::hurry() {
  if (run_ == nullptr || run_->hurry) return;
  run_->hurry = true;
  if (stop_waiting()) pump_writes();
}

bool checkpointer::stop_waiting() {
  const timer_id timer = std::exchange(run_->waiting, {});
  core_.exec.cancel(timer);
  return timer != timer_id{};
}

// Whether the next write has to wait for its time.
bool checkpointer::too_early() {
  run& r = *run_;
  if (core_.memory.uncovered_bytes() > r.hurry_above) r.hurry = true;
  if (r.hurry) {
    r.data.hurry();
    return false;
  }
  if (core_.time.now().raw() >= r.next_write_ns) return false;
  if (r.waiting != timer_id{}) return true;
  r.waiting = core_.exec.at(mono_ns(r.next_write_ns), [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    run_->waiting = {};
    pump_writes();
  });
  return true;
}

void checkpointer::pump_writes() {
  run& r = *run_;
  r.await_wal = r.keeps && wal_.durable_seq() < r.replay_from - 1 && !wal_.starved() && !wal_.fenced();
  if (r.await_wal) return;
  while (!r.failure && !r.all_written && r.writing < core_.options.data_writes_in_flight) {
    if (too_early()) return;
    auto op = r.data.next();
    if (!op) {
      r.failure = op.error();
      break;
    }
    if (!*op) {
      r.all_written = true;
      break;
    }
    ++r.writing;
    auto w = std::make_shared<write_op>(std::move(**op));
    segment_bytes_ += w->size;
    r.next_write_ns += static_cast<std::int64_t>(r.ns_per_byte * static_cast<double>(w->size));
    auto handle = w->handle;
    handle->write(w->position, w->parts, [this, alive = std::weak_ptr(alive_), w](const result<std::size_t>& moved) {
      if (!alive.expired()) written(moved, w->size);
    });
  }
  if (r.writing > 0) return;
  stop_waiting();
  if (r.failure) return fail(*r.failure);
  if (core_.planted(planted_fault::chunk_released_early)) {
    core_.memory.cover(r.cover_serial);
    core_.memory.evict(0, SIZE_MAX, [this](chunk& c) { core_.forget_chunk(c); });
  }
  r.files = r.data.files();
  r.files.insert(r.files.end(), r.replaced.files.begin(), r.replaced.files.end());
  if (core_.planted(planted_fault::manifest_before_data_sync)) return write_manifest();
  pump_syncs();
}

void checkpointer::written(const result<std::size_t>& moved, std::size_t expected) {
  run& r = *run_;
  --r.writing;
  if ((!moved || *moved != expected) && !r.failure) {
    r.failure = moved ? fault(errc::io, "short write of a data file") : moved.error();
  }
  pump_writes();
}

void checkpointer::pump_syncs() {
  run& r = *run_;
  const auto& files = r.files;
  if (core_.planted(planted_fault::data_sync_skipped)) r.next_sync = files.size();
  while (!r.failure && r.next_sync < files.size() && r.syncing < core_.options.data_syncs_in_flight) {
    const auto handle = files[r.next_sync++].handle;
    ++r.syncing;
    handle->sync([this, alive = std::weak_ptr(alive_), handle](const result<void>& outcome) {
      if (alive.expired()) return;
      --run_->syncing;
      if (!outcome && !run_->failure && !core_.planted(planted_fault::failed_data_sync_ignored)) {
        run_->failure = outcome.error();
      }
      pump_syncs();
    });
  }
  if (r.syncing > 0) return;
  if (r.failure) return fail(*r.failure);
  sync_folder();
}

void checkpointer::sync_folder() {
  run& r = *run_;
  const bool created = std::any_of(r.files.begin(), r.files.end(), [](const auto& f) { return f.created; });
  if (!created || core_.planted(planted_fault::folder_sync_skipped)) return write_manifest();
  // A rewrite may have made its files before a sync of the folder failed.
  const bool doubtful = std::any_of(r.files.begin(), r.files.end(),
                                    [this](const auto& f) { return f.created && f.lost_names != core_.lost_names; });
  if (doubtful) return fail(fault(errc::io, "a new file may have lost its name"));
  core_.disk.sync_folder("data", [this, alive = std::weak_ptr(alive_)](const result<void>& outcome) {
    if (alive.expired()) return;
    if (!outcome) {
      ++core_.lost_names;
      return fail(outcome.error());
    }
    write_manifest();
  });
}

// ---- The manifest -----------------------------------------------------------------------------------------------------

void checkpointer::wal_moved() {
  if (run_ != nullptr && run_->await_wal) return pump_writes();
  if (run_ != nullptr && run_->edit_started && !run_->edit_written) write_manifest();
}

void checkpointer::write_manifest() {
  run& r = *run_;
  if (r.edit_written) return commit();  // only with manifest_before_data_sync
  if (wal_.fenced()) return fail(fault(errc::fenced, "the WAL failed"));
  // Wait for the WAL up to the begin; and further if an entry was left out because of a later trim or removal: it would be
  // lost if that did not last. But the WAL may itself wait for this checkpoint to free a file. Then the edit makes the
  // records durable that the WAL could not write; with entries left out it must begin anew.
  if (!r.edit_started) r.wait_for_block = r.data.skipped() ? wal_.last_block_seq() : r.replay_from - 1;
  r.edit_started = true;
  if (wal_.durable_seq() < r.wait_for_block) {
    if (!wal_.starved()) return;
    if (r.data.skipped()) return fail(fault(errc::busy, "the WAL has no file left"));
  }
  r.edit_written = true;
  r.edit.next_file_id = core_.files.next_id();
  r.edit.wal.durable_seq = wal_.durable_seq();
  add_new_files();
  for (const auto& made : r.data.extents()) {
    const log_state& log = *core_.logs.at_slot(made.slot);
    const extent& e = made.where;
    const bool shifted = core_.planted(planted_fault::small_extent_shifted) && e.file->kind == data_file_kind::shared;
    r.edit.extents.push_back({log.id, e.file->id, e.position + (shifted ? 8 : 0), e.length - (shifted ? 8 : 0), e.base,
                              e.end, e.max_timestamp_ms});
  }
  add_replacements();
  if (!r.full) {
    for (const std::uint64_t id : r.dead) {
      const data_file* f = core_.files.find(id);
      if (f != nullptr && f->recorded) r.edit.removed_files.push_back(id);
    }
  }
  manifest_.append(std::move(r.edit), r.full, core_.store_id,
                   [this, alive = std::weak_ptr(alive_)](const result<void>& outcome) {
                     if (alive.expired()) return;
                     if (!outcome) return fail(outcome.error());
                     if (core_.planted(planted_fault::manifest_before_data_sync)) return pump_syncs();
                     commit();
                   });
}

void checkpointer::add_replacements() {
  run& r = *run_;
  for (const replacement& p : r.replaced.replacements) {
    if (core_.logs.find(p.log) == nullptr) continue;
    r.edit.cuts.push_back({p.log, p.from, p.to});
    std::erase_if(r.edit.extents,
                  [&](const manifest_extent& e) { return e.log == p.log && e.base >= p.from && e.base < p.to; });
    if (p.cleaned) r.edit.cleaned.push_back(to_manifest(p.log, *p.cleaned));
    for (const extent& e : p.extents) {
      r.edit.extents.push_back({p.log, e.file->id, e.position, e.length, e.base, e.end, e.max_timestamp_ms});
    }
  }
}

void checkpointer::add_new_files() {
  run& r = *run_;
  std::vector<data_file*> files;
  for (const touched_file& t : r.files) files.push_back(t.file);
  files.insert(files.end(), r.data.kept().begin(), r.data.kept().end());
  for (const std::uint64_t id : r.changed_files) {
    if (data_file* f = core_.files.find(id); f != nullptr && f->extents > 0) files.push_back(f);
  }
  std::sort(files.begin(), files.end(), [](const data_file* a, const data_file* b) { return a->id < b->id; });
  files.erase(std::unique(files.begin(), files.end()), files.end());
  for (const data_file* f : files) {
    const manifest_file entry{f->id, f->kind, f->sealed, f->log, f->created_ms, f->written};
    const auto known =
        std::find_if(r.edit.files.begin(), r.edit.files.end(), [&](const auto& x) { return x.id == f->id; });
    if (known != r.edit.files.end()) {
      *known = entry;
    } else {
      r.edit.files.push_back(entry);
    }
  }
}

void checkpointer::commit() {
  run& r = *run_;
  for (const touched_file& t : r.files) {
    t.file->length = t.file->written;
    t.file->recorded = true;
  }
  for (data_file* f : r.data.kept()) {
    f->length = f->written;
    f->recorded = true;
  }
  for (const auto& made : r.data.extents()) {
    log_state& log = *core_.logs.at_slot(made.slot);
    if (!log.removed && made.where.end > log.start) core_.add_extent(log, made.where);
  }
  for (const auto& taken : r.logs) core_.settle_flushed(*core_.logs.at_slot(taken.slot), taken.to);
  for (const replacement& p : r.replaced.replacements) {
    if (log_state* log = core_.logs.find(p.log); log != nullptr) core_.replace_extents(*log, p);
  }
  for (const touched_file& t : r.files) core_.retire_if_unused(*t.file);
  for (data_file* f : r.data.kept()) core_.retire_if_unused(*f);
  kept_bytes_ += r.data.kept_bytes();
  for (const std::uint32_t slot : r.removed_slots) core_.logs.free_slot(slot);
  core_.memory.cover(r.cover_serial);
  if (!core_.planted(planted_fault::unlink_before_manifest)) unlink_dead();
  for (const std::uint64_t id : r.dead) core_.files.forget(id);
  wal_.cover(r.replay_from);
  finish({});
}

void checkpointer::unlink_dead() {
  for (const std::uint64_t id : run_->dead) {
    if (data_file* f = core_.files.find(id); f != nullptr) remove(*f);
  }
}

// A kept WAL file is used again if nobody reads it: the manifest on disk does not name it any more.
void checkpointer::remove(data_file& f) {
  const bool again = f.kind == data_file_kind::wal && !data_files::busy(f) && files_.take_back(f.id & ~kept_wal_bit);
  if (!again) core_.trash.remove(data_file_name(f.id, f.kind));
}

void checkpointer::fail(const fault& why) {
  run& r = *run_;
  // An edit that was begun may be on disk whatever became of it, and name the new files.
  const auto drop = [&](data_file& f) { r.edit_written ? core_.abandon(f) : core_.discard(f); };
  for (const touched_file& t : r.data.files()) drop(*t.file);
  for (const touched_file& t : r.replaced.files) drop(*t.file);
  for (data_file* f : r.data.kept()) core_.give_up_kept(*f);
  for (const auto& taken : r.logs) {
    log_state& log = *core_.logs.at_slot(taken.slot);
    log.unflushed_max_ts = std::max(log.unflushed_max_ts, log.flushing_max_ts);
    log.flushing_max_ts = -1;
    if (!log.removed) core_.mark_dirty(log);
  }
  for (const std::uint64_t id : r.shards) {
    shard_state& s = core_.shards.at(id);
    if (!s.dirty) core_.dirty_shards.push_back(id);
    s.dirty = true;
  }
  const auto give_back = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
  give_back(core_.removed_logs, r.removed_logs);
  give_back(core_.removed_slots, r.removed_slots);
  give_back(core_.dead_files, r.dead);
  give_back(core_.changed_files, r.changed_files);
  core_.appended_bytes += r.appended_bytes;
  core_.appended_large_bytes += r.appended_large_bytes;
  finish(fault(why.code, "checkpoint: " + why.describe()));
}

void checkpointer::finish(const result<void>& outcome) {
  const auto done = std::move(run_->done);
  run_.reset();
  done(outcome);
}

}  // namespace weir::storage
