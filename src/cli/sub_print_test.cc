#include "cli/sub_print.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <sstream>

#include "cli/pub_partition.h"

namespace weir::cli {
namespace {

TEST(IsUtf8, KnowsGoodFromBad) {
  for (const char* good :
       {"", "plain", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad :
       {"\x80", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "a\xe2\x82"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
}

TEST(ToBase64, AllRemainders) {
  EXPECT_EQ(to_base64(as_bytes("")), "");
  EXPECT_EQ(to_base64(as_bytes("f")), "Zg==");
  EXPECT_EQ(to_base64(as_bytes("fo")), "Zm8=");
  EXPECT_EQ(to_base64(as_bytes("foo")), "Zm9v");
  EXPECT_EQ(to_base64(as_bytes("\xff\xfe\xfd\xfc")), "//79/A==");
}

// Values that Kafka's own Java client gives (its test vectors for murmur2).
TEST(Murmur2, AgreesWithJavaClients) {
  EXPECT_EQ(static_cast<std::int32_t>(murmur2(as_bytes("21"))), -973932308);
  EXPECT_EQ(static_cast<std::int32_t>(murmur2(as_bytes("foobar"))), -790332482);
  EXPECT_EQ(static_cast<std::int32_t>(murmur2(as_bytes("a-little-bit-long-string"))), -985981536);
  EXPECT_EQ(static_cast<std::int32_t>(murmur2(as_bytes("a-little-bit-longer-string"))), -1486304829);
  EXPECT_EQ(static_cast<std::int32_t>(murmur2(as_bytes("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"))),
            -58897971);
  EXPECT_GE(partition_of_key(as_bytes("21"), 7), 0);
}

// One record as it comes out of a batch.
struct one_record {
  one_record() {
    kafka::batch_builder b({.base_offset = 7});
    b.add(1'700'000'000'123, as_bytes("k"), as_bytes("v"), {{"h", as_bytes("\xff")}});
    batch = *b.finish();
  }
  template<class F>
  void show(F&& f) {
    const auto view = kafka::batch_view::parse(batch);
    EXPECT_TRUE(view.has_value());
    EXPECT_TRUE(kafka::for_each_record(*view, [&](const kafka::record& r) {
                  f(r);
                  return true;
                }).has_value());
  }
  byte_vector batch;
};

TEST(PrintRecord, WhatStrangersWroteIsJsonAndHarmless) {
  kafka::batch_builder b({.base_offset = 7});
  b.add(1'700'000'000'123, as_bytes("k\x1b[2J"), as_bytes("v\n\xc2\x9b"), {{"h\xff", as_bytes("\x07")}});
  one_record one;
  one.batch = *b.finish();
  std::ostringstream verbose, text;
  one.show([&](const kafka::record& r) {
    print_record(verbose, output_format::table, true, "t", 3, r);
    print_record(text, output_format::json, false, "t", 3, r);
  });
  EXPECT_EQ(verbose.str(), "t/3@7  2023-11-14T22:13:20.123Z  key=k\\x1b[2J  base64:aP8==\\x07  v\\x0a\\x9b\n");
  boost::json::error_code error;
  const auto parsed = boost::json::parse(text.str(), error);
  ASSERT_FALSE(error) << text.str();
  EXPECT_EQ(parsed.at("headers").at(0).at("name_base64"), "aP8=");
}

TEST(PrintRecord, Forms) {
  one_record one;
  std::ostringstream plain, verbose, json;
  one.show([&](const kafka::record& r) {
    print_record(plain, output_format::table, false, "t", 3, r);
    print_record(verbose, output_format::table, true, "t", 3, r);
    print_record(json, output_format::json, false, "t", 3, r);
  });
  EXPECT_EQ(plain.str(), "v\n");
  EXPECT_EQ(verbose.str(), "t/3@7  2023-11-14T22:13:20.123Z  key=k  h=base64:/w==  v\n");
  EXPECT_EQ(
      json.str(),
      "{\"topic\":\"t\",\"partition\":3,\"offset\":7,\"timestamp_ms\":1700000000123,\"key\":\"k\",\"value\":\"v\","
      "\"headers\":[{\"name\":\"h\",\"value_base64\":\"/w==\"}]}\n");
}

}  // namespace
}  // namespace weir::cli
