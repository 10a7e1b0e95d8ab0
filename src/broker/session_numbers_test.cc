#include "broker/session_numbers.h"

#include <gtest/gtest.h>

#include <set>

namespace weir::broker {
namespace {

// With the whole width a slot lasts for 16 million sessions; here for three.
TEST(session_numbers, none_comes_twice_and_none_has_a_bit_where_the_reactor_goes) {
  session_numbers numbers(3);
  std::set<std::uint64_t> seen;
  const std::uint64_t stays = numbers.take();
  seen.insert(stays);
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t n = numbers.take();
    EXPECT_TRUE(seen.insert(n).second) << n;
    EXPECT_EQ(n >> session_numbers::number_bits, 0U);
    EXPECT_LE(n >> session_numbers::slot_bits, 3U);
    EXPECT_LE(session_numbers::slot_of(n), 34U) << "a place is used as often as it can be";
    numbers.give_back(n);
  }
}

TEST(session_numbers, the_most_uses_fit_below_the_reactor) {
  EXPECT_EQ(std::uint64_t{session_numbers::uses_max} << session_numbers::slot_bits >> session_numbers::number_bits, 0U);
  EXPECT_NE(
      (std::uint64_t{session_numbers::uses_max} + 1) << session_numbers::slot_bits >> session_numbers::number_bits, 0U);
}

}  // namespace
}  // namespace weir::broker
