// Turns what logs have only in memory into writes to data files: logs with much get files of their own, the others share.
//
// A producer of write operations, pulled by the checkpoint at its own pace. Entries are taken from the tail when their
// turn comes; what was trimmed or removed meanwhile is left out and `skipped` says so. Nothing in the log tables changes
// here; the extents made are handed over at the end. Owner thread: the store's reactor.
//
// When large entries are to be kept, those that the WAL has written already are not written again: their extents refer to
// the WAL's file, which becomes a data file by that. The checkpoint waits for the WAL before it records them.
//
// Own files are written past the page cache where the disk does that: their bytes are gathered in memory that is aligned
// as the file is, and written in whole blocks; only the two ends of a run take the page cache.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "storage/core.h"

namespace weir::storage {

// One write, with everything that keeps its memory alive.
struct write_op {
  std::shared_ptr<platform::file> handle;
  std::uint64_t position = 0;
  std::vector<bytes> parts;
  std::size_t size = 0;
  std::shared_ptr<byte_vector> copied;
  std::shared_ptr<io_buffer> staged;
  std::vector<std::shared_ptr<const void>> holds;
};

class flush {
 public:
  // Writes are as large as gentle_write_bytes or, in a hurry, data_write_bytes.
  flush(core& c, bool gentle)
      : core_(c), write_bytes_(gentle ? c.options.gentle_write_bytes : c.options.data_write_bytes) {}
  void keep_large() { keep_large_ = true; }
  void hurry() { write_bytes_ = core_.options.data_write_bytes; }

  // The log's entries in [from, to) are to be written.
  void add(log_state& log, model::offset from, model::offset to, std::uint64_t bytes_now);

  // The next write; nullopt when all is produced. Faults: a file cannot be opened.
  [[nodiscard]] result<std::optional<write_op>> next();

  struct made_extent {
    std::uint32_t slot = 0;
    extent where;
  };
  [[nodiscard]] const std::vector<made_extent>& extents() const { return extents_; }
  [[nodiscard]] const std::vector<touched_file>& files() const { return touched_; }
  // WAL files that extents refer to, each once.
  [[nodiscard]] const std::vector<data_file*>& kept() const { return kept_; }
  [[nodiscard]] std::uint64_t kept_bytes() const { return kept_bytes_; }
  // Entries were left out because their log or its start went past them since `add`.
  [[nodiscard]] bool skipped() const { return skipped_; }

 private:
  struct item {
    std::uint32_t slot = 0;
    model::offset next{};
    model::offset to{};
  };
  [[nodiscard]] result<bool> fill();  // false: nothing is left to produce
  [[nodiscard]] result<bool> put_entry(item& it, log_state& log, bool shared);
  [[nodiscard]] bool keep(log_state& log, const tail_entry& e, const entry_header& h);
  [[nodiscard]] result<void> choose_own_file(log_state& log, std::size_t entry_bytes);
  [[nodiscard]] result<void> choose_shared_file(std::size_t entry_bytes);
  [[nodiscard]] result<void> switch_to(data_file& f, bool create);
  void finish_shared_file();
  void seal_own_file(data_file& f);
  void note(log_state& log, const tail_entry& e, const entry_header& h);
  void append_copy(bytes data);
  void append_entry(const tail_entry& e);
  [[nodiscard]] bytes stage(bytes data);
  [[nodiscard]] bool begin_stage();
  void cut_op();
  void cut_staged(write_op op);

  core& core_;
  std::size_t write_bytes_;
  std::vector<item> own_;
  std::vector<item> small_;
  std::size_t own_at_ = 0;
  std::size_t small_at_ = 0;
  std::vector<made_extent> extents_;
  std::vector<touched_file> touched_;
  std::vector<data_file*> kept_;
  std::uint64_t kept_bytes_ = 0;
  bool keep_large_ = false;
  std::vector<shared_run> runs_;  // of the shared file being written
  data_file* file_ = nullptr;     // where entries go now
  data_file* shared_ = nullptr;
  std::shared_ptr<platform::file> handle_;
  write_op op_;
  std::uint64_t write_at_ = 0;  // in the current file, where op_ will go
  std::vector<write_op> ready_;
  std::size_t ready_at_ = 0;
  bool skipped_ = false;
};

}  // namespace weir::storage
