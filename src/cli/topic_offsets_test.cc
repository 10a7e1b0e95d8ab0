#include "cli/topic_offsets.h"

#include <gtest/gtest.h>

namespace weir::cli {
namespace {

TEST(ParseTime, TakesWhatPeopleWrite) {
  constexpr std::int64_t now = 1'800'000'000'000;
  EXPECT_EQ(*parse_time("1700000000000", now), 1'700'000'000'000);
  EXPECT_EQ(*parse_time("2023-11-14", now), 1'699'920'000'000);
  EXPECT_EQ(*parse_time("2023-11-14T22:13", now), 1'699'999'980'000);
  EXPECT_EQ(*parse_time("2023-11-14T22:13:20Z", now), 1'700'000'000'000);
  EXPECT_EQ(*parse_time("15m", now), now - 900'000);
  EXPECT_EQ(*parse_time("3d", now), now - 3 * 86'400'000LL);
}

TEST(ParseTime, RefusesTheRest) {
  for (const char* text : {"", "-5", "12x", "2023-13-01", "2023-02-30", "2023-11-14T25:00", "2023-11-14T22:13:20Zx",
                           "yesterday", "9223372036854775807d", "99999999999999999999"})
    EXPECT_FALSE(parse_time(text, 0).has_value()) << text;
}

TEST(FormatTime, IsReadBack) {
  EXPECT_EQ(format_time(1'700'000'000'123), "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(format_time(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_time(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(format_time(INT64_MIN), "-9223372036854775808 ms");
  EXPECT_EQ(format_time(INT64_MAX), "9223372036854775807 ms");
}

TEST(ParseAddress, Forms) {
  EXPECT_EQ(parse_address("host:1234")->text(), "host:1234");
  EXPECT_EQ(parse_address("host")->text(), "host:9092");
  EXPECT_EQ(parse_address("[::1]:77")->host, "::1");
  EXPECT_EQ(parse_address("[::1]:77")->port, 77);
  EXPECT_FALSE(parse_address("host:0").has_value());
  EXPECT_FALSE(parse_address("host:65536").has_value());
  EXPECT_FALSE(parse_address("host:x").has_value());
  EXPECT_FALSE(parse_address("[::1").has_value());
  EXPECT_EQ(parse_addresses("a:1,b:2")->size(), 2U);
  EXPECT_FALSE(parse_addresses("").has_value());
}

TEST(ApiRanges, PicksTheNewestCommonVersion) {
  api_ranges r;
  r.set(0, 3, 9);
  EXPECT_EQ(r.pick(kafka::api_key::produce, 3, 12), 9);
  EXPECT_EQ(r.pick(kafka::api_key::produce, 3, 7), 7);
  EXPECT_EQ(r.pick(kafka::api_key::produce, 10, 12), -1);
  EXPECT_EQ(r.pick(kafka::api_key::produce, 0, 2), -1);
  EXPECT_EQ(r.pick(kafka::api_key::fetch, 0, 99), -1) << "the broker did not name it";
}

}  // namespace
}  // namespace weir::cli
