// Tagged integers: ids and units are types, and leaving the type is visible (.raw()).
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace weir {

template<class Tag, class Rep>
class strong {
 public:
  using rep = Rep;
  constexpr strong() = default;
  constexpr explicit strong(Rep value) : value_(value) {}
  [[nodiscard]] constexpr Rep raw() const { return value_; }
  friend constexpr auto operator<=>(const strong&, const strong&) = default;
  // The same tag plus a plain distance; two tags never mix.
  friend constexpr strong operator+(strong a, Rep distance) { return strong(a.value_ + distance); }
  friend constexpr Rep operator-(strong a, strong b) { return a.value_ - b.value_; }
  constexpr strong& operator++() {
    ++value_;
    return *this;
  }

 private:
  Rep value_{};
};

}  // namespace weir

template<class Tag, class Rep>
struct std::hash<weir::strong<Tag, Rep>> {
  std::size_t operator()(const weir::strong<Tag, Rep>& v) const noexcept { return std::hash<Rep>{}(v.raw()); }
};
