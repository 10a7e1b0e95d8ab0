#include "base/crc32c.h"

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace weir {
namespace {

constexpr std::uint32_t polynomial = 0x82f63b78;  // Castagnoli, reflected

struct tables {
  std::array<std::array<std::uint32_t, 256>, 8> slice{};
  constexpr tables() {
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
      slice[0][i] = crc;
    }
    for (std::uint32_t i = 0; i < 256; ++i)
      for (std::size_t s = 1; s < 8; ++s) slice[s][i] = (slice[s - 1][i] >> 8) ^ slice[0][slice[s - 1][i] & 0xff];
  }
};
constexpr tables table;

// Advances a CRC register over `n` zero bytes: multiplication by x^(8n) modulo the polynomial, as four byte
// tables.
struct zero_shift {
  std::array<std::array<std::uint32_t, 256>, 4> lanes{};
  explicit zero_shift(std::size_t n) {
    std::array<std::uint32_t, 32> column{};
    for (std::uint32_t bit = 0; bit < 32; ++bit) {
      std::uint32_t crc = 1U << bit;
      for (std::size_t i = 0; i < n; ++i) crc = (crc >> 8) ^ table.slice[0][crc & 0xff];
      column[bit] = crc;
    }
    for (std::uint32_t lane = 0; lane < 4; ++lane)
      for (std::uint32_t value = 0; value < 256; ++value)
        for (std::uint32_t bit = 0; bit < 8; ++bit)
          if (((value >> bit) & 1) != 0) lanes[lane][value] ^= column[lane * 8 + bit];
  }
  [[nodiscard]] std::uint32_t apply(std::uint32_t crc) const {
    return lanes[0][crc & 0xff] ^ lanes[1][(crc >> 8) & 0xff] ^ lanes[2][(crc >> 16) & 0xff] ^ lanes[3][crc >> 24];
  }
};

#if defined(__x86_64__)

// The crc32 instruction has a latency of three cycles and a throughput of one: three streams keep it busy.
template<std::size_t Stride>
[[gnu::target("sse4.2")]] const std::byte* three_streams(const std::byte* p, std::size_t& left, std::uint64_t& crc) {
  static const zero_shift shift(Stride);
  while (left >= 3 * Stride) {
    std::uint64_t a = crc;
    std::uint64_t b = 0;
    std::uint64_t c = 0;
    for (std::size_t i = 0; i < Stride; i += 8) {
      a = _mm_crc32_u64(a, load_le<std::uint64_t>(p + i));
      b = _mm_crc32_u64(b, load_le<std::uint64_t>(p + Stride + i));
      c = _mm_crc32_u64(c, load_le<std::uint64_t>(p + 2 * Stride + i));
    }
    const std::uint32_t ab = shift.apply(static_cast<std::uint32_t>(a)) ^ static_cast<std::uint32_t>(b);
    crc = shift.apply(ab) ^ static_cast<std::uint32_t>(c);
    p += 3 * Stride;
    left -= 3 * Stride;
  }
  return p;
}

[[gnu::target("sse4.2")]] std::uint32_t crc32c_sse42(bytes data, std::uint32_t seed) noexcept {
  std::uint64_t crc = ~seed;
  const std::byte* p = data.data();
  std::size_t left = data.size();
  p = three_streams<2048>(p, left, crc);
  p = three_streams<256>(p, left, crc);
  for (; left >= 8; left -= 8, p += 8) crc = _mm_crc32_u64(crc, load_le<std::uint64_t>(p));
  auto crc32 = static_cast<std::uint32_t>(crc);
  for (; left > 0; --left, ++p) crc32 = _mm_crc32_u8(crc32, static_cast<std::uint8_t>(*p));
  return ~crc32;
}

#endif

}  // namespace

std::uint32_t crc32c_portable(bytes data, std::uint32_t seed) noexcept {
  std::uint32_t crc = ~seed;
  const std::byte* p = data.data();
  std::size_t left = data.size();
  const auto& t = table.slice;
  for (; left >= 8; left -= 8, p += 8) {
    const std::uint64_t v = load_le<std::uint64_t>(p) ^ crc;
    crc = t[7][v & 0xff] ^ t[6][(v >> 8) & 0xff] ^ t[5][(v >> 16) & 0xff] ^ t[4][(v >> 24) & 0xff] ^
          t[3][(v >> 32) & 0xff] ^ t[2][(v >> 40) & 0xff] ^ t[1][(v >> 48) & 0xff] ^ t[0][v >> 56];
  }
  for (; left > 0; --left, ++p) crc = (crc >> 8) ^ t[0][(crc ^ static_cast<std::uint32_t>(*p)) & 0xff];
  return ~crc;
}

std::uint32_t crc32c(bytes data, std::uint32_t crc) noexcept {
#if defined(__x86_64__)
  static const bool fast = __builtin_cpu_supports("sse4.2") != 0;
  if (fast) return crc32c_sse42(data, crc);
#endif
  return crc32c_portable(data, crc);
}

}  // namespace weir
