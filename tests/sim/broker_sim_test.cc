// The broker core on the storage engine through seeds: see broker_run.h and broker_truth.h.
#include <gtest/gtest.h>

#include "tests/sim/broker_run.h"

namespace weir::sim_tests {
namespace {

TEST(broker_sim, seeds) {
  const seed_range range = seeds_from_environment(200, "WEIR_SIM_BROKER_SEEDS");
  const sweep_result sum =
      sweep(range, [](std::uint64_t seed) { return run_broker_seed(seed, storage::planted_fault::none); }, {});
  std::printf("  %llu seeds\n", static_cast<unsigned long long>(sum.ran));
  print_counts(sum.counts);
  for (const auto& f : sum.failures) ADD_FAILURE() << describe(f);
}

// Seeds that once found a bug, on every run whatever the day's range is.
TEST(broker_sim, seeds_that_found_bugs) {
  for (const std::uint64_t seed : {
           2387ULL, 5495ULL,  // as the draws were then: see the next, and the store's test of a short WAL file
           60505ULL,  // on a full disk without a reserve the node waits for room, and goes on when there is some
       }) {
    const auto run = [](std::uint64_t s) { return run_broker_seed(s, storage::planted_fault::none); };
    for (const auto& f : sweep({seed, 1}, run, {}).failures) ADD_FAILURE() << describe(f);
  }
}

}  // namespace
}  // namespace weir::sim_tests
