#include "storage/io_buffer.h"

#include <gtest/gtest.h>

namespace weir::storage {
namespace {

constexpr std::size_t standard = 4 * wal_page_bytes;

store_options small_pool() {
  store_options o;
  o.read_ahead_bytes = 3 * wal_page_bytes - 1;
  o.index_span_bytes = 1;
  o.read_bytes_max = 4 * standard;
  return o;
}

TEST(io_pool, a_large_buffer_is_used_again) {
  const auto pool = std::make_shared<io_pool>(small_pool());
  auto first = io_buffer::make(pool, standard);
  const std::byte* const place = first->all().data();
  EXPECT_EQ(pool->held(), standard);
  first.reset();
  EXPECT_EQ(pool->held(), 0U);
  EXPECT_EQ(pool->kept_bytes(), standard);
  const auto second = io_buffer::make(pool, standard / 2);
  EXPECT_EQ(second->all().data(), place);
  EXPECT_EQ(second->all().size(), standard / 2);
  EXPECT_EQ(pool->held(), standard) << "what is taken is charged, not what is used";
}

TEST(io_pool, small_and_very_large_buffers_are_not_kept) {
  const auto pool = std::make_shared<io_pool>(small_pool());
  io_buffer::make(pool, standard / 4).reset();
  io_buffer::make(pool, standard + 1).reset();
  EXPECT_EQ(pool->kept_bytes(), 0U);
  EXPECT_EQ(pool->held(), 0U);
}

TEST(io_pool, refuses_above_its_budget_but_lets_one_through) {
  const auto pool = std::make_shared<io_pool>(small_pool());
  auto huge = io_buffer::make(pool, 10 * standard);
  ASSERT_NE(huge, nullptr);
  EXPECT_EQ(io_buffer::make(pool, 100), nullptr);
  huge.reset();
  std::vector<std::shared_ptr<io_buffer>> all;
  all.reserve(4);
  for (int i = 0; i < 4; ++i) all.push_back(io_buffer::make(pool, standard - 1));
  EXPECT_EQ(io_buffer::make(pool, 1), nullptr);
  all.pop_back();
  EXPECT_NE(io_buffer::make(pool, 1), nullptr);
}

TEST(io_pool, held_and_kept_together_stay_below_the_budget) {
  const auto pool = std::make_shared<io_pool>(small_pool());
  std::vector<std::shared_ptr<io_buffer>> all;
  all.reserve(4);
  for (int i = 0; i < 4; ++i) all.push_back(io_buffer::make(pool, standard));
  all.clear();
  EXPECT_EQ(pool->kept_bytes(), 4 * standard);
  const auto other = io_buffer::make(pool, 2 * standard);
  EXPECT_EQ(pool->kept_bytes(), 2 * standard);
  pool->release_kept();
  EXPECT_EQ(pool->kept_bytes(), 0U);
}

TEST(io_pool, a_buffer_may_go_away_after_the_store) {
  auto pool = std::make_shared<io_pool>(small_pool());
  auto buffer = io_buffer::make(pool, standard);
  pool.reset();
  buffer->all()[0] = std::byte{1};
  buffer.reset();
  EXPECT_EQ(buffer, nullptr);
}

}  // namespace
}  // namespace weir::storage
