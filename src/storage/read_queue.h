// Reads of data files, so many bytes at a time on the disk: a write of the WAL must not wait behind a whole backlog. Those that
// somebody waits for go first, each kind in the order in which it came. Owner thread: the store's reactor.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "base/bytes.h"
#include "platform/disk.h"

namespace weir::storage {

class read_queue {
 public:
  explicit read_queue(std::uint64_t bytes_max) : bytes_max_(bytes_max), alive_(std::make_shared<read_queue*>(this)) {}

  // From now on; one read is always let through, however large.
  void limit(std::uint64_t bytes_max);

  // As file::read. Not called back any more when the queue is gone.
  void read(const std::shared_ptr<platform::file>& f, std::uint64_t position, mutable_bytes into,
            platform::io_done done);
  // The same for what nobody waits for yet.
  void read_ahead(const std::shared_ptr<platform::file>& f, std::uint64_t position, mutable_bytes into,
                  platform::io_done done);
  // Now somebody does, if it has not begun.
  void hurry(const std::byte* into);

 private:
  struct waiting {
    std::shared_ptr<platform::file> file;
    std::uint64_t position = 0;
    mutable_bytes into;
    platform::io_done done;
  };
  void start(waiting&& next);
  void start_waiting();

  std::uint64_t bytes_max_;
  std::uint64_t under_way_ = 0;  // bytes
  std::deque<waiting> waiting_;
  std::deque<waiting> ahead_;
  std::shared_ptr<read_queue*> alive_;
};

}  // namespace weir::storage
