// What the parts of one store share: the seams, the tables, and the few operations on them that keep their invariants.
// Owner thread: the store's reactor.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "model/log_port.h"
#include "platform/disk.h"
#include "storage/data_files.h"
#include "storage/file_remover.h"
#include "storage/format/entry.h"
#include "storage/format/manifest.h"
#include "storage/io_buffer.h"
#include "storage/log_state.h"
#include "storage/ring.h"
#include "storage/store.h"

namespace weir::storage {

struct shard_state {
  model::shard_id id{};
  model::lsn last{};   // assigned last
  bool dirty = false;  // changed since the last checkpoint began
};

// A data file that was written to and must be synced before it is recorded.
struct touched_file {
  data_file* file = nullptr;
  std::shared_ptr<platform::file> handle;
  bool created = false;
  std::uint64_t lost_names = 0;  // core's, when it was created
};
// The extents of `log` that begin in [from, to) were rewritten.
struct replacement {
  model::log_id log{};
  model::offset from{};
  model::offset to{};
  std::vector<extent> extents;
  bool filtered = false;  // what memory holds of it is out of date
  std::optional<clean_state> cleaned;
};
struct rewritten {
  std::vector<replacement> replacements;
  std::vector<touched_file> files;
  [[nodiscard]] bool empty() const { return replacements.empty() && files.empty(); }
};

struct core {
  core(platform::disk& d, executor& e, const clock& c, rng& r, const format_registry& f, model::state_machine& m,
       store_options o);

  platform::disk& disk;
  executor& exec;
  const clock& time;
  rng& random;
  const format_registry& formats;
  model::state_machine& machine;
  const store_options options;

  std::uint64_t store_id = 0;
  std::uint64_t incarnation = 0;
  log_table logs;
  data_files files;
  ring memory;
  std::shared_ptr<io_pool> io_memory;
  std::unordered_map<std::uint64_t, shard_state> shards;
  // Since the last checkpoint began:
  std::vector<std::uint32_t> dirty_logs;  // slots
  std::vector<std::uint64_t> dirty_shards;
  std::vector<model::log_id> removed_logs;
  std::vector<std::uint32_t> removed_slots;  // freed when no checkpoint can refer to them
  std::vector<std::uint64_t> dead_files;     // no extent refers to them; unlinked after the manifest says so
  std::vector<std::uint64_t> changed_files;  // recorded ones that must be recorded again
  rewritten replaced;                        // for the next checkpoint to record
  std::uint64_t unflushed_bytes = 0;         // of entries in no file
  std::uint64_t kept_extents = 0;            // that refer to kept WAL files
  std::uint64_t appended_bytes = 0;          // of records, since the last checkpoint began
  std::uint64_t cache_read_bytes = 0;        // answered from memory though it is in files, too, since the cache looked
  std::uint64_t appended_large_bytes = 0;    // of them, entries that may be kept where the WAL has them
  // How often a sync of the data folder failed. It may have lost names for good that were made before it, and a later sync
  // would not say so: files of before must not be relied on unless they are recorded.
  std::uint64_t lost_names = 0;
  file_remover trash;  // data files that nothing names

  [[nodiscard]] bool planted(planted_fault f) const { return options.planted == f; }
  [[nodiscard]] shard_state& shard(model::shard_id id);
  void mark_dirty(log_state& log) {
    if (log.dirty) return;
    log.dirty = true;
    dirty_logs.push_back(log.slot);
  }

  // The effects of one record on the tables, at append and in recovery alike. The caller has checked the record.
  void apply_change(const model::log_change& change, model::shard_id shard);
  // The entry stands in `where` at `position`; its base is the log's end.
  void apply_entry(log_state& log, const entry_header& h, chunk& where, std::uint32_t position);

  // Extents and their files.
  void add_extent(log_state& log, const extent& e);
  void replace_extents(log_state& log, const replacement& r);
  void drop_extents_below(log_state& log, model::offset start);
  void release_file(data_file& f);  // one extent fewer
  void recount_extents(log_state& log);
  // Everything below `to` is in extents or trimmed now.
  void settle_flushed(log_state& log, model::offset to);
  // A file that a checkpoint wrote to and that nothing refers to after all.
  void retire_if_unused(data_file& f);
  // A kept WAL file that the checkpoint that asked for it could not record.
  void give_up_kept(data_file& f);
  // The WAL is done with its file. True: it is a data file, not to be written to before a manifest edit without it is durable.
  [[nodiscard]] bool take_from_wal(std::uint64_t wal_number);
  // A write or sync of it failed: what was recorded before stays, it is never appended to again.
  void abandon(data_file& f);
  // As abandon; and when no manifest edit can name it, it is removed at once.
  void discard(data_file& f);
  // Removes the tail entries that stand in `c`.
  void forget_chunk(chunk& c);

 private:
  void create_log(model::log_id id, model::shard_id shard);
  void remove_log(log_state& log);
  void trim_log(log_state& log, model::offset at);
};

}  // namespace weir::storage
