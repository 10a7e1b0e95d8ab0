// The simulator's random numbers: xoshiro256**, seeded through splitmix64. The same seed gives the same run
// on every machine. Owner: one simulated world; not for secrets.
#pragma once

#include <array>
#include <cstdint>

#include "base/random.h"

namespace weir::platform::sim {

// One step of splitmix64: also good for deriving one seed from another.
[[nodiscard]] constexpr std::uint64_t splitmix(std::uint64_t& state) {
  state += 0x9e3779b97f4a7c15ULL;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

class sim_rng final : public rng {
 public:
  explicit sim_rng(std::uint64_t seed) {
    for (auto& word : state_) word = splitmix(seed);
  }

  [[nodiscard]] std::uint64_t next() override {
    const auto rotate = [](std::uint64_t v, int by) { return (v << by) | (v >> (64 - by)); };
    const std::uint64_t out = rotate(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotate(state_[3], 45);
    return out;
  }

  // Uniform in [low, high]; low <= high.
  [[nodiscard]] std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + below(high - low + 1); }
  // True with probability `p`. Takes no number for p <= 0, so that a fault that is off does not change a run.
  [[nodiscard]] bool chance(double p) { return p > 0 && static_cast<double>(next() >> 11) * 0x1.0p-53 < p; }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace weir::platform::sim
