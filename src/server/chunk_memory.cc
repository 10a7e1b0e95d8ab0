#include "server/chunk_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <new>

namespace weir::server {

namespace {

constexpr std::size_t page_bytes = 4096;
constexpr int rest_factor = 9;  // how much longer than it works the worker rests

std::byte* map(std::size_t bytes) {
  void* p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(p);
}

std::byte* other_half(std::byte* piece) {
  return reinterpret_cast<std::byte*>(reinterpret_cast<std::uintptr_t>(piece) ^ chunk_memory::piece_bytes);
}

}  // namespace

chunk_memory::~chunk_memory() {
  if (worker_.joinable()) {
    worker_.request_stop();
    worker_.join();
  }
  for (std::byte* p : spare_) ::munmap(p, piece_bytes);
  for (std::byte* p : ready_) ::munmap(p, pair_bytes);
}

// Aligned to its own size: maps too much, and gives back what is before and behind.
std::byte* chunk_memory::map_pair() {
  std::byte* const all = map(2 * pair_bytes);
  const std::size_t before = (pair_bytes - reinterpret_cast<std::uintptr_t>(all) % pair_bytes) % pair_bytes;
  std::byte* const pair = all + before;
  if (before > 0) ::munmap(all, before);
  ::munmap(pair + pair_bytes, pair_bytes - before);
  (void)::madvise(pair, pair_bytes, MADV_HUGEPAGE);  // without it there are small pages
  return pair;
}

void* chunk_memory::take(std::size_t bytes) {
  if (bytes != piece_bytes) return map(bytes);
  const std::lock_guard lock(mutex_);
  if (!spare_.empty()) {
    std::byte* const p = *spare_.begin();
    spare_.erase(spare_.begin());
    return p;
  }
  std::byte* pair = nullptr;
  if (ready_.empty()) {
    pair = map_pair();
  } else {
    pair = ready_.back();
    ready_.pop_back();
    changed_.notify_one();
  }
  spare_.insert(other_half(pair));
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
  if (spare_.erase(other) == 0) {
    spare_.insert(p);
  } else {
    ::munmap(std::min(p, other), pair_bytes);
  }
}

void chunk_memory::prepare(std::size_t pieces) {
  const std::lock_guard lock(mutex_);
  pairs_wanted_ = (pieces + 1) / 2;
  if (pairs_wanted_ == 0) {
    for (std::byte* p : ready_) ::munmap(p, pair_bytes);
    ready_.clear();
    return;
  }
  if (!worker_.joinable()) worker_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
  changed_.notify_one();
}

std::size_t chunk_memory::ready() {
  const std::lock_guard lock(mutex_);
  return 2 * ready_.size();
}

void chunk_memory::work(const std::stop_token& stop) {
  using clock = std::chrono::steady_clock;
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return ready_.size() < pairs_wanted_; })) {
    lock.unlock();
    const clock::time_point begin = clock::now();
    std::byte* pair = nullptr;
    try {
      pair = map_pair();
    } catch (const std::bad_alloc&) {  // then there is nothing to prepare; who needs it will say so
    }
    for (std::size_t at = 0; pair != nullptr && at < pair_bytes; at += page_bytes) {
      *const_cast<volatile std::byte*>(pair + at) = std::byte{0};
    }
    const auto rest = rest_factor * (clock::now() - begin);
    lock.lock();
    if (pair == nullptr) {
      pairs_wanted_ = 0;
    } else {
      ready_.push_back(pair);
    }
    (void)changed_.wait_for(lock, stop, rest, [] { return false; });
  }
}

}  // namespace weir::server
