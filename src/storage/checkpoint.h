// Checkpoints: what is only in memory and in the WAL goes to data files, then one manifest edit says so, then the WAL
// before it is free.
//
// At the begin, in one step, the checkpoint takes what it will cover: the bounds of changed logs, the snapshots of changed
// shards, the lsn that they stand for. Then, metered: write data files, sync them, sync their folder, wait until the WAL
// is durable up to the begin, append the edit, unlink what nothing needs any more. A failure leaves everything as it was,
// except that files that it wrote to are not written to again. Owner thread: the store's reactor.
//
// Writes that nobody waits for are spread over a time that the caller gives, for the WAL beside them to have the disk
// nearly to itself; when memory fills faster than that, they hurry.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "storage/core.h"
#include "storage/manifest_store.h"
#include "storage/wal.h"

namespace weir::storage {

class checkpointer {
 public:
  checkpointer(core& c, manifest_store& manifest, wal& w, wal_files& files);
  ~checkpointer();

  [[nodiscard]] bool running() const { return run_ != nullptr; }
  // Whether there is anything to write.
  [[nodiscard]] bool needed() const;
  // `done` comes later than this call. One at a time. The writes are spread over `spread_ns`; with `keep_large`, large
  // entries stay where the WAL wrote them.
  void start(std::int64_t spread_ns, bool keep_large, std::function<void(result<void>)> done);
  // Somebody waits for the one that is running.
  void hurry();
  [[nodiscard]] std::uint64_t segment_bytes() const { return segment_bytes_; }
  [[nodiscard]] std::uint64_t kept_bytes() const { return kept_bytes_; }
  // The WAL made progress, or came to a stop: a checkpoint may wait for that.
  void wal_moved();

 private:
  struct run;
  void collect();
  void collect_shards();
  void collect_logs();
  void collect_everything();
  void pump_writes();
  [[nodiscard]] bool too_early();
  bool stop_waiting();  // whether there was a timer
  void written(const result<std::size_t>& moved, std::size_t expected);
  void pump_syncs();
  void sync_folder();
  void write_manifest();
  void add_new_files();
  void add_replacements();
  void commit();
  void unlink_dead();
  void remove(data_file& f);
  void fail(const fault& why);
  void finish(const result<void>& outcome);

  core& core_;
  manifest_store& manifest_;
  wal& wal_;
  wal_files& files_;
  std::unique_ptr<run> run_;
  std::uint64_t segment_bytes_ = 0;
  std::uint64_t kept_bytes_ = 0;
  std::shared_ptr<checkpointer*> alive_;
};

}  // namespace weir::storage
