// Which bits of a store's files may be flipped so that the store must notice, or not need them. Damage to the very last write
// of the WAL or of the manifest looks like a write that a crash cut short, and nobody can tell the two apart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "platform/sim/sim_volume.h"

namespace weir::sim_tests {

// A random bit of a random file below `folder`; nullopt when the draw hit a place that proves nothing.
struct damaged_bit {
  std::string path;
  std::uint64_t bit = 0;
};
[[nodiscard]] std::optional<damaged_bit> choose_damage(const platform::sim::sim_volume& volume,
                                                       const std::string& folder, platform::sim::sim_rng& dice);

// For traces: the WAL as it stands, a line per file and block.
void trace_wal(platform::sim::sim_world& world, const platform::sim::sim_volume& volume, const std::string& folder);

}  // namespace weir::sim_tests
