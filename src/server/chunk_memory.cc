#include "server/chunk_memory.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <new>

namespace weir::server {

namespace {

constexpr std::size_t page_bytes = 4096;
constexpr int lowest_priority = 19;
// The worker rests so much longer than it worked, once that many pairs are ready; before that somebody may be waiting.
constexpr int rest_factor = 9;
constexpr std::size_t pairs_in_a_hurry = 16;

std::byte* map(std::size_t bytes) {
  void* p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(p);
}

std::size_t place_in_pair(const std::byte* piece) {
  return reinterpret_cast<std::uintptr_t>(piece) % (2 * chunk_memory::piece_bytes);
}

std::byte* pair_of(std::byte* piece) { return piece - place_in_pair(piece); }

std::byte* other_half(std::byte* piece) {
  return place_in_pair(piece) == 0 ? piece + chunk_memory::piece_bytes : piece - chunk_memory::piece_bytes;
}

std::uintptr_t number_of(const void* piece) {
  return reinterpret_cast<std::uintptr_t>(piece) / (2 * chunk_memory::piece_bytes);
}

}  // namespace

chunk_memory::~chunk_memory() {
  if (worker_.joinable()) {
    worker_.request_stop();
    worker_.join();
  }
  for (std::byte* p : spare_) ::munmap(p, piece_bytes);
  for (std::byte* p : spare_small_) ::munmap(p, piece_bytes);
  for (std::byte* p : ready_) ::munmap(p, pair_bytes);
}

// Aligned to its own size: maps too much, and gives back what is before and behind. The last place that fits is next to the pair
// before, as a rule, so that the kernel joins them: it allows a process only so many mappings.
std::byte* chunk_memory::map_pair(bool huge) {
  std::byte* const all = map(2 * pair_bytes);
  const std::size_t behind = place_in_pair(all);
  std::byte* const pair = all + pair_bytes - behind;
  ::munmap(all, pair_bytes - behind);
  if (behind > 0) ::munmap(pair + pair_bytes, behind);
  (void)::madvise(pair, pair_bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);  // advice: all is well without it
  return pair;
}

void chunk_memory::unmap_pair(std::byte* pair) {
  small_.erase(number_of(pair));
  ::munmap(pair, pair_bytes);
}

void chunk_memory::forget_ready(std::size_t left) {
  for (; ready_.size() > left; ready_.pop_back()) unmap_pair(ready_.back());
}

void chunk_memory::use_huge_pages(bool yes) {
  const std::lock_guard lock(mutex_);
  if (huge_ == yes) return;
  forget_ready(0);
  huge_ = yes;
  changed_.notify_one();
}

bool chunk_memory::worth_keeping(const void* piece) {
  const std::lock_guard lock(mutex_);
  return !huge_ || !small_.contains(number_of(piece));
}

std::byte* chunk_memory::take_spare() {
  auto& from = huge_ || spare_small_.empty() ? spare_ : spare_small_;
  if (from.empty()) return nullptr;
  std::byte* const p = from.back();
  from.pop_back();
  return p;
}

void* chunk_memory::take(std::size_t bytes) {
  if (bytes != piece_bytes) return map(bytes);
  const std::lock_guard lock(mutex_);
  if (std::byte* const p = take_spare(); p != nullptr) return p;
  std::byte* pair = nullptr;
  if (ready_.empty()) {
    pair = map_pair(huge_);
    if (!huge_) small_.insert(number_of(pair));
  } else {
    pair = ready_.back();
    ready_.pop_back();
    changed_.notify_one();
  }
  (small_.contains(number_of(pair)) ? spare_small_ : spare_).push_back(other_half(pair));
  return pair;
}

void chunk_memory::give(void* memory, std::size_t bytes) {
  auto* const p = static_cast<std::byte*>(memory);
  if (bytes != piece_bytes) {
    ::munmap(p, bytes);
    return;
  }
  const std::lock_guard lock(mutex_);
  std::byte* const other = other_half(p);
  auto& spare = small_.contains(number_of(p)) ? spare_small_ : spare_;
  const auto at = std::find(spare.begin(), spare.end(), other);
  if (at == spare.end()) {
    spare.push_back(p);
  } else {
    *at = spare.back();
    spare.pop_back();
    unmap_pair(pair_of(p));
  }
}

void chunk_memory::prepare(std::size_t pieces) {
  const std::lock_guard lock(mutex_);
  pairs_wanted_ = (pieces + 1) / 2;
  forget_ready(pairs_wanted_);
  if (pairs_wanted_ == 0) return;
  if (!worker_.joinable()) worker_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
  changed_.notify_one();
}

std::size_t chunk_memory::ready() {
  const std::lock_guard lock(mutex_);
  return 2 * ready_.size();
}

void chunk_memory::work(const std::stop_token& stop) {
  using clock = std::chrono::steady_clock;
  // Whoever serves clients goes first. Of this thread alone; if it is refused, nothing is lost.
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), lowest_priority);
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return ready_.size() < pairs_wanted_; })) {
    const bool huge = huge_;
    lock.unlock();
    const clock::time_point begin = clock::now();
    std::byte* pair = nullptr;
    try {
      pair = map_pair(huge);
    } catch (const std::bad_alloc&) {  // then there is nothing to prepare; who needs it will say so
    }
    for (std::size_t at = 0; pair != nullptr && at < pair_bytes; at += page_bytes) {
      *const_cast<volatile std::byte*>(pair + at) = std::byte{0};
    }
    const auto rest = rest_factor * (clock::now() - begin);
    lock.lock();
    if (pair == nullptr) {
      pairs_wanted_ = 0;
    } else if (huge != huge_) {
      ::munmap(pair, pair_bytes);
    } else {
      if (!huge) small_.insert(number_of(pair));
      ready_.push_back(pair);
    }
    (void)changed_.wait_for(lock, stop, rest, [this] { return ready_.size() < pairs_in_a_hurry; });
  }
}

}  // namespace weir::server
