// The entries of one log that are in memory, by offset: new ones at the back, old ones go at the front.
//
// They stand in blocks, so that a log with millions of them is never moved as a whole, neither when it grows nor when it
// shrinks; a log with few has one short vector. Owner thread: the store's reactor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "model/ids.h"
#include "storage/chunk.h"

namespace weir::storage {

struct tail_entry {
  model::offset base{};
  chunk* where = nullptr;
  std::uint32_t position = 0;  // of the entry's header in the chunk
  std::uint32_t bytes = 0;     // of the whole entry

  [[nodiscard]] ring_position place() const { return {where->serial, position}; }
  [[nodiscard]] weir::bytes view() const { return {where->data + position, bytes}; }
};

class tail_index {
 public:
  static constexpr std::size_t block_entries = 4096;

  [[nodiscard]] bool empty() const { return head_ == last_.size() && blocks_.empty(); }
  [[nodiscard]] std::size_t size() const { return blocks_.size() * block_entries + last_.size() - head_; }
  [[nodiscard]] const tail_entry& operator[](std::size_t i) const {
    const std::size_t at = head_ + i;
    const std::size_t in_full = blocks_.size() * block_entries;
    return at < in_full ? blocks_[at / block_entries][at % block_entries] : last_[at - in_full];
  }
  [[nodiscard]] const tail_entry& front() const { return blocks_.empty() ? last_[head_] : blocks_.front()[head_]; }
  [[nodiscard]] const tail_entry& back() const { return last_.back(); }

  void push(const tail_entry& e) {
    if (last_.size() == block_entries) {
      blocks_.push_back(std::exchange(last_, {}));
      last_.reserve(block_entries);
    }
    last_.push_back(e);
  }
  void pop_front() {
    ++head_;
    if (!blocks_.empty()) {
      if (head_ < block_entries) return;
      blocks_.erase(blocks_.begin());
      head_ = 0;
    } else if (head_ == last_.size()) {
      clear();
    } else if (head_ >= 64 && head_ * 2 >= last_.size()) {
      last_.erase(last_.begin(), last_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
  }
  void clear() {
    head_ = 0;
    std::vector<block>().swap(blocks_);
    if (last_.capacity() > 1024) {
      block().swap(last_);
    } else {
      last_.clear();
    }
  }
  void release_spare() {
    if (empty()) block().swap(last_);
  }
  // Index of the entry that contains `at`, or of the first after it.
  [[nodiscard]] std::size_t find(model::offset at) const {
    const std::size_t after = first_not([at](const tail_entry& e) { return e.base <= at; });
    return after == 0 ? 0 : after - 1;
  }
  // Index of the first entry at or behind `place`.
  [[nodiscard]] std::size_t find_place(ring_position place) const {
    return first_not([place](const tail_entry& e) { return e.place() < place; });
  }

 private:
  using block = std::vector<tail_entry>;

  // Index of the first entry for which `holds` is false; it is true for all before.
  template<class P>
  [[nodiscard]] std::size_t first_not(P holds) const {
    std::size_t from = 0;
    for (std::size_t to = size(); from < to;) {
      const std::size_t middle = from + (to - from) / 2;
      if (holds((*this)[middle])) {
        from = middle + 1;
      } else {
        to = middle;
      }
    }
    return from;
  }

  std::vector<block> blocks_;  // full ones
  block last_;                 // never empty when there are full ones
  std::size_t head_ = 0;       // entries of the first block, or of the last when it is the only one, that are gone
};

}  // namespace weir::storage
