#include "protocol/kafka/bootstrap_watch.h"

#include <gtest/gtest.h>

namespace weir::kafka {
namespace {

constexpr mono_ns later(std::int64_t seconds) { return mono_ns(seconds * 1'000'000'000); }

TEST(BootstrapWatch, TellsOnceOfAClientThatDoesNotComeBack) {
  bootstrap_watch w;
  w.on_bootstrap_only("10.0.0.1", {"broker", 9092}, later(0));
  EXPECT_TRUE(w.due(later(9)).empty());
  const auto hints = w.due(later(11));
  ASSERT_EQ(hints.size(), 1U);
  EXPECT_NE(describe(hints[0]).find("broker:9092"), std::string::npos);
  EXPECT_TRUE(w.due(later(20)).empty());
}

TEST(BootstrapWatch, WorkClearsTheSuspicion) {
  bootstrap_watch w;
  w.on_bootstrap_only("10.0.0.1", {"broker", 9092}, later(0));
  w.on_work("10.0.0.1");
  EXPECT_TRUE(w.due(later(11)).empty());
}

TEST(BootstrapWatch, IsBounded) {
  bootstrap_watch w;
  for (int i = 0; i < 1000; ++i) w.on_bootstrap_only(std::to_string(i), {"b", 1}, later(0));
  EXPECT_EQ(w.due(later(11)).size(), bootstrap_watch::peers_max);
}

}  // namespace
}  // namespace weir::kafka
