#include "storage/recovery.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/assert.h"
#include "storage/superblock_file.h"

namespace weir::storage {

result<void> recovery::run() {
  reserve_.look();
  auto found = load_superblock(core_.disk);
  if (!found) return found.error();
  // Also when there is a superblock: a crash may have kept it and not the folders that were made just before.
  for (const char* folder : {"wal", "data"}) {
    if (auto ok = reserve_.with_room([&] { return core_.disk.make_folder(folder); }); !ok) return ok;
  }
  if (!*found) return create();
  block_ = **found;
  core_.store_id = block_.store_id;
  if (auto ok = load_manifest(); !ok) return ok;
  if (auto ok = check_files(); !ok) return ok;
  if (auto ok = check_cover(); !ok) return ok;
  if (auto ok = restore_shards(); !ok) return ok;
  wal_reader reader(
      core_.disk, core_.options,
      {block_.store_id, wal_position_.replay_from_seq, wal_position_.durable_seq, wal_position_.incarnation},
      [this](std::uint64_t number) { return core_.files.find(kept_wal_bit | number) != nullptr; });
  if (auto ok = reader.run([this](bytes block, const wal_block_header&) { return replay_block(block); }); !ok)
    return ok;
  if (core_.planted(planted_fault::lsn_reused)) {
    for (auto& [id, s] : core_.shards) s.last = model::lsn(std::max<std::uint64_t>(s.last.raw(), 1) - 1);
  }
  if (auto ok = reader.make_durable(); !ok) return ok;
  if (auto ok = reserve_.with_room([&] { return manifest_.make_durable(); }); !ok) return ok;
  next_block_seq_ = reader.next_seq() + (core_.planted(planted_fault::block_seq_skipped) ? 1 : 0);
  report_.torn_blocks = reader.torn_blocks();
  if (auto ok = reader.give_files(files_); !ok) return ok;
  note_wal_files();
  if (auto ok = cut_files(); !ok) return ok;
  if (auto ok = remove_orphans(); !ok) return ok;
  ++block_.incarnation;
  core_.incarnation = block_.incarnation;
  if (auto ok = reserve_.with_room([&] { return store_superblock(core_.disk, block_); }); !ok) return ok;
  // Without room for even a small one it starts all the same: there are reads to answer, and what is written waits.
  auto first = reserve_.with_room([&] { return files_.ensure_first(); });
  if (!first && first.error().code == errc::no_space) return {};
  return first;
}

// Kept files that the WAL goes on with are not dead, whatever the replay found.
void recovery::note_wal_files() {
  core_.files.each(
      [this](data_file& f) { f.in_wal = f.kind == data_file_kind::wal && files_.in_use(f.id & ~kept_wal_bit); });
  std::erase_if(core_.dead_files, [this](std::uint64_t id) {
    const data_file* f = core_.files.find(id);
    return f != nullptr && f->in_wal;
  });
}

result<void> recovery::create() {
  block_.store_id = core_.random.next();
  block_.incarnation = 1;
  block_.created_ms = core_.time.wall().raw();
  if (auto ok = store_superblock(core_.disk, block_); !ok) return ok;
  core_.store_id = block_.store_id;
  core_.incarnation = block_.incarnation;
  report_.created = true;
  return files_.ensure_first();
}

result<void> recovery::load_manifest() {
  auto edits = manifest_.load(block_.store_id);
  if (!edits) return edits.error();
  for (const manifest_edit& e : *edits) {
    if (auto ok = take_edit(e); !ok) return ok;
  }
  settle_extents();
  return {};
}

result<void> recovery::take_edit(const manifest_edit& e) {
  wal_position_ = e.wal;
  core_.files.set_next_id(e.next_file_id);
  for (const manifest_file& f : e.files) {
    data_file* known = core_.files.find(f.id);
    if (known == nullptr) {
      data_file fresh;
      fresh.id = f.id;
      known = &core_.files.restore(fresh);
    }
    known->kind = f.kind;
    known->log = f.log;
    known->created_ms = f.created_ms;
    known->length = known->written = f.length;
    known->sealed = f.sealed;
    known->recorded = true;
  }
  for (const model::log_id id : e.removed_logs) {
    log_state* log = core_.logs.find(id);
    if (log == nullptr) continue;
    for (const extent& x : log->extents) --x.file->extents;
    const std::uint32_t slot = log->slot;
    core_.logs.remove(*log);
    core_.logs.free_slot(slot);
  }
  for (const manifest_log& l : e.logs) {
    log_state* log = core_.logs.find(l.log);
    if (log == nullptr) log = &core_.logs.add(l.log, l.shard);
    if (l.start > l.end)
      return fault(errc::corrupt, "manifest: bounds of log " + std::to_string(l.log.raw()) + " are impossible");
    log->start = std::max(log->start, l.start);
    log->end = log->flushed_end = l.end;
  }
  for (const manifest_shard& s : e.shards) shards_[s.shard.raw()] = s;
  if (auto ok = take_extents(e); !ok) return ok;
  for (const manifest_cleaned& c : e.cleaned) {
    log_state* log = core_.logs.find(c.log);
    if (log != nullptr) log->clean = {c.to, c.tombstones_to, c.tombstones_ms, c.tombstones};
  }
  for (const std::uint64_t id : e.removed_files) {
    data_file* f = core_.files.find(id);
    if (f != nullptr && f->extents == 0) core_.files.forget(id);
  }
  return {};
}

result<void> recovery::take_extents(const manifest_edit& e) {
  for (const manifest_cut& c : e.cuts) {
    log_state* log = core_.logs.find(c.log);
    if (log == nullptr) continue;
    std::erase_if(log->extents, [&](const extent& x) {
      const bool gone = x.base >= c.from && x.base < c.to;
      if (gone) --x.file->extents;
      return gone;
    });
  }
  std::set<log_state*> unsorted;  // tidy-allow(pointer-order): each is sorted by itself, in any order
  for (const manifest_extent& x : e.extents) {
    log_state* log = core_.logs.find(x.log);
    data_file* file = core_.files.find(x.file);
    if (log == nullptr) continue;  // removed while its extents were being written
    if (file == nullptr || x.position + x.length > file->length || x.base > x.end) {
      return fault(errc::corrupt, "manifest: an extent of log " + std::to_string(x.log.raw()) + " is impossible");
    }
    // A rewrite may have copied what was trimmed meanwhile, and an earlier edit than this one have moved the start. The
    // running store does not count such an extent either, and removes its file.
    if (x.end <= log->start) continue;
    if (!log->extents.empty() && x.base < log->extents.back().end) unsorted.insert(log);
    // Pieces stay apart until all edits are in: a later cut names them by where they began, and which of them the running
    // store had joined depends on what it had dropped by then.
    ++file->extents;
    log->extents.push_back({file, x.position, x.length, x.base, x.end, x.max_timestamp_ms});
  }
  for (log_state* log : unsorted) {
    std::sort(log->extents.begin(), log->extents.end(),
              [](const extent& a, const extent& b) { return a.base < b.base; });
  }
  // What is below a log's start went with the edit that moved it.
  for (const manifest_log& l : e.logs) {
    log_state* log = core_.logs.find(l.log);
    std::erase_if(log->extents, [&](const extent& x) {
      if (x.end > log->start) return false;
      --x.file->extents;
      return true;
    });
  }
  return {};
}

// Sums, ends and the growing file of each log, once all edits are in.
void recovery::settle_extents() {
  core_.logs.each([this](log_state& log) {
    std::vector<extent> pieces;
    pieces.swap(log.extents);
    for (const extent& x : pieces) {
      --x.file->extents;
      core_.add_extent(log, x);
    }
    core_.recount_extents(log);
    if (core_.planted(planted_fault::offset_reused)) {
      log.end = log.flushed_end = log.extents.empty() ? log.start : log.extents.back().end;
    }
    if (log.extents.empty()) return;
    data_file* last = log.extents.back().file;
    if (last->kind == data_file_kind::own && !last->sealed) log.active = last;
  });
}

result<void> recovery::check_files() {
  std::map<std::string, std::uint64_t> sizes;
  for (const std::string folder : {"data", "wal"}) {
    auto listed = core_.disk.list(folder);
    if (!listed) return listed.error();
    for (const auto& e : *listed) sizes[folder + "/" + e.name] = e.size;
  }
  std::vector<std::uint64_t> unused;
  for (const auto& [id, f] : core_.files.all()) {
    if (f->extents == 0) {
      unused.push_back(id);
      continue;
    }
    const std::string name = data_file_name(id, f->kind);
    const auto it = sizes.find(name);
    if (it == sizes.end()) return fault(errc::corrupt, name + " is missing");
    if (it->second < f->length) {
      return fault(errc::corrupt, name + " has " + std::to_string(it->second) + " bytes, the manifest says " +
                                      std::to_string(f->length));
    }
    if (!f->sealed && it->second > f->length) overlong_.push_back(id);
  }
  for (const std::uint64_t id : unused) core_.files.forget(id);
  std::sort(overlong_.begin(), overlong_.end());
  return {};
}

// What a checkpoint wrote behind the end that it did not come to record.
result<void> recovery::cut_files() {
  for (const std::uint64_t id : overlong_) {
    data_file* f = core_.files.find(id);
    if (f == nullptr) continue;
    auto handle = core_.files.open(*f);
    if (!handle) return handle.error();
    if (auto ok = (*handle)->truncate_now(f->length); !ok) return ok;
  }
  return {};
}

// Extents end where the log's part in files ends, and none overlap. Offsets between them were compacted away.
result<void> recovery::check_cover() const {
  result<void> outcome;
  core_.logs.each([&](const log_state& log) {
    for (std::size_t i = 0; i < log.extents.size(); ++i) {
      const bool overlaps = i > 0 && log.extents[i].base < log.extents[i - 1].end;
      if (overlaps || log.extents[i].end > log.flushed_end) {
        outcome = fault(errc::corrupt,
                        "manifest: extents of log " + std::to_string(log.id.raw()) + " overlap or pass its end");
      }
    }
  });
  return outcome;
}

result<void> recovery::restore_shards() {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, s] : shards_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  for (const std::uint64_t id : ids) {
    const manifest_shard& s = shards_[id];
    core_.shard(s.shard).last = s.covered;
    covered_[id] = s.covered;
    if (auto ok = core_.machine.restore(s.shard, s.snapshot); !ok) {
      return fault(ok.error().code, "snapshot of shard " + std::to_string(id) + ": " + ok.error().text);
    }
  }
  shards_.clear();
  return {};
}

chunk& recovery::chunk_for(std::size_t n) {
  if (chunk_ == nullptr || chunk_->used + n > chunk_->capacity) chunk_ = core_.memory.add(n);
  return *chunk_;
}

result<void> recovery::replay_block(bytes block) {
  // The block lives on in memory as if it had just been appended: its entries are not in files yet.
  chunk& c = chunk_for(block.size());
  std::byte* to = c.data + c.used;
  std::memcpy(to, block.data(), block.size());
  std::uint32_t position = static_cast<std::uint32_t>(c.used + wal_block_header_bytes);
  c.used += block.size();
  durable_place_ = {c.serial, c.used};
  bytes rest = bytes(to, block.size()).subspan(wal_block_header_bytes);
  while (!rest.empty()) {
    auto r = parse_record(rest, false);
    if (!r) return r.error();
    if (auto ok = replay_record(*r, position); !ok) return ok;
    position += r->header.length;
    rest = rest.subspan(r->header.length);
  }
  report_.replayed_bytes += block.size();
  return {};
}

result<void> recovery::check_change(const model::log_change& change, model::shard_id shard) const {
  const log_state* log = core_.logs.find(change.log);
  const bool create = change.kind == model::log_change_kind::create;
  const bool trim = change.kind == model::log_change_kind::trim;
  if (!create && !trim && change.kind != model::log_change_kind::remove) {
    return fault(errc::unsupported, "a log change that this build does not know");
  }
  const bool fits = create ? log == nullptr : log != nullptr && log->shard == shard;
  if (!fits || (trim && change.at > log->end)) {
    return fault(errc::corrupt, "a change of log " + std::to_string(change.log.raw()) + " does not fit its state");
  }
  return {};
}

result<void> recovery::replay_record(const parsed_record& r, std::uint32_t position) {
  const model::lsn covered = covered_[r.header.shard.raw()];
  if (r.header.at <= covered) return {};
  shard_state& shard = core_.shard(r.header.shard);
  if (r.header.at != shard.last + 1) {
    return fault(errc::corrupt, "shard " + std::to_string(r.header.shard.raw()) + " goes from lsn " +
                                    std::to_string(shard.last.raw()) + " to " + std::to_string(r.header.at.raw()));
  }
  shard.last = r.header.at;
  if (!shard.dirty) {
    shard.dirty = true;
    core_.dirty_shards.push_back(shard.id.raw());
  }
  if (core_.planted(planted_fault::replay_skips_state) && r.header.entries == 0 && r.header.changes == 0) return {};
  applied_ = {};
  applied_.shard = r.header.shard;
  applied_.at = r.header.at;
  for (std::uint32_t i = 0; i < r.header.changes; ++i) {
    const model::log_change change = change_at(r, i);
    if (auto ok = check_change(change, r.header.shard); !ok) return ok;
    core_.apply_change(change, r.header.shard);
    applied_.changes.push_back(change);
  }
  bytes rest = r.entries;
  std::uint32_t at = position + static_cast<std::uint32_t>(r.header.fixed_bytes());
  for (std::uint32_t i = 0; i < r.header.entries; ++i) {
    auto e = parse_entry(rest, false);
    if (!e) return e.error();
    log_state* log = core_.logs.find(e->header.log);
    if (log == nullptr || log->shard != r.header.shard || log->end != e->header.base) {
      return fault(errc::corrupt,
                   "an entry of log " + std::to_string(e->header.log.raw()) + " does not follow its end");
    }
    core_.apply_entry(*log, e->header, *chunk_, at);
    applied_.entries.push_back({log->id, e->header.base, e->header.count, e->header.format, e->header.max_timestamp_ms,
                                e->header.leader_epoch, e->payload});
    at += static_cast<std::uint32_t>(e->header.total_bytes());
    rest = rest.subspan(e->header.total_bytes());
  }
  applied_.state_kind = r.header.state_kind;
  applied_.state_version = r.header.state_version;
  applied_.state = r.state;
  core_.machine.apply(applied_);
  core_.appended_bytes += r.header.length;
  ++report_.replayed_records;
  return {};
}

result<void> recovery::remove_orphans() {
  auto listed = core_.disk.list("data");
  if (!listed) return listed.error();
  for (const auto& e : *listed) {
    std::uint64_t id = 0;
    data_file_kind kind{};
    if (!parse_data_file_name(e.name, id, kind) || core_.files.find(id) != nullptr) continue;
    if (auto ok = core_.disk.unlink_now("data/" + e.name); !ok && ok.error().code != errc::not_found) return ok;
    ++report_.orphans_removed;
    // Its number may be in an edit that was not finished: never use it again.
    if (id >= core_.files.next_id()) core_.files.set_next_id(id + 1);
  }
  return {};
}

}  // namespace weir::storage
