#include "storage/io_buffer.h"

#include <new>
#include <utility>

namespace weir::storage {

namespace {
constexpr std::align_val_t alignment{wal_page_bytes};
}  // namespace

// Standard pieces never exceed the budget: one is made only when none is free. Pieces of other sizes push kept ones out.
bool io_pool::take(std::size_t charge) {
  used_ = true;
  const std::uint64_t held = held_.load(std::memory_order_relaxed);
  if (held != 0 && held + charge > bytes_max_) return false;
  held_.fetch_add(charge, std::memory_order_relaxed);
  if (charge == standard_bytes_) return true;
  collect_returned();
  while (!kept_.empty() && held + charge + kept_.size() * standard_bytes_ > bytes_max_) {
    free_standard(kept_.back());
    kept_.pop_back();
  }
  return true;
}

std::byte* io_pool::memory(std::size_t charge) {
  if (charge != standard_bytes_) return static_cast<std::byte*>(::operator new(charge, alignment));
  if (kept_.empty()) collect_returned();
  while (!kept_.empty()) {
    std::byte* const again = kept_.back();
    kept_.pop_back();
    if (!worth_keeping_ || worth_keeping_(again)) return again;
    free_standard(again);
  }
  return static_cast<std::byte*>(allocate_ ? allocate_(charge) : ::operator new(charge, alignment));
}

void io_pool::give(std::byte* memory, std::size_t charge) {
  held_.fetch_sub(charge, std::memory_order_relaxed);
  if (charge != standard_bytes_) return ::operator delete(memory, alignment);
  auto* const piece = new (memory) returned_piece{returned_.load(std::memory_order_relaxed)};
  // Pairs with collect_returned: the last reader is done before anybody writes here again.
  while (!returned_.compare_exchange_weak(piece->next, piece, std::memory_order_release, std::memory_order_relaxed)) {
  }
}

// Takes all at once, so that no other thread can take one that is being looked at.
void io_pool::collect_returned() {
  returned_piece* p = returned_.exchange(nullptr, std::memory_order_acquire);
  while (p != nullptr) {
    returned_piece* const next = p->next;
    kept_.push_back(reinterpret_cast<std::byte*>(p));
    p = next;
  }
}

void io_pool::free_standard(std::byte* memory) {
  if (release_) {
    release_(memory, standard_bytes_);
  } else {
    ::operator delete(memory, alignment);
  }
}

void io_pool::release_kept() {
  collect_returned();
  for (std::byte* const p : std::exchange(kept_, {})) free_standard(p);
}

std::uint64_t io_pool::kept_bytes() {
  collect_returned();
  return kept_.size() * standard_bytes_;
}

}  // namespace weir::storage
