// The broker core on the storage engine through seeds: see broker_run.h and broker_truth.h.
#include <gtest/gtest.h>

#include "tests/sim/broker_run.h"

namespace weir::sim_tests {
namespace {

TEST(broker_sim, seeds) {
  const seed_range range = seeds_from_environment(200);
  const sweep_result sum =
      sweep(range, [](std::uint64_t seed) { return run_broker_seed(seed, storage::planted_fault::none); }, {});
  std::printf("  %llu seeds\n", static_cast<unsigned long long>(sum.ran));
  print_counts(sum.counts);
  for (const auto& f : sum.failures) ADD_FAILURE() << describe(f);
}

}  // namespace
}  // namespace weir::sim_tests
