#include "storage/read_buffer.h"

#include <new>
#include <utility>

namespace weir::storage {

namespace {
constexpr std::align_val_t alignment{wal_page_bytes};
}  // namespace

bool read_pool::take(std::size_t charge) {
  const std::lock_guard lock(guard_);
  if (held_ != 0 && held_ + charge > bytes_max_) return false;
  held_ += charge;
  const bool reuses = charge == standard_bytes_ && !kept_.empty();
  while (!reuses && !kept_.empty() && held_ + kept_.size() * standard_bytes_ > bytes_max_) {
    free_standard(kept_.back());
    kept_.pop_back();
  }
  return true;
}

void read_pool::free_standard(std::byte* memory) {
  if (release_) {
    release_(memory, standard_bytes_);
  } else {
    ::operator delete(memory, alignment);
  }
}

std::byte* read_pool::memory(std::size_t charge) {
  if (charge != standard_bytes_) return static_cast<std::byte*>(::operator new(charge, alignment));
  {
    const std::lock_guard lock(guard_);
    if (!kept_.empty()) {
      std::byte* const again = kept_.back();
      kept_.pop_back();
      return again;
    }
  }
  return static_cast<std::byte*>(allocate_ ? allocate_(charge) : ::operator new(charge, alignment));
}

void read_pool::give(std::byte* memory, std::size_t charge) {
  const bool standard = charge == standard_bytes_;
  {
    const std::lock_guard lock(guard_);
    held_ -= charge;
    if (standard && held_ + (kept_.size() + 1) * standard_bytes_ <= bytes_max_) return kept_.push_back(memory);
  }
  if (!standard) {
    ::operator delete(memory, alignment);
  } else {
    free_standard(memory);
  }
}

void read_pool::release_kept() {
  std::vector<std::byte*> mine;
  {
    const std::lock_guard lock(guard_);
    mine = std::exchange(kept_, {});
  }
  for (std::byte* const p : mine) free_standard(p);
}

std::uint64_t read_pool::held() const {
  const std::lock_guard lock(guard_);
  return held_;
}

std::uint64_t read_pool::kept_bytes() const {
  const std::lock_guard lock(guard_);
  return kept_.size() * standard_bytes_;
}

}  // namespace weir::storage
