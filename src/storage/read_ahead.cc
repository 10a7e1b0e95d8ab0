#include "storage/read_ahead.h"

#include <algorithm>
#include <utility>

namespace weir::storage {

struct read_ahead::part {
  std::uint64_t file_id = 0;
  std::uint64_t position = 0;  // of the first byte in the buffer
  std::uint64_t end = 0;       // of the bytes that were asked for
  std::shared_ptr<io_buffer> buffer;
  bool finished = false;
  bool failed = false;
  bool old = false;
  std::function<void(const part&)> waiter;
};

read_ahead::read_ahead(core& c) : core_(c), alive_(std::make_shared<read_ahead*>(this)) {}

void read_ahead::start(const place& next, const std::shared_ptr<platform::file>& handle) {
  if (next.end - next.position < core_.options.block_read_bytes) return;  // the kernel's read-ahead is as good
  if (parts_.contains(next.log.raw())) return;
  const std::uint64_t most = std::uint64_t{core_.options.read_ahead_bytes} + core_.options.index_span_bytes;
  auto p = std::make_shared<part>();
  p->file_id = next.file_id;
  p->position = next.position - next.position % platform::disk_block_bytes;
  p->end = std::min(next.position + most, next.end);
  const auto size = static_cast<std::size_t>(round_up_page(p->end - p->position));
  io_pool& pool = *core_.io_memory;
  if (pool.held() + pool.charge(size) > core_.options.read_bytes_max / 2) return;
  p->buffer = io_buffer::make(core_.io_memory, size);
  if (p->buffer == nullptr) return;
  parts_.emplace(next.log.raw(), p);
  handle->read(p->position, p->buffer->all(),
               [p, handle, alive = std::weak_ptr(alive_)](const result<std::size_t>& got) {
                 if (alive.expired()) return;
                 p->finished = true;
                 p->failed = !got || *got < p->end - p->position;
                 if (p->waiter) std::exchange(p->waiter, nullptr)(*p);
               });
}

bool read_ahead::take(const place& at, std::size_t least_bytes, taker done) {
  const auto found = parts_.find(at.log.raw());
  if (found == parts_.end()) return false;
  const std::shared_ptr<part> p = found->second;
  if (p->file_id != at.file_id || at.position < p->position || at.position + least_bytes >= p->end) return false;
  parts_.erase(found);
  auto give = [position = at.position, done = std::move(done)](const part& there) {
    const auto begin = static_cast<std::size_t>(position - there.position);
    done(there.failed ? nullptr : there.buffer, begin, static_cast<std::size_t>(there.end - there.position));
  };
  if (p->finished) {
    give(*p);
  } else {
    p->waiter = std::move(give);
  }
  return true;
}

void read_ahead::age() {
  std::erase_if(parts_, [](const auto& each) { return std::exchange(each.second->old, true); });
}

}  // namespace weir::storage
