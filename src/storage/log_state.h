// What the store knows about one log: its bounds, its extents in files, and its tail in memory.
//
//   offsets   start ....... flushed_end ....... end
//             |  extents    |  only in memory and WAL  |
//   The tail index may also cover offsets below flushed_end: recent chunks that are kept as a cache.
//
// Owner thread: the store's reactor.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "model/log_port.h"
#include "storage/data_files.h"
#include "storage/tail_index.h"

namespace weir::storage {

// A run of entries in a file, in offset order.
struct extent {
  data_file* file = nullptr;
  std::uint64_t position = 0;
  std::uint64_t length = 0;
  model::offset base{};
  model::offset end{};
  std::int64_t max_timestamp_ms = -1;
};

// How far compaction has been.
struct clean_state {
  model::offset to{};             // everything before it has been through a pass: no key is there twice
  model::offset tombstones_to{};  // tombstones before it have been there for every reader since `tombstones_ms`
  std::int64_t tombstones_ms = 0;
  bool tombstones = false;  // the last pass left some
};

struct log_state {
  model::log_id id{};
  model::shard_id shard{};
  std::uint32_t slot = 0;
  bool dirty = false;  // changed since the last checkpoint began
  bool removed = false;
  model::offset start{};
  model::offset flushed_end{};
  model::offset end{};
  std::uint64_t unflushed_bytes = 0;  // of entries in [flushed_end, end)
  std::uint64_t extent_bytes = 0;
  std::int64_t unflushed_max_ts = -1;  // of entries that came after the checkpoint under way began
  std::int64_t flushing_max_ts = -1;   // of entries that the checkpoint under way writes
  std::int64_t extents_max_ts = -1;
  tail_index tail;
  std::vector<extent> extents;  // by offset
  data_file* active = nullptr;  // the own file that grows
  std::unique_ptr<model::log_policy> policy;
  clean_state clean;

  [[nodiscard]] std::int64_t max_timestamp() const {
    return std::max({unflushed_max_ts, flushing_max_ts, extents_max_ts});
  }
  // Index of the first extent that ends above `at`.
  [[nodiscard]] std::size_t extent_at(model::offset at) const {
    const auto it = std::upper_bound(extents.begin(), extents.end(), at,
                                     [](model::offset o, const extent& e) { return o < e.end; });
    return static_cast<std::size_t>(it - extents.begin());
  }
  [[nodiscard]] const model::log_policy& rules() const {
    static const model::log_policy defaults;
    return policy != nullptr ? *policy : defaults;
  }
};

// Logs by id and by slot. Slots are reused after a log is gone for good.
class log_table {
 public:
  [[nodiscard]] log_state* find(model::log_id id) {
    const std::uint32_t slot = lookup(id.raw());
    return slot == none ? nullptr : slots_[slot].get();
  }
  [[nodiscard]] const log_state* find(model::log_id id) const { return const_cast<log_table*>(this)->find(id); }
  [[nodiscard]] log_state* at_slot(std::uint32_t slot) { return slots_[slot].get(); }
  log_state& add(model::log_id id, model::shard_id shard);
  // The log is no longer found by id; its state lives until free_slot.
  void remove(log_state& log);
  void free_slot(std::uint32_t slot);
  [[nodiscard]] std::size_t size() const { return count_; }
  template<class F>
  void each(F f) const {
    for (const auto& l : slots_) {
      if (l != nullptr && !l->removed) f(*l);
    }
  }

 private:
  static constexpr std::uint32_t none = 0xffffffff;
  struct cell {
    std::uint64_t id = 0;
    std::uint32_t slot = none;
  };
  [[nodiscard]] static std::uint64_t spread(std::uint64_t id) { return (id + 1) * 0x9e3779b97f4a7c15ULL; }
  [[nodiscard]] std::uint32_t lookup(std::uint64_t id) const {
    if (cells_.empty()) return none;
    for (std::size_t i = spread(id) >> shift_;; i = (i + 1) & mask_) {
      if (cells_[i].slot == none) return none;
      if (cells_[i].id == id) return cells_[i].slot;
    }
  }
  void insert(std::uint64_t id, std::uint32_t slot);
  void grow();

  std::vector<std::unique_ptr<log_state>> slots_;
  std::vector<std::uint32_t> free_;
  std::vector<cell> cells_;  // open addressing, at most half full
  std::size_t mask_ = 0;
  unsigned shift_ = 64;
  std::size_t count_ = 0;
};

}  // namespace weir::storage
