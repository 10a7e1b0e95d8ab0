// Bytes of a frame that is still arriving. Empty connections own no memory.
// Owner thread: the connection's reactor.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/bytes.h"

namespace weir::server {

class receive_buffer {
 public:
  [[nodiscard]] bytes data() const { return {memory_.get() + begin_, end_ - begin_}; }
  [[nodiscard]] bool empty() const { return begin_ == end_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

  // Room for reading. The buffer grows with what has arrived, towards `wanted` bytes in total: a peer that announces much
  // and sends little gets little.
  [[nodiscard]] mutable_bytes room(std::size_t wanted) {
    const std::size_t have = end_ - begin_;
    const std::size_t target = std::min(std::max(wanted, have + step), std::max(have * 2, have + step));
    if (capacity_ - begin_ < target) relocate(target);
    return {memory_.get() + end_, capacity_ - end_};
  }
  void filled(std::size_t n) { end_ += n; }

  void append(bytes more) {
    if (more.empty()) return;
    if (capacity_ - end_ < more.size()) relocate(end_ - begin_ + more.size());
    std::memcpy(memory_.get() + end_, more.data(), more.size());
    end_ += more.size();
  }
  void consume(std::size_t n) {
    begin_ += n;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Gives back memory that was for a larger frame than what is in it.
  void fit() {
    if (empty()) return release_if_empty();
    if (capacity_ < 4 * (end_ - begin_) + step) return;
    receive_buffer smaller;
    smaller.append(data());
    *this = std::move(smaller);
  }
  // Gives the memory back when there is nothing in it.
  void release_if_empty() {
    if (!empty()) return;
    memory_.reset();
    begin_ = end_ = capacity_ = 0;
  }

 private:
  static constexpr std::size_t step = 16 << 10;

  void relocate(std::size_t needed) {
    const std::size_t have = end_ - begin_;
    if (needed > capacity_) {
      // No zeroing: what is read over it is all that is ever looked at.
      std::unique_ptr<std::byte[]> bigger(new std::byte[needed]);
      if (have > 0) std::memcpy(bigger.get(), memory_.get() + begin_, have);
      memory_ = std::move(bigger);
      capacity_ = needed;
    } else if (have > 0) {
      std::memmove(memory_.get(), memory_.get() + begin_, have);
    }
    begin_ = 0;
    end_ = have;
  }

  std::unique_ptr<std::byte[]> memory_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace weir::server
