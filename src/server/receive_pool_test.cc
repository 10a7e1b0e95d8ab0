#include "server/receive_pool.h"

#include <gtest/gtest.h>

#include <vector>

namespace weir::server {
namespace {

constexpr std::size_t mib = 1 << 20;

struct receive_pool_test : testing::Test {
  std::vector<std::uint64_t> called;
  receive_pool pool{16 * mib, [this](std::uint64_t id) { called.push_back(id); }};  // 4 MiB small, 12 MiB large
};

TEST_F(receive_pool_test, large_requests_take_turns_in_their_order) {
  receive_claim a;
  receive_claim b;
  receive_claim c;
  EXPECT_TRUE(pool.take(a, 1, 8 * mib));
  EXPECT_FALSE(pool.take(b, 2, 8 * mib));
  EXPECT_FALSE(pool.take(c, 3, 1 * mib)) << "it would fit, but overtakes nobody";
  EXPECT_EQ(pool.held(), 8 * mib);
  EXPECT_EQ(pool.waiting(), 2U);
  EXPECT_TRUE(called.empty());
  pool.hold(a, 0);
  EXPECT_EQ(called.back(), 2U);
  EXPECT_TRUE(pool.take(b, 2, 8 * mib));
  EXPECT_EQ(called.back(), 3U);
  EXPECT_TRUE(pool.take(c, 3, 1 * mib));
  EXPECT_FALSE(pool.contended());
  EXPECT_EQ(pool.held(), 9 * mib);
}

TEST_F(receive_pool_test, small_requests_have_a_share_of_their_own) {
  receive_claim a;
  receive_claim b;
  EXPECT_TRUE(pool.take(a, 1, 12 * mib));
  EXPECT_FALSE(pool.take(b, 2, 12 * mib));
  std::vector<receive_claim> small(17);
  for (std::size_t i = 0; i < 16; ++i) EXPECT_TRUE(pool.take(small[i], 10 + i, receive_pool::small_bytes));
  EXPECT_FALSE(pool.take(small[16], 26, receive_pool::small_bytes));
  EXPECT_EQ(pool.held(), pool.max());
  EXPECT_EQ(pool.read_bytes(), receive_pool::least_read_bytes);
}

TEST_F(receive_pool_test, one_larger_than_the_share_goes_on_alone) {
  receive_claim a;
  receive_claim b;
  EXPECT_TRUE(pool.take(a, 1, mib));
  EXPECT_FALSE(pool.take(b, 2, 100 * mib));
  pool.hold(a, 0);
  EXPECT_TRUE(pool.take(b, 2, 100 * mib));
}

TEST_F(receive_pool_test, what_was_read_already_is_counted_never_refused_and_moves_with_its_request) {
  receive_claim a;
  pool.hold(a, 100);
  EXPECT_EQ(pool.held(), 100U);
  EXPECT_TRUE(pool.take(a, 1, 12 * mib)) << "its own bytes are no others'";
  EXPECT_EQ(pool.held(), 12 * mib);
  pool.hold(a, 200);
  EXPECT_EQ(pool.held(), 200U);
  pool.hold(a, 0);
  EXPECT_EQ(pool.held(), 0U);
}

TEST_F(receive_pool_test, who_leaves_a_queue_lets_the_next_try) {
  receive_claim a;
  receive_claim b;
  receive_claim c;
  EXPECT_TRUE(pool.take(a, 1, 8 * mib));
  EXPECT_FALSE(pool.take(b, 2, 8 * mib));
  EXPECT_FALSE(pool.take(c, 3, 1 * mib));
  pool.hold(b, 0);  // its connection is closed
  EXPECT_EQ(called.back(), 3U);
  EXPECT_TRUE(pool.take(c, 3, 1 * mib));
  EXPECT_EQ(pool.held(), 9 * mib);
}

}  // namespace
}  // namespace weir::server
