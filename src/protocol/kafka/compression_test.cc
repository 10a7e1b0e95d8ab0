#include "protocol/kafka/compression.h"

#include <gtest/gtest.h>
#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <string>
#include <string_view>

namespace weir::kafka {
namespace {

constexpr std::array real_codecs = {compression::gzip, compression::snappy, compression::lz4, compression::zstd};

// Text that compresses, but not to nothing.
byte_vector sample(std::size_t size) {
  constexpr std::array<std::string_view, 8> words = {"river ", "weir ", "flood ", "even ",
                                                     "flow ",  "bank ", "mill ",  "lock "};
  byte_vector out;
  std::uint32_t x = 1;
  while (out.size() < size) {
    x = x * 1664525 + 1013904223;
    const bytes word = as_bytes(words[x >> 29]);
    out.insert(out.end(), word.begin(), word.end());
  }
  out.resize(size);
  return out;
}

TEST(kafka_compression, round_trips_at_all_sizes) {
  for (const compression c : real_codecs) {
    for (const std::size_t size : {0U, 1U, 100U, 16384U, 32768U, 32769U, 1000000U}) {
      const byte_vector in = sample(size);
      const auto small = compress(c, in);
      ASSERT_TRUE(small);
      if (size > 1000) {
        EXPECT_LT(small->size(), size);
      }
      const auto back = decompress(c, *small);
      ASSERT_TRUE(back) << name_of(c) << " " << size << ": " << back.error().describe();
      EXPECT_EQ(*back, in) << name_of(c) << " " << size;
    }
  }
}

TEST(kafka_compression, a_cut_is_a_fault) {
  for (const compression c : real_codecs) {
    const byte_vector small = *compress(c, sample(70000));
    for (std::size_t n = 1; n < small.size(); n += 1 + n / 37) {
      const auto back = decompress(c, bytes(small).first(n));
      if (back) {
        // A cut between two of xerial's blocks cannot be seen in the stream; the record count tells.
        EXPECT_TRUE(c == compression::snappy && back->size() < 70000) << name_of(c) << " " << n;
        continue;
      }
      EXPECT_EQ(back.error().code, errc::corrupt) << name_of(c) << " " << n;
    }
  }
}

TEST(kafka_compression, a_bomb_is_refused_before_it_is_open) {
  const byte_vector zeros(std::size_t{40} << 20);
  for (const compression c : {compression::gzip, compression::zstd}) {
    const byte_vector small = *compress(c, zeros);
    ASSERT_LT(small.size(), zeros.size() / 256);
    const auto back = decompress(c, small);
    ASSERT_FALSE(back) << name_of(c);
    EXPECT_EQ(back.error().code, errc::invalid);
  }
  for (const compression c : real_codecs) {
    const byte_vector small = *compress(c, sample(100000));
    const decompression_limits tight{.output_max = 99999, .ratio_max = 256, .free_output = 1 << 20};
    const auto back = decompress(c, small, tight);
    ASSERT_FALSE(back) << name_of(c);
    EXPECT_EQ(back.error().code, errc::invalid) << name_of(c);
    EXPECT_NE(back.error().text.find("99999"), std::string::npos);
    const decompression_limits exact{.output_max = 100000, .ratio_max = 256, .free_output = 1 << 20};
    EXPECT_TRUE(decompress(c, small, exact)) << name_of(c);
  }
}

TEST(kafka_compression, the_ratio_counts_only_beyond_the_free_part) {
  const decompression_limits limits{.output_max = 1000000, .ratio_max = 10, .free_output = 5000};
  EXPECT_EQ(limits.allowed(1), 5000U);
  EXPECT_EQ(limits.allowed(1000), 10000U);
  EXPECT_EQ(limits.allowed(1000000), 1000000U);
  EXPECT_EQ(limits.allowed(static_cast<std::size_t>(-1)), 1000000U);
}

TEST(kafka_compression, snappy_comes_bare_too) {
  const byte_vector in = sample(50000);
  std::string small;
  snappy::Compress(reinterpret_cast<const char*>(in.data()), in.size(), &small);
  const auto back = decompress(compression::snappy, as_bytes(small));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, in);
  // A bare block that claims 4 GiB.
  const std::array<std::uint8_t, 6> liar = {0xff, 0xff, 0xff, 0xff, 0x0f, 0};
  EXPECT_EQ(decompress(compression::snappy, std::as_bytes(std::span(liar))).error().code, errc::invalid);
}

TEST(kafka_compression, snappy_is_written_in_xerial_framing) {
  const byte_vector small = *compress(compression::snappy, sample(40000));
  const std::array<std::uint8_t, 16> head = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};
  EXPECT_EQ(std::memcmp(small.data(), head.data(), head.size()), 0);
  const std::size_t first = load_be<std::uint32_t>(small.data() + 16);
  std::size_t size = 0;
  ASSERT_TRUE(snappy::GetUncompressedLength(reinterpret_cast<const char*>(small.data()) + 20, first, &size));
  EXPECT_EQ(size, 32768U);
}

TEST(kafka_compression, lz4_blocks_are_independent) {
  const byte_vector small = *compress(compression::lz4, sample(200000));
  EXPECT_NE(static_cast<unsigned>(small[4]) & 0x20U, 0U);  // the frame's block-independence flag
}

TEST(kafka_compression, gzip_members_may_follow_each_other) {
  byte_vector two = *compress(compression::gzip, sample(1000));
  const byte_vector second = two;
  two.insert(two.end(), second.begin(), second.end());
  const auto back = decompress(compression::gzip, two);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->size(), 2000U);
  two.push_back(std::byte{1});
  EXPECT_FALSE(decompress(compression::gzip, two));
}

TEST(kafka_compression, unknown_codecs_are_unsupported) {
  EXPECT_EQ(decompress(static_cast<compression>(5), {}).error().code, errc::unsupported);
  EXPECT_EQ(compress(static_cast<compression>(7), {}).error().code, errc::unsupported);
  EXPECT_EQ(name_of(static_cast<compression>(6)), "unknown");
}

}  // namespace
}  // namespace weir::kafka
