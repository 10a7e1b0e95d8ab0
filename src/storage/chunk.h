// Chunks: the memory that records are copied into, once. A chunk is laid out as WAL blocks are on disk, so durable
// writes go straight from it, and readers of the tail get views into it.
//
// Threads: chunks are made and filled by the store's reactor; the last reference may go away on any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "storage/options.h"

namespace weir::storage {

// Where a part of a chunk was written to in the WAL: its bytes [begin, end) from `position` of the file on.
struct wal_placement {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::uint64_t file_number = 0;
  std::uint64_t position = 0;
};

struct chunk : std::enable_shared_from_this<chunk> {
  chunk() = default;
  chunk(const chunk&) = delete;
  chunk& operator=(const chunk&) = delete;
  ~chunk() {
    if (data != nullptr) release(data, capacity);
  }

  std::byte* data = nullptr;
  std::size_t capacity = 0;
  std::size_t used = 0;                // bytes that belong to blocks
  std::uint64_t serial = 0;            // rises in the order of the WAL
  std::uint32_t entries = 0;           // in tail indexes, or once there
  std::vector<std::uint32_t> touched;  // slots of logs with entries here; repeats are possible
  std::vector<wal_placement> placed;   // submitted blocks, in order
  std::function<void(void*, std::size_t)> release;

  // Where the byte at `at` stands in the WAL; null when its block was not submitted.
  [[nodiscard]] const wal_placement* placement_of(std::size_t at) const {
    const auto after = std::upper_bound(placed.begin(), placed.end(), at,
                                        [](std::size_t x, const wal_placement& p) { return x < p.begin; });
    return after == placed.begin() || std::prev(after)->end <= at ? nullptr : &*std::prev(after);
  }
  // An entry of the log with this slot is here.
  void touch(std::uint32_t slot) {
    ++entries;
    if (touched.empty() || touched.back() != slot) touched.push_back(slot);
  }
  // What it takes in memory with the index of its entries, which weighs for small ones.
  [[nodiscard]] std::uint64_t cost() const {
    constexpr std::uint64_t entry_cost = 32;  // a tail_entry, and a slot
    return capacity + entries * entry_cost;
  }
};
using chunk_ptr = std::shared_ptr<chunk>;

// A place in the order of the WAL's memory.
struct ring_position {
  std::uint64_t serial = 0;
  std::size_t at = 0;
  friend auto operator<=>(const ring_position&, const ring_position&) = default;
};

class chunk_pool {
 public:
  explicit chunk_pool(const store_options& options);

  // A chunk of at least `bytes`, page aligned, with the next serial.
  [[nodiscard]] chunk_ptr take(std::size_t bytes);
  // Gives a chunk back; it is kept for reuse when nobody else holds it.
  void give(chunk_ptr c);
  // Returns kept chunks to the system.
  void release_kept() { kept_.clear(); }
  [[nodiscard]] std::size_t kept_bytes() const { return kept_.size() * standard_bytes_; }

 private:
  std::function<void*(std::size_t)> allocate_;
  std::function<void(void*, std::size_t)> release_;
  std::function<bool(const void*)> worth_keeping_;
  std::size_t standard_bytes_;
  std::size_t kept_max_;
  std::uint64_t next_serial_ = 1;
  std::vector<chunk_ptr> kept_;
};

}  // namespace weir::storage
