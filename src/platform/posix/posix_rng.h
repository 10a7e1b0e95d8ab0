// The real source of randomness: a fast generator (xoshiro256++, public domain algorithm) seeded by the kernel.
// Good for ids, jitter and sampling; not for keys. Owner thread: one reactor per object.
#pragma once

#include <array>
#include <cstdint>

#include "base/random.h"

namespace weir::platform {

class posix_rng final : public rng {
 public:
  // Throws std::system_error when the kernel gives no seed: the process cannot start.
  posix_rng();
  [[nodiscard]] std::uint64_t next() override;

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace weir::platform
