// The disk seam: the only door to files. Real: platform/posix (io_uring, or threads with fdatasync).
// Simulated: platform/sim (keeps any subset of unsynced blocks at a crash, tears, fails, fills, slows and
// reorders by seed).
//
// Owner thread: one reactor per disk object; completions run on that reactor, never inside the call that
// started them, and may come in any order. Durability words, used everywhere: *written* = visible to readers
// of this machine; *durable* = survives power loss. A file's bytes are durable after sync() or a durable
// write completed; its name is durable after sync_folder() of its folder completed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace weir::platform {

using io_done = std::function<void(result<std::size_t>)>;  // bytes moved, or why not (errc::no_space, errc::io, ...)
using op_done = std::function<void(result<void>)>;

// Alignment of position, length and memory for files opened with durable_writes.
inline constexpr std::size_t disk_block_bytes = 4096;
// From so many bytes on, reads and writes aligned in the same way may go past the page cache.
inline constexpr std::size_t past_cache_least_bytes = 128U << 10;

struct open_options {
  bool create = false;  // make it when missing; with `exclusive` it must be missing
  bool exclusive = false;
  // Every write completes only when its bytes are durable: O_DIRECT|DSYNC where the file system takes it,
  // else buffered and fdatasync. Writes must be aligned to disk_block_bytes; up to 4 may be in flight.
  bool durable_writes = false;
  // What is written is read later, if at all: large aligned writes may go past the page cache, and the pages of the
  // others leave it when a sync has made them durable.
  bool written_once = false;
  // Reads of whole blocks go past the page cache, whatever is in there: somebody writes to the file in the same way.
  bool direct_reads = false;
};

class file {
 public:
  file() = default;
  file(const file&) = delete;
  file& operator=(const file&) = delete;
  // Closes. Outstanding operations must have completed.
  virtual ~file() = default;

  // Writes all of `parts`, in order, at `pos`. The memory must live until completion. A short write is a
  // fault.
  virtual void write(std::uint64_t pos, std::vector<bytes> parts, io_done done) = 0;
  // Reads up to into.size() bytes at `pos`; fewer only at the end of the file.
  virtual void read(std::uint64_t pos, mutable_bytes into, io_done done) = 0;
  // Makes all bytes written before this call durable. A failed sync is final for those bytes: never retried.
  virtual void sync(op_done done) = 0;
  // Reserves `length` bytes from the start of the file (fallocate); the size grows to it.
  virtual void allocate(std::uint64_t length, op_done done) = 0;

  // Blocking forms: start-up, recovery and tools only.
  [[nodiscard]] virtual result<std::size_t> read_now(std::uint64_t pos, mutable_bytes into) = 0;
  [[nodiscard]] virtual result<void> write_now(std::uint64_t pos, bytes data) = 0;
  [[nodiscard]] virtual result<void> sync_now() = 0;
  [[nodiscard]] virtual result<void> truncate_now(std::uint64_t length) = 0;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
};

struct folder_entry {
  std::string name;
  std::uint64_t size = 0;
  bool is_folder = false;
};

struct space_info {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;  // for us, not for root
};

class disk {
 public:
  disk() = default;
  disk(const disk&) = delete;
  disk& operator=(const disk&) = delete;
  virtual ~disk() = default;

  // Short metadata calls, allowed at run time on the reactor: they touch no data blocks. Paths are relative
  // to the data folder that the disk was made for, with '/' between parts.
  [[nodiscard]] virtual result<std::shared_ptr<file>> open(const std::string& path, open_options options) = 0;
  [[nodiscard]] virtual result<void> make_folder(const std::string& path) = 0;                // fine when it exists
  [[nodiscard]] virtual result<std::vector<folder_entry>> list(const std::string& path) = 0;  // sorted by name
  [[nodiscard]] virtual result<void> rename(const std::string& from,
                                            const std::string& to) = 0;  // replaces `to`
  [[nodiscard]] virtual result<space_info> space() = 0;

  // Slow metadata calls.
  virtual void unlink(const std::string& path, op_done done) = 0;
  // Makes creations, renames and unlinks in this folder durable. "" is the data folder itself.
  virtual void sync_folder(const std::string& path, op_done done) = 0;
  [[nodiscard]] virtual result<void> unlink_now(const std::string& path) = 0;
  [[nodiscard]] virtual result<void> sync_folder_now(const std::string& path) = 0;

  // Whether durable writes, and large aligned ones, go by io_uring past the page cache; else buffered with fdatasync.
  [[nodiscard]] virtual bool direct() const = 0;
  [[nodiscard]] std::string durable_path() const { return direct() ? "direct" : "buffered"; }
};

}  // namespace weir::platform
