#include "storage/core.h"

#include <algorithm>

#include "base/assert.h"

namespace weir::storage {

core::core(platform::disk& d, executor& e, const clock& c, rng& r, const format_registry& f, model::state_machine& m,
           store_options o)
    : disk(d),
      exec(e),
      time(c),
      random(r),
      formats(f),
      machine(m),
      options(std::move(o)),
      files(d, options.open_files_max),
      memory(options),
      io_memory(std::make_shared<io_pool>(options)),
      trash(d) {}

shard_state& core::shard(model::shard_id id) {
  shard_state& s = shards[id.raw()];
  s.id = id;
  return s;
}

void core::apply_change(const model::log_change& change, model::shard_id shard_of) {
  if (change.kind == model::log_change_kind::create) return create_log(change.log, shard_of);
  log_state* log = logs.find(change.log);
  WEIR_ASSERT(log != nullptr && log->shard == shard_of);
  if (change.kind == model::log_change_kind::remove) return remove_log(*log);
  WEIR_ASSERT(change.kind == model::log_change_kind::trim);
  trim_log(*log, change.at);
}

void core::create_log(model::log_id id, model::shard_id shard_of) { mark_dirty(logs.add(id, shard_of)); }

void core::remove_log(log_state& log) {
  for (const extent& e : log.extents) release_file(*e.file);
  log.extents.clear();
  if (log.active != nullptr) {
    log.active->sealed = true;
    log.active = nullptr;
  }
  log.tail.clear();
  unflushed_bytes -= log.unflushed_bytes;
  log.unflushed_bytes = 0;
  removed_logs.push_back(log.id);
  removed_slots.push_back(log.slot);
  logs.remove(log);
}

void core::trim_log(log_state& log, model::offset at) {
  if (at <= log.start) return;
  WEIR_ASSERT(at <= log.end);
  log.start = at;
  while (!log.tail.empty()) {
    const model::offset end = log.tail.size() > 1 ? log.tail[1].base : log.end;
    if (end > at) break;
    if (log.tail.front().base >= log.flushed_end) {
      log.unflushed_bytes -= log.tail.front().bytes;
      unflushed_bytes -= log.tail.front().bytes;
      log.flushed_end = end;
    }
    log.tail.pop_front();
  }
  if (log.tail.empty()) {
    log.flushed_end = log.end;
    log.unflushed_max_ts = -1;
  }
  drop_extents_below(log, at);
  mark_dirty(log);
}

void core::apply_entry(log_state& log, const entry_header& h, chunk& where, std::uint32_t position) {
  WEIR_ASSERT(h.base == log.end);
  const std::size_t total = h.total_bytes();
  log.tail.push({h.base, &where, position, static_cast<std::uint32_t>(total)});
  log.end = h.end();
  log.unflushed_bytes += total;
  unflushed_bytes += total;
  log.unflushed_max_ts = std::max(log.unflushed_max_ts, h.max_timestamp_ms);
  where.touch(log.slot);
  mark_dirty(log);
}

void core::add_extent(log_state& log, const extent& e) {
  log.extent_bytes += e.length;
  log.extents_max_ts = std::max(log.extents_max_ts, e.max_timestamp_ms);
  if (!log.extents.empty()) {
    extent& last = log.extents.back();
    if (last.file == e.file && last.position + last.length == e.position && last.end == e.base &&
        e.file->kind == data_file_kind::own) {
      last.length += e.length;
      last.end = e.end;
      last.max_timestamp_ms = std::max(last.max_timestamp_ms, e.max_timestamp_ms);
      return;
    }
  }
  ++e.file->extents;
  if (e.file->kind == data_file_kind::wal) ++kept_extents;
  log.extents.push_back(e);
}

void core::replace_extents(log_state& log, const replacement& r) {
  std::vector<extent> all;
  for (const extent& e : log.extents) {
    if (e.base < r.from || e.base >= r.to) all.push_back(e);
  }
  const std::vector<extent> before = std::move(log.extents);
  for (const extent& e : r.extents) {
    if (e.end <= log.start) continue;
    ++e.file->extents;
    all.push_back(e);
  }
  std::sort(all.begin(), all.end(), [](const extent& a, const extent& b) { return a.base < b.base; });
  log.extents = std::move(all);
  for (const extent& e : before) {
    if (e.base >= r.from && e.base < r.to) release_file(*e.file);
  }
  const auto stale = [&] { return !log.tail.empty() && log.tail.front().base < std::min(r.to, log.flushed_end); };
  while (r.filtered && stale()) log.tail.pop_front();
  if (r.cleaned) log.clean = *r.cleaned;
  recount_extents(log);
}

void core::drop_extents_below(log_state& log, model::offset start) {
  std::size_t n = 0;
  while (n < log.extents.size() && log.extents[n].end <= start) release_file(*log.extents[n++].file);
  if (n == 0) return;
  log.extents.erase(log.extents.begin(), log.extents.begin() + static_cast<std::ptrdiff_t>(n));
  recount_extents(log);
}

void core::recount_extents(log_state& log) {
  log.extent_bytes = 0;
  log.extents_max_ts = -1;
  for (const extent& e : log.extents) {
    log.extent_bytes += e.length;
    log.extents_max_ts = std::max(log.extents_max_ts, e.max_timestamp_ms);
  }
}

void core::release_file(data_file& f) {
  WEIR_ASSERT(f.extents > 0);
  if (f.kind == data_file_kind::wal) --kept_extents;
  if (--f.extents > 0) return;
  if (log_state* log = logs.find(f.log); log != nullptr && log->active == &f) {
    if (f.written != f.length) return;  // a checkpoint is adding to it: it decides
    log->active = nullptr;
  }
  f.sealed = true;
  if (!f.in_wal) dead_files.push_back(f.id);
}

void core::settle_flushed(log_state& log, model::offset to) {
  log.flushing_max_ts = -1;
  if (log.removed || to <= log.flushed_end) return;
  std::uint64_t flushed = 0;
  for (std::size_t i = log.tail.empty() ? 0 : log.tail.find(log.flushed_end); i < log.tail.size(); ++i) {
    if (log.tail[i].base >= to) break;
    if (log.tail[i].base >= log.flushed_end) flushed += log.tail[i].bytes;
  }
  log.flushed_end = to;
  log.unflushed_bytes -= flushed;
  unflushed_bytes -= flushed;
}

void core::retire_if_unused(data_file& f) {
  if (f.extents > 0 || f.in_wal) return;
  if (log_state* log = logs.find(f.log); log != nullptr && log->active == &f) log->active = nullptr;
  f.sealed = true;
  if (std::find(dead_files.begin(), dead_files.end(), f.id) == dead_files.end()) dead_files.push_back(f.id);
}

void core::give_up_kept(data_file& f) {
  f.written = f.length;
  if (!f.recorded && f.extents == 0) files.forget(f.id);
}

bool core::take_from_wal(std::uint64_t wal_number) {
  data_file* f = files.find(kept_wal_bit | wal_number);
  if (f == nullptr) return false;
  f->in_wal = false;
  retire_if_unused(*f);
  return true;
}

void core::abandon(data_file& f) {
  f.sealed = true;
  f.written = f.length;
  f.indexed = 0;
  std::vector<index_entry>().swap(f.index);
  if (log_state* log = logs.find(f.log); log != nullptr && log->active == &f) log->active = nullptr;
  if (f.extents == 0) return retire_if_unused(f);
  changed_files.push_back(f.id);
}

void core::discard(data_file& f) {
  abandon(f);
  if (f.recorded || f.extents > 0) return;
  std::erase(dead_files, f.id);
  trash.remove(data_file_name(f.id, f.kind));
  files.forget(f.id);
}

void core::forget_chunk(chunk& c) {
  for (const std::uint32_t slot : c.touched) {
    log_state* log = logs.at_slot(slot);
    if (log == nullptr || log->removed) continue;
    while (!log->tail.empty() && log->tail.front().where == &c) log->tail.pop_front();
    log->tail.release_spare();
  }
}

}  // namespace weir::storage
