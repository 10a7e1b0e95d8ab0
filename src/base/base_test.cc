#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/result.h"
#include "base/strong.h"

namespace weir {
namespace {

TEST(Crc32c, KnownValueAndBothImplementationsAgree) {
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283U);
  byte_vector data(20000);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 31 + (i >> 8));
  for (std::size_t n : {0U, 1U, 7U, 8U, 767U, 768U, 769U, 6143U, 6144U, 19999U}) {
    const bytes part = bytes(data).subspan(1).first(n);
    EXPECT_EQ(crc32c(part), crc32c_portable(part)) << n;
    EXPECT_EQ(crc32c(part.subspan(n / 3), crc32c(part.first(n / 3))), crc32c(part)) << n;
  }
}

TEST(ByteReader, ShortReadIsStickyAndNeverRunsPastTheEnd) {
  const byte_vector three(3);
  byte_reader in(three);
  EXPECT_EQ(in.le<std::uint32_t>(), 0U);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.u8(), 0);
  EXPECT_EQ(in.remaining(), 0U);
}

TEST(ByteReader, VarintsRoundTripAndOverlongOnesAreRefused) {
  for (std::int64_t v : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{300}, INT64_MAX, INT64_MIN}) {
    byte_vector out;
    byte_writer(out).zigzag(v);
    byte_reader in(out);
    EXPECT_EQ(in.zigzag(), v);
    EXPECT_TRUE(in.ok() && in.at_end());
  }
  const byte_vector overlong(11, std::byte{0xff});
  byte_reader in(overlong);
  (void)in.varint();
  EXPECT_FALSE(in.ok());
}

TEST(Result, CarriesAFaultWithItsText) {
  const result<int> r = fault(errc::corrupt, "block 7");
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().describe(), "corrupt: block 7");
}

}  // namespace
}  // namespace weir
