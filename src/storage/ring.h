// The ring: all chunks in memory, in the order of the WAL. Chunks that hold data not yet in files stay; those behind are
// a cache with a cap. Owner thread: the store's reactor.
#pragma once

#include <cstdint>
#include <deque>

#include "storage/chunk.h"

namespace weir::storage {

class ring {
 public:
  explicit ring(const store_options& options) : pool_(options) {}

  [[nodiscard]] chunk_ptr add(std::size_t bytes) {
    chunks_.push_back(pool_.take(bytes));
    uncovered_bytes_ += chunks_.back()->capacity;
    return chunks_.back();
  }
  // Chunks before the one with this serial are in files and recorded.
  void cover(std::uint64_t serial) {
    while (covered_ < chunks_.size() && chunks_[covered_]->serial < serial) {
      uncovered_bytes_ -= chunks_[covered_]->capacity;
      cached_bytes_ += chunks_[covered_]->cost();
      ++covered_;
    }
  }
  // Drops the oldest covered chunks until at most `cache_bytes` of them are left, `most` chunks at a time: giving memory
  // back takes time. `forget(chunk&)` must remove every reference to it.
  template<class F>
  void evict(std::uint64_t cache_bytes, std::size_t most, F forget) {
    for (; most > 0 && covered_ > 0 && cached_bytes_ > cache_bytes; --most) {
      chunk_ptr c = std::move(chunks_.front());
      chunks_.pop_front();
      --covered_;
      cached_bytes_ -= c->cost();
      forget(*c);
      pool_.give(std::move(c));
    }
  }
  void release_kept() { pool_.release_kept(); }
  // The serial that the next chunk gets is larger than this; everything up to now lies at or below it.
  [[nodiscard]] std::uint64_t last_serial() const { return chunks_.empty() ? 0 : chunks_.back()->serial; }
  [[nodiscard]] std::uint64_t uncovered_bytes() const { return uncovered_bytes_; }
  [[nodiscard]] std::uint64_t cached_bytes() const { return cached_bytes_ + pool_.kept_bytes(); }

 private:
  chunk_pool pool_;
  std::deque<chunk_ptr> chunks_;
  std::size_t covered_ = 0;  // how many of the first chunks are covered
  std::uint64_t uncovered_bytes_ = 0;
  std::uint64_t cached_bytes_ = 0;
};

}  // namespace weir::storage
