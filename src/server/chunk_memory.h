// Memory for the chunks of the tail ring and for large reads, straight from the system: in the allocator's heap it would lie
// scattered among small blocks, and the resident memory after a load would stay where its peak was.
//
// Pieces of the common size come in pairs. Under heavy load each pair is a huge page where the kernel gives one: the disk then
// gets one address for a whole write instead of hundreds, and a virtual disk, whose queue has so many places for addresses,
// takes more than one write at a time. Otherwise they are small pages: the first touch of a huge one stops a thread for
// milliseconds where a virtual machine must ask its host for the memory, and small ones take the same in small parts.
//
// What is going to be needed can be made ready by a thread of this object's own. Any thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <vector>

namespace weir::server {

class chunk_memory {
 public:
  static constexpr std::size_t piece_bytes = 1U << 20;

  chunk_memory() = default;
  chunk_memory(const chunk_memory&) = delete;
  chunk_memory& operator=(const chunk_memory&) = delete;
  ~chunk_memory();

  // Page aligned. Throws std::bad_alloc.
  [[nodiscard]] void* take(std::size_t bytes);
  // `bytes` as they were taken.
  void give(void* memory, std::size_t bytes);

  // What new pieces are made of from now on, and which of those that are free are worth keeping.
  void use_huge_pages(bool yes);
  // False: the piece lies in small pages and huge ones are wanted.
  [[nodiscard]] bool worth_keeping(const void* piece);
  // Keeps so many pieces ready from now on. A few are made at once, the others take at most a tenth of a core; always at the
  // lowest priority. What is ready beyond that goes back.
  void prepare(std::size_t pieces);
  [[nodiscard]] std::size_t ready();

 private:
  static constexpr std::size_t pair_bytes = 2 * piece_bytes;

  [[nodiscard]] static std::byte* map_pair(bool huge);
  [[nodiscard]] std::byte* take_spare();
  void forget_ready(std::size_t left);
  void unmap_pair(std::byte* pair);
  void work(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<std::byte*> spare_;             // the other half of each is taken
  std::vector<std::byte*> spare_small_;       // the same, in small pages: not given out while huge ones are wanted
  std::vector<std::byte*> ready_;             // touched pairs
  std::unordered_set<std::uintptr_t> small_;  // numbers of the pairs of small pages
  bool huge_ = false;
  std::size_t pairs_wanted_ = 0;
  std::jthread worker_;  // from the first prepare on
};

}  // namespace weir::server
