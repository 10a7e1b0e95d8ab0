// One seed's life of a whole simulated node: one or three reactors, each with its store and its broker core, clients that
// produce, read and commit through the broker port, troubles of the disk, crashes; and at the end a look at everything.
#pragma once

#include <cstdint>

#include "storage/planted_fault.h"
#include "tests/sim/seed_runner.h"

namespace weir::sim_tests {

[[nodiscard]] seed_outcome run_broker_seed(std::uint64_t seed, storage::planted_fault planted);

}  // namespace weir::sim_tests
