// One seed's life of a whole simulated node: one or three reactors, each with its store and its broker core, clients that
// produce, read and commit through the broker port, troubles of the disk, crashes; and at the end a look at everything.
#pragma once

#include <cstdint>

#include "storage/planted_fault.h"
#include "tests/sim/seed_runner.h"

namespace weir::sim_tests {

// A bug of the broker itself.
enum class broker_fault : std::uint8_t {
  none,
  sync_not_waiting,  // answers and readers of topics that are taken for sync do not wait for the disk
};

[[nodiscard]] seed_outcome run_broker_seed(std::uint64_t seed, storage::planted_fault planted,
                                           broker_fault fault = broker_fault::none);

}  // namespace weir::sim_tests
