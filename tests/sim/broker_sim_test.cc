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

// The simulator must see an answer that did not wait: because the store says too soon that it is durable, and because the
// broker does not ask.
TEST(broker_sim, an_answer_that_does_not_wait_is_caught) {
  const auto caught = [](const char* what, storage::planted_fault planted, broker_fault fault) {
    sweep_options options;
    options.stop_at_first = true;
    options.quiet = !tracing();
    // Always the same seeds, so that the figure is a property of the code; a trace may ask for others.
    const seed_range range = tracing() ? seeds_from_environment(1) : seed_range{1, 500};
    const sweep_result sum = sweep(
        range, [=](std::uint64_t seed) { return run_broker_seed(seed, planted, fault); }, options);
    ASSERT_FALSE(sum.failures.empty()) << what << " was not caught within " << sum.ran << " seeds";
    std::printf("  %-28s caught after %4llu seeds (seed %llu: %s)\n", what, static_cast<unsigned long long>(sum.ran),
                static_cast<unsigned long long>(sum.failures[0].seed), sum.failures[0].text.c_str());
  };
  caught("answer_before_sync", storage::planted_fault::answer_before_sync, broker_fault::none);
  caught("sync_not_waiting", storage::planted_fault::none, broker_fault::sync_not_waiting);
}

}  // namespace
}  // namespace weir::sim_tests
