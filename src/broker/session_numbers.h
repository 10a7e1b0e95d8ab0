// Numbers of the sessions of one reactor: a slot in the low 32 bits, how often it was given in the next 24, and zeros above,
// where whoever needs it puts the reactor (front_desk::waiter). No number comes twice: a slot that was given as often as it
// can be is never given again, and its place is lost. Owner thread: the reactor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weir::broker {

class session_numbers {
 public:
  static constexpr unsigned slot_bits = 32;
  static constexpr unsigned number_bits = 56;
  static constexpr std::uint32_t uses_max = (1U << (number_bits - slot_bits)) - 1;

  explicit session_numbers(std::uint32_t uses = uses_max) : uses_(uses) {}

  [[nodiscard]] static std::size_t slot_of(std::uint64_t number) { return number & 0xffffffffU; }

  // The slot may be one that was never there: at most one past all others.
  [[nodiscard]] std::uint64_t take() {
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(used_.size()));
      used_.push_back(0);
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    return (std::uint64_t{++used_[slot]} << slot_bits) | slot;
  }
  // Once for each number that was taken.
  void give_back(std::uint64_t number) {
    const std::size_t slot = slot_of(number);
    if (used_[slot] < uses_) free_.push_back(static_cast<std::uint32_t>(slot));
  }

 private:
  const std::uint32_t uses_;
  std::vector<std::uint32_t> used_;
  std::vector<std::uint32_t> free_;
};

}  // namespace weir::broker
