#include "server/logging.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>

namespace weir::server {
namespace {

TEST(logging, text_of_peers_is_made_safe) {
  EXPECT_EQ(clean("consumer-1"), "consumer-1");
  EXPECT_EQ(clean("a\nb\x1b[2J\xff"), "a\\x0ab\\x1b[2J\\xff");
  EXPECT_EQ(clean(std::string(500, 'x')).size(), 203U);
}

TEST(logging, levels_of_subsystems) {
  ASSERT_TRUE(set_up_logging({"warn", "storage=debug", false}));
  EXPECT_TRUE(log("storage").wants(log_level::debug));
  EXPECT_FALSE(log("server").wants(log_level::info));
  EXPECT_TRUE(log("server").wants(log_level::warn));
  EXPECT_FALSE(set_up_logging({"loud", "", false}));
  EXPECT_FALSE(set_up_logging({"info", "storage", false}));
  ASSERT_TRUE(set_up_logging({"warn", "", false}));
  EXPECT_FALSE(log("storage").wants(log_level::debug));
}

TEST(logging, repeated_lines_are_counted_not_repeated) {
  testing::internal::CaptureStderr();
  ASSERT_TRUE(set_up_logging({"info", "", false}));
  for (int i = 0; i < 1000; ++i) log("server").limited(log_level::warn, "test", "peer {} did it", i);
  flush_logging();
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("peer 0 did it"), std::string::npos);
  EXPECT_EQ(text.find("peer 999"), std::string::npos);
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 10);
}

TEST(logging, json_lines_are_json_whatever_the_text) {
  testing::internal::CaptureStderr();
  ASSERT_TRUE(set_up_logging({"info", "", true}));
  log("server").info("a \"quoted\" \\ line\nwith a break and {}", 7);
  flush_logging();
  const std::string text = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(set_up_logging({"warn", "", false}));
  const auto v = boost::json::parse(text.substr(0, text.find('\n')));
  EXPECT_EQ(v.at("level").as_string(), "info");
  EXPECT_EQ(v.at("subsystem").as_string(), "server");
  EXPECT_EQ(v.at("message").as_string(), "a \"quoted\" \\ line\nwith a break and 7");
}

}  // namespace
}  // namespace weir::server
