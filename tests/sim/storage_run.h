// One seed's life of a simulated machine with one or three stores: several generations of opening, working and ending
// (closed, killed, out of power, fenced), under one kind of trouble at a time, with all checks on the way.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "storage/planted_fault.h"
#include "tests/sim/seed_runner.h"
#include "tests/sim/store_node.h"

namespace weir::sim_tests {

struct run_config {
  storage::planted_fault planted = storage::planted_fault::none;
  bool damage = true;        // flip bits at rest
  store_node::open_fn open;  // another store than storage::open_store, to test the simulator itself
};

[[nodiscard]] seed_outcome run_storage_seed(std::uint64_t seed, const run_config& config);

}  // namespace weir::sim_tests
