#include "server/chunk_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace weir::server {
namespace {

constexpr std::size_t piece = chunk_memory::piece_bytes;

TEST(chunk_memory, pieces_are_apart_aligned_and_used_again) {
  chunk_memory m;
  std::vector<unsigned char*> taken;
  for (int i = 0; i < 7; ++i) {
    taken.push_back(static_cast<unsigned char*>(m.take(piece)));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(taken.back()) % piece, 0U);
    std::memset(taken.back(), i, piece);
  }
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(taken[i][0], i) << "nobody wrote into another's piece";
    EXPECT_EQ(taken[i][piece - 1], i);
  }
  // The seventh is half of a pair: the other half comes first, then what was given back from a pair that is in use.
  auto* const half = static_cast<unsigned char*>(m.take(piece));
  EXPECT_EQ(std::count(taken.begin(), taken.end(), half), 0);
  m.give(taken.front(), piece);
  EXPECT_EQ(m.take(piece), taken.front());
  m.give(half, piece);
  for (unsigned char* p : taken) m.give(p, piece);
}

TEST(chunk_memory, other_sizes_are_their_own) {
  chunk_memory m;
  for (const std::size_t size : {std::size_t{4096}, piece + 4096, 5 * piece}) {
    void* p = m.take(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % 4096, 0U);
    std::memset(p, 1, size);
    m.give(p, size);
  }
}

TEST(chunk_memory, small_pages_go_when_huge_ones_are_wanted) {
  chunk_memory m;
  void* small = m.take(piece);
  EXPECT_TRUE(m.worth_keeping(small));
  m.prepare(2);
  while (m.ready() < 2) std::this_thread::yield();
  m.use_huge_pages(true);
  EXPECT_FALSE(m.worth_keeping(small));
  while (m.ready() < 2) std::this_thread::yield();  // anew
  m.give(small, piece);
  m.prepare(0);
  m.use_huge_pages(false);
  void* p = m.take(piece);
  void* q = m.take(piece);
  m.use_huge_pages(true);
  // The first two may be of a pair that was made before; whatever they are, they say so alike.
  EXPECT_EQ(m.worth_keeping(p), m.worth_keeping(q));
  m.give(p, piece);
  m.give(q, piece);
}

TEST(chunk_memory, the_other_half_of_a_small_pair_is_not_given_out_for_a_huge_one) {
  chunk_memory m;
  void* small = m.take(piece);
  m.use_huge_pages(true);
  void* p = m.take(piece);
  EXPECT_TRUE(m.worth_keeping(p));
  m.use_huge_pages(false);
  void* q = m.take(piece);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(q) / (2 * piece), reinterpret_cast<std::uintptr_t>(small) / (2 * piece));
  for (void* each : {small, p, q}) m.give(each, piece);
}

TEST(chunk_memory, what_is_prepared_is_what_is_taken_and_it_goes_back) {
  chunk_memory m;
  EXPECT_EQ(m.ready(), 0U);
  m.prepare(5);
  while (m.ready() < 6) std::this_thread::yield();  // pairs
  void* p = m.take(piece);
  void* q = m.take(piece);
  std::memset(p, 1, piece);
  std::memset(q, 1, piece);
  while (m.ready() < 6) std::this_thread::yield();  // made up for
  m.prepare(0);
  // One that was under way when it was told may still come.
  EXPECT_LE(m.ready(), 2U);
  m.give(p, piece);
  m.give(q, piece);
}

}  // namespace
}  // namespace weir::server
