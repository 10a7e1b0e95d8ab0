// Memory of disk reads, charged to a budget while anybody holds it. Made on the store's reactor, released on any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/bytes.h"

namespace weir::storage {

class read_budget {
 public:
  explicit read_budget(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}
  // One read is always let through, however large.
  [[nodiscard]] bool take(std::uint64_t n) {
    const std::uint64_t held = held_.load(std::memory_order_relaxed);
    if (held != 0 && held + n > bytes_max_) return false;
    held_.fetch_add(n, std::memory_order_relaxed);
    return true;
  }
  void give(std::uint64_t n) { held_.fetch_sub(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t held() const { return held_.load(std::memory_order_relaxed); }

 private:
  std::uint64_t bytes_max_;
  std::atomic<std::uint64_t> held_{0};
};

class read_buffer {
 public:
  // Null when the budget is used up.
  [[nodiscard]] static std::shared_ptr<read_buffer> make(const std::shared_ptr<read_budget>& budget, std::size_t n) {
    if (!budget->take(n)) return nullptr;
    return std::make_shared<read_buffer>(budget, n);
  }
  read_buffer(std::shared_ptr<read_budget> budget, std::size_t n)
      : budget_(std::move(budget)), memory_(std::make_unique_for_overwrite<std::byte[]>(n)), size_(n) {}
  read_buffer(const read_buffer&) = delete;
  read_buffer& operator=(const read_buffer&) = delete;
  ~read_buffer() { budget_->give(size_); }

  [[nodiscard]] mutable_bytes all() { return {memory_.get(), size_}; }

 private:
  std::shared_ptr<read_budget> budget_;
  std::unique_ptr<std::byte[]> memory_;
  std::size_t size_;
};

}  // namespace weir::storage
