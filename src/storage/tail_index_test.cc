#include "storage/tail_index.h"

#include <gtest/gtest.h>

#include <deque>

namespace weir::storage {
namespace {

using model::offset;

tail_entry entry(std::int64_t base, chunk& where) {
  return {offset(base), &where, static_cast<std::uint32_t>(base), 1};
}

// What a tail index is, in the plainest form.
struct plain_index {
  std::deque<tail_entry> all;
  [[nodiscard]] std::size_t find(offset at) const {
    std::size_t i = 0;
    while (i < all.size() && all[i].base <= at) ++i;
    return i == 0 ? 0 : i - 1;
  }
};

TEST(tail_index, is_a_queue_with_random_access_at_any_length) {
  // Lengths around the blocks' own, and pops that cross them.
  chunk c;
  tail_index index;
  plain_index plain;
  std::int64_t next = 0;
  const auto check = [&] {
    ASSERT_EQ(index.size(), plain.all.size());
    ASSERT_EQ(index.empty(), plain.all.empty());
    if (plain.all.empty()) return;
    ASSERT_EQ(index.front().base, plain.all.front().base);
    ASSERT_EQ(index.back().base, plain.all.back().base);
    for (const std::size_t i : {std::size_t{0}, plain.all.size() / 3, plain.all.size() - 1}) {
      ASSERT_EQ(index[i].base, plain.all[i].base);
      ASSERT_EQ(index.find(plain.all[i].base), i);
      ASSERT_EQ(index.find(plain.all[i].base + 1), plain.find(plain.all[i].base + 1)) << "between two entries";
      ASSERT_EQ(index.find_place(plain.all[i].place()), i);
    }
    ASSERT_EQ(index.find(offset(0)), plain.find(offset(0)));
    ASSERT_EQ(index.find(offset(next + 100)), plain.all.size() - 1);
  };
  constexpr auto block = static_cast<int>(tail_index::block_entries);
  for (const auto& [pushes, pops] : std::initializer_list<std::pair<int, int>>{{1, 1},
                                                                               {100, 63},
                                                                               {0, 30},
                                                                               {block, 7},
                                                                               {1, 0},
                                                                               {block, block - 8},
                                                                               {0, 1},
                                                                               {0, 1},
                                                                               {3 * block, block + 1},
                                                                               {5, 4 * block}}) {
    for (int i = 0; i < pushes; ++i, next += 2) {
      index.push(entry(next, c));
      plain.all.push_back(entry(next, c));
    }
    check();
    for (int i = 0; i < pops && !plain.all.empty(); ++i) {
      index.pop_front();
      plain.all.pop_front();
    }
    check();
  }
  index.clear();
  plain.all.clear();
  check();
}

}  // namespace
}  // namespace weir::storage
