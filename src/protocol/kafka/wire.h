// The value types that the generated messages are made of. All of them borrow: what a decoded message points to lives
// in the frame, what an encoded one points to lives with the caller. Thread: values, none.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "model/shared_bytes.h"
#include "protocol/kafka/errors.h"

namespace weir::kafka {

class decoder;  // codec.h
class encoder;

// A topic id and the like: 16 opaque bytes in network order. All zero means "none".
struct uuid {
  std::array<std::uint8_t, 16> value{};

  [[nodiscard]] bool is_zero() const { return *this == uuid{}; }
  friend bool operator==(const uuid&, const uuid&) = default;
  friend auto operator<=>(const uuid&, const uuid&) = default;
};

// Record batches inside a message. Decoding fills `data` with a view of the frame. Encoding sends `pieces` by
// reference when there are any, else a copy of `data`.
struct records {
  bytes data;
  std::vector<model::shared_bytes> pieces;
  bool null = false;

  [[nodiscard]] std::size_t size() const {
    if (pieces.empty()) return data.size();
    std::size_t n = 0;
    for (const model::shared_bytes& p : pieces) n += p.data.size();
    return n;
  }
};

// How a visitor of direction C sees a structure: a reader changes it, a writer does not.
template <class C, class T>
using on = std::conditional_t<C::writes, const T, T>;

// Structures that the generator wrote.
template <class T>
concept structure = requires(std::int16_t v) { T::min_size(v); };

}  // namespace weir::kafka

template <>
struct std::hash<weir::kafka::uuid> {
  std::size_t operator()(const weir::kafka::uuid& u) const noexcept {
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    std::memcpy(&a, u.value.data(), 8);
    std::memcpy(&b, u.value.data() + 8, 8);
    return std::hash<std::uint64_t>{}(a ^ (b * 0x9e3779b97f4a7c15ULL));
  }
};
