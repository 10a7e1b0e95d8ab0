// Bytes: spans, and bounded cursors that read and write fixed-width integers in either byte order.
//
// A reader never runs past its end: the first short read makes it sticky-bad and every later read returns
// zero, so a decoder checks once per structure, not once per field. Lifetime: both borrow; the caller keeps
// the memory.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace weir {

using bytes = std::span<const std::byte>;
using mutable_bytes = std::span<std::byte>;
using byte_vector = std::vector<std::byte>;

[[nodiscard]] inline bytes as_bytes(std::string_view s) { return std::as_bytes(std::span(s.data(), s.size())); }
[[nodiscard]] inline std::string_view as_text(bytes b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }
template<class T>
requires std::is_trivially_copyable_v<T>
[[nodiscard]] bytes bytes_of(const T& value) { return std::as_bytes(std::span(&value, 1)); }

// Unaligned loads and stores. `le` is what our files use, `be` what Kafka's wire uses.
template<class T>
requires std::is_integral_v<T>
[[nodiscard]] inline T swap_bytes(T v) {
  if constexpr (sizeof(T) == 1) return v;
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(v)));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(v)));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(v)));
}
static_assert(std::endian::native == std::endian::little, "formats are little-endian and read in place");
template<class T>
[[nodiscard]] inline T load_le(const std::byte* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template<class T>
[[nodiscard]] inline T load_be(const std::byte* p) {
  return swap_bytes(load_le<T>(p));
}
template<class T>
inline void store_le(std::byte* p, T v) {
  std::memcpy(p, &v, sizeof v);
}
template<class T>
inline void store_be(std::byte* p, T v) {
  store_le(p, swap_bytes(v));
}

class byte_reader {
 public:
  explicit byte_reader(bytes in) : in_(in) {}

  template<class T>
  [[nodiscard]] T le() {
    const std::byte* p = take(sizeof(T));
    return p != nullptr ? load_le<T>(p) : T{};
  }
  template<class T>
  [[nodiscard]] T be() {
    const std::byte* p = take(sizeof(T));
    return p != nullptr ? load_be<T>(p) : T{};
  }
  [[nodiscard]] std::uint8_t u8() { return le<std::uint8_t>(); }
  // A view of the next n bytes; empty and bad when there are fewer.
  [[nodiscard]] bytes view(std::size_t n) {
    const std::byte* p = take(n);
    return p != nullptr ? bytes(p, n) : bytes{};
  }
  // Text with a 32-bit little-endian length, as byte_writer::text writes it.
  [[nodiscard]] std::string_view text() { return as_text(view(le<std::uint32_t>())); }
  // Unsigned LEB128 of at most 10 bytes.
  [[nodiscard]] std::uint64_t varint();
  // Zig-zag LEB128, as Kafka's records use it.
  [[nodiscard]] std::int64_t zigzag() {
    const std::uint64_t v = varint();
    return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
  }
  void skip(std::size_t n) { (void)take(n); }
  void fail() { bad_ = true; }

  [[nodiscard]] bool ok() const { return !bad_; }
  [[nodiscard]] bool at_end() const { return pos_ == in_.size(); }
  [[nodiscard]] std::size_t remaining() const { return bad_ ? 0 : in_.size() - pos_; }
  [[nodiscard]] std::size_t position() const { return pos_; }

 private:
  const std::byte* take(std::size_t n) {
    if (bad_ || n > in_.size() - pos_) {
      bad_ = true;
      return nullptr;
    }
    const std::byte* p = in_.data() + pos_;
    pos_ += n;
    return p;
  }
  bytes in_;
  std::size_t pos_ = 0;
  bool bad_ = false;
};

class byte_writer {
 public:
  explicit byte_writer(byte_vector& out) : out_(out) {}

  template<class T>
  void le(T v) {
    raw(bytes_of(v));
  }
  template<class T>
  void be(T v) {
    le(swap_bytes(v));
  }
  void u8(std::uint8_t v) { out_.push_back(static_cast<std::byte>(v)); }
  void raw(bytes b) { out_.insert(out_.end(), b.begin(), b.end()); }
  void text(std::string_view s) {
    le(static_cast<std::uint32_t>(s.size()));
    raw(as_bytes(s));
  }
  void varint(std::uint64_t v);
  void zigzag(std::int64_t v) { varint((static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63)); }
  [[nodiscard]] std::size_t size() const { return out_.size(); }
  [[nodiscard]] byte_vector& buffer() { return out_; }

 private:
  byte_vector& out_;
};

}  // namespace weir
