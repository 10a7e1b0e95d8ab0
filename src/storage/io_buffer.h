// Memory of reads from disk and of writes to data files, charged to a budget while anybody holds it. Large buffers are
// used again: what was touched before costs nothing, while fresh memory costs more than copying into it. Made on the
// store's reactor, released on any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "storage/format/wal_block.h"
#include "storage/options.h"

namespace weir::storage {

class io_pool {
 public:
  explicit io_pool(const store_options& options)
      : allocate_(options.chunk_allocate),
        release_(options.chunk_release),
        worth_keeping_(options.chunk_worth_keeping),
        bytes_max_(options.read_bytes_max),
        standard_bytes_(standard_size(options)) {}
  io_pool(const io_pool&) = delete;
  io_pool& operator=(const io_pool&) = delete;
  ~io_pool() { release_kept(); }

  // What a buffer of `n` bytes is charged with: the larger ones of the common size all take a standard piece.
  [[nodiscard]] std::size_t charge(std::size_t n) const {
    return n > standard_bytes_ / 4 && n <= standard_bytes_ ? standard_bytes_ : n;
  }
  // One read is always let through, however large. False when the budget is used up.
  [[nodiscard]] bool take(std::size_t charge);
  // Aligned to disk_block_bytes.
  [[nodiscard]] std::byte* memory(std::size_t charge);
  // Any thread.
  void give(std::byte* memory, std::size_t charge);

  // Returns what is kept for reuse to the system.
  void release_kept();
  // Whether memory was asked for since the last call.
  [[nodiscard]] bool used() { return std::exchange(used_, false); }
  [[nodiscard]] std::uint64_t held() const { return held_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t kept_bytes();

 private:
  // A piece on its way back; it lies in the piece's own memory.
  struct returned_piece {
    returned_piece* next;
  };
  // The largest common read, with room for whole blocks at both ends.
  static std::size_t standard_size(const store_options& o) {
    return static_cast<std::size_t>(round_up_page(std::uint64_t{o.read_ahead_bytes} + o.index_span_bytes)) +
           wal_page_bytes;
  }
  void collect_returned();
  void free_standard(std::byte* memory);

  std::function<void*(std::size_t)> allocate_;  // null: operator new
  std::function<void(void*, std::size_t)> release_;
  std::function<bool(const void*)> worth_keeping_;  // null: always
  const std::uint64_t bytes_max_;
  const std::size_t standard_bytes_;
  std::atomic<std::uint64_t> held_{0};
  std::atomic<returned_piece*> returned_{nullptr};  // given back and not yet collected by the owner
  std::vector<std::byte*> kept_;                    // standard pieces, the owner's
  bool used_ = false;
};

class io_buffer {
 public:
  // Null when the budget is used up.
  [[nodiscard]] static std::shared_ptr<io_buffer> make(const std::shared_ptr<io_pool>& pool, std::size_t n) {
    const std::size_t charge = pool->charge(n);
    if (!pool->take(charge)) return nullptr;
    return std::make_shared<io_buffer>(pool, n, charge);
  }
  // `charge` was taken from the pool.
  io_buffer(std::shared_ptr<io_pool> pool, std::size_t n, std::size_t charge)
      : pool_(std::move(pool)), memory_(pool_->memory(charge)), size_(n), charge_(charge) {}
  io_buffer(const io_buffer&) = delete;
  io_buffer& operator=(const io_buffer&) = delete;
  ~io_buffer() { pool_->give(memory_, charge_); }

  [[nodiscard]] mutable_bytes all() { return {memory_, size_}; }

 private:
  std::shared_ptr<io_pool> pool_;
  std::byte* memory_;
  std::size_t size_;
  std::size_t charge_;
};

}  // namespace weir::storage
