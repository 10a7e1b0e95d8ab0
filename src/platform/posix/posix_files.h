// What both real disks share: metadata calls, blocking file access, and the ordering of syncs behind writes.
// Owner thread: the disk's reactor, except where a class says otherwise.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "platform/disk.h"
#include "platform/posix/unique_fd.h"

namespace weir::platform {

// An open file's descriptors. Operations in flight hold it, so it closes after the last of them.
struct open_file {
  std::string path;  // relative, for messages
  unique_fd fd;      // buffered: reads, and all writes of ordinary files
  unique_fd direct;  // O_DIRECT|DSYNC writes of durable files, invalid where the file system refuses it
  bool durable = false;
  bool written_once = false;
  bool direct_reads = false;
  unique_fd past_cache;  // O_DIRECT for other reads and writes; opened by the first that can use it
  bool past_cache_refused = false;
  std::uint64_t cached_bytes = 0;  // written through the page cache since pages were dropped from it
};

// Lets a sync wait for the writes that were started before it, and for no later ones.
class write_order {
 public:
  [[nodiscard]] std::uint64_t begin_write();
  void end_write(std::uint64_t id);
  // Runs `start` once every write begun so far has ended; at once when none is outstanding.
  void after_writes(std::function<void()> start);
  [[nodiscard]] bool idle() const { return open_.empty() && waiting_.empty(); }

 private:
  struct waiter {
    std::uint64_t below;
    std::function<void()> start;
  };
  std::uint64_t next_ = 0;
  std::set<std::uint64_t> open_;
  std::vector<waiter> waiting_;
};

// The blocking half of `file`. The asynchronous half is the subclass's.
class posix_file : public file {
 public:
  explicit posix_file(std::shared_ptr<open_file> f) : f_(std::move(f)) {}

  [[nodiscard]] result<std::size_t> read_now(std::uint64_t pos, mutable_bytes into) override;
  [[nodiscard]] result<void> write_now(std::uint64_t pos, bytes data) override;
  [[nodiscard]] result<void> sync_now() override;
  [[nodiscard]] result<void> truncate_now(std::uint64_t length) override;
  [[nodiscard]] std::uint64_t size() const override;

 protected:
  // Durable files take aligned writes only: position, memory and length of every part. Ours to get right.
  void assert_aligned(std::uint64_t pos, const std::vector<bytes>& parts) const;

  std::shared_ptr<open_file> f_;
};

// The metadata half of `disk`.
class posix_disk : public disk {
 public:
  // `folder` must exist.
  explicit posix_disk(std::string folder) : folder_(std::move(folder)) {}

  [[nodiscard]] result<void> make_folder(const std::string& path) override;
  [[nodiscard]] result<std::vector<folder_entry>> list(const std::string& path) override;
  [[nodiscard]] result<void> rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] result<space_info> space() override;
  [[nodiscard]] result<void> unlink_now(const std::string& path) override;
  [[nodiscard]] result<void> sync_folder_now(const std::string& path) override;

 protected:
  // Absolute path of a name in the data folder. Asserts that the name stays inside: names are ours, never a peer's.
  [[nodiscard]] std::string full(const std::string& path) const;
  // With `direct`, durable files get their O_DIRECT descriptor; where that open fails they are left without.
  [[nodiscard]] result<std::shared_ptr<open_file>> open_fds(const std::string& path, open_options options, bool direct);

 private:
  std::string folder_;
};

// The system calls themselves, complete (they continue after a partial transfer). Any thread.
[[nodiscard]] result<std::size_t> write_all(int fd, std::uint64_t pos, std::vector<iovec> parts,
                                            const std::string& path);
[[nodiscard]] result<std::size_t> read_up_to(int fd, std::uint64_t pos, mutable_bytes into, const std::string& path);
// Whether all pages of the range are in memory. `pos` is aligned to a page.
[[nodiscard]] bool in_page_cache(int fd, std::uint64_t pos, std::size_t length);
[[nodiscard]] result<void> sync_fd(int fd, const std::string& path);
[[nodiscard]] result<void> allocate_fd(int fd, std::uint64_t length, const std::string& path);
[[nodiscard]] result<void> unlink_path(const std::string& full, const std::string& path);
[[nodiscard]] result<void> sync_folder_path(const std::string& full, const std::string& path);
[[nodiscard]] std::vector<iovec> to_iovecs(const std::vector<bytes>& parts);
// Drops the first `done` bytes.
void advance(std::vector<iovec>& parts, std::size_t& first, std::size_t done);

}  // namespace weir::platform
