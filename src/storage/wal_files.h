// The WAL's files: which hold blocks that are still needed, which are free, and making new ones ahead of need.
//
// A file is made once, filled with zeros by durable writes so that later writes change no metadata, and then reused for
// ever. But a file that somebody keeps() is not reused: it is a data file now, until take_back(). While files are being kept, new
// ones are only allocated: filling them would be the second write that keeping saves. Owner thread: the store's reactor.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "platform/disk.h"
#include "storage/file_remover.h"
#include "storage/options.h"

namespace weir::storage {

struct wal_file {
  std::uint64_t number = 0;  // of its name
  std::shared_ptr<platform::file> handle;
  std::uint64_t capacity = 0;
  std::uint64_t file_seq = 0;   // of its header; 0: never used
  std::uint64_t first_seq = 0;  // of its blocks
};

[[nodiscard]] std::string wal_file_name(std::uint64_t number);  // with its folder

class wal_files {
 public:
  wal_files(platform::disk& disk, const store_options& options);
  ~wal_files();

  // Start-up. `use` takes over a file that recovery read and that is still needed; `adopt` those that are not: it keeps
  // as many as the limit allows and removes the rest. Blocking.
  void use(wal_file f);
  [[nodiscard]] result<void> adopt(std::vector<wal_file> spares);
  // Makes a first small file when none is free, unless there are too many already: then a checkpoint must free one.
  // Blocking.
  [[nodiscard]] result<void> ensure_first();
  void reserve_numbers(std::uint64_t next) { next_number_ = next; }

  // The file for the next block, at least `bytes` large, numbered and made current. Null when none is ready: one is being
  // made or the limit is reached, on_ready is called when trying again helps.
  wal_file* next(std::uint64_t bytes, std::uint64_t first_seq);
  [[nodiscard]] wal_file* current() { return used_.empty() || !writing_ ? nullptr : &used_.back(); }
  // Blocks before `seq` are not needed any more.
  void recycle(std::uint64_t seq);
  // Asked when a file is done with: whether somebody keeps it.
  std::function<bool(std::uint64_t number)> keeps;
  // Whether the WAL has the file: it holds needed blocks or is the current one.
  [[nodiscard]] bool in_use(std::uint64_t number) const;
  // A kept file that nothing refers to any more, on disk neither, and that nobody reads. True: it will be used again.
  [[nodiscard]] bool take_back(std::uint64_t number);
  // Makes spare files when fewer than needed are free; drops surplus ones when `idle`.
  void provision(bool idle);
  // Where numbering goes on after recovery.
  void set_file_seq(std::uint64_t last) { last_file_seq_ = last; }

  [[nodiscard]] std::size_t used_count() const { return used_.size(); }
  [[nodiscard]] std::size_t free_count() const { return free_.size(); }
  // Files that were filled and done with.
  [[nodiscard]] std::uint64_t turnovers() const { return turnovers_; }
  // Bytes of files that hold needed blocks.
  [[nodiscard]] std::uint64_t used_bytes() const;
  [[nodiscard]] bool short_of_space() const { return short_of_space_; }
  void space_came_back() { short_of_space_ = false; }

  std::function<void()> on_ready;

 private:
  struct preparation;
  [[nodiscard]] result<void> make_first(std::uint64_t capacity);
  void prepare_one();
  void fill(const std::shared_ptr<preparation>& p);
  void prepared(const std::shared_ptr<preparation>& p, const result<void>& outcome);
  [[nodiscard]] std::size_t total() const { return used_.size() + free_.size() + (preparing_ ? 1 : 0); }

  platform::disk& disk_;
  const store_options& options_;
  file_remover remover_;
  std::deque<wal_file> used_;  // by file seq; the last is current
  std::vector<wal_file> free_;
  std::uint64_t last_file_seq_ = 0;
  std::uint64_t next_number_ = 1;
  std::uint64_t turnovers_ = 0;
  bool writing_ = false;  // a current file was chosen since the start
  bool preparing_ = false;
  bool keeping_ = false;  // the file done with last was kept
  bool wanted_ = false;   // somebody waits for a file
  bool short_of_space_ = false;
  std::shared_ptr<wal_files*> alive_;
};

}  // namespace weir::storage
