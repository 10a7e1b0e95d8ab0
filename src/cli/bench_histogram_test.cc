#include "cli/bench_histogram.h"

#include <gtest/gtest.h>

namespace weir::cli {
namespace {

TEST(LatencyHistogram, SmallValuesAreExact) {
  latency_histogram h;
  for (int i = 1; i <= 100; ++i) h.record(i);
  EXPECT_DOUBLE_EQ(h.percentile_us(0.5), 0.050);
  EXPECT_DOUBLE_EQ(h.percentile_us(1.0), 0.100);
  EXPECT_EQ(h.total(), 100U);
}

TEST(LatencyHistogram, LargeValuesAreWithinOnePercentAndNeverTooLow) {
  for (std::int64_t v = 1; v < (1LL << 62); v = v * 3 + 1) {
    latency_histogram h;
    h.record(v);
    h.record(v * 2 - 1);
    const double low = h.percentile_us(0.5) * 1000;
    EXPECT_GE(low, static_cast<double>(v) * 0.999999) << v;
    EXPECT_LE(low, static_cast<double>(v) * 1.01) << v;
  }
}

TEST(LatencyHistogram, RareOutliersShowInTheTailOnly) {
  latency_histogram h;
  h.record(1'000'000, 9'989);
  h.record(80'000'000, 11);
  EXPECT_NEAR(h.percentile_us(0.99), 1'000, 10);
  EXPECT_NEAR(h.percentile_us(0.999), 80'000, 800);
  EXPECT_NEAR(h.max_us(), 80'000, 0.001);
  latency_histogram other;
  other.record(100'000'000, 20'000);
  h.merge(other);
  EXPECT_NEAR(h.percentile_us(0.5), 100'000, 1'000);
}

TEST(LatencyHistogram, EmptyAndAbsurdValues) {
  latency_histogram h;
  EXPECT_EQ(h.percentile_us(0.99), 0);
  h.record(-5);
  h.record(INT64_MAX);
  EXPECT_EQ(h.percentile_us(0.5), 0);
  EXPECT_GT(h.percentile_us(1.0), 9e15);
}

}  // namespace
}  // namespace weir::cli
