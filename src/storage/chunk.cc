#include "storage/chunk.h"

#include <atomic>
#include <new>

#include "storage/format/wal_block.h"

namespace weir::storage {

namespace {
constexpr std::align_val_t page_alignment{wal_page_bytes};
}

chunk_pool::chunk_pool(const store_options& options)
    : allocate_(options.chunk_allocate),
      release_(options.chunk_release),
      worth_keeping_(options.chunk_worth_keeping),
      standard_bytes_(options.wal_write_bytes_max),
      kept_max_(static_cast<std::size_t>(options.ring_bytes_max / options.wal_write_bytes_max) + 1) {
  if (!allocate_) {
    allocate_ = [](std::size_t n) { return ::operator new(n, page_alignment); };
    release_ = [](void* p, std::size_t) { ::operator delete(p, page_alignment); };
  }
}

chunk_ptr chunk_pool::take(std::size_t bytes) {
  chunk_ptr c;
  if (bytes <= standard_bytes_ && !kept_.empty()) {
    c = std::move(kept_.back());
    kept_.pop_back();
  } else {
    c = std::make_shared<chunk>();
    c->capacity = bytes <= standard_bytes_ ? standard_bytes_ : static_cast<std::size_t>(round_up_page(bytes));
    c->release = release_;
    c->data = static_cast<std::byte*>(allocate_(c->capacity));
  }
  c->serial = next_serial_++;
  return c;
}

void chunk_pool::give(chunk_ptr c) {
  if (c->capacity != standard_bytes_ || kept_.size() >= kept_max_ || c.use_count() != 1) return;
  if (worth_keeping_ && !worth_keeping_(c->data)) return;
  // Pairs with the release of the reader that held it last: its reads are over before we write here again.
  std::atomic_thread_fence(std::memory_order_acquire);
  c->used = 0;
  c->entries = 0;
  c->touched.clear();
  c->placed.clear();
  kept_.push_back(std::move(c));
}

}  // namespace weir::storage
