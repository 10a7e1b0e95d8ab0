// The randomness seam: the only source of random numbers. The simulator seeds it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace weir {

class rng {
 public:
  rng() = default;
  rng(const rng&) = delete;
  rng& operator=(const rng&) = delete;
  virtual ~rng() = default;
  [[nodiscard]] virtual std::uint64_t next() = 0;
  // Uniform in [0, bound); bound > 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
};

}  // namespace weir
