// The simulator tested by stores that are known to be right and known to be wrong.
#include "tests/sim/toy_store.h"

#include <gtest/gtest.h>

#include "tests/sim/storage_run.h"

namespace weir::sim_tests {
namespace {

seed_body toy(toy_fault wrong) {
  return [wrong](std::uint64_t seed) {
    run_config config;
    config.damage = false;  // a flipped bit in its one file is the end of the toy
    config.open = [wrong](platform::disk& disk, executor& exec, const clock&, rng&, const storage::format_registry&,
                          model::state_machine& machine,
                          const storage::store_options&) { return open_toy(disk, exec, machine, wrong); };
    return run_storage_seed(seed, config);
  };
}

TEST(toy_store, a_right_store_passes) {
  const sweep_result sum = sweep(tracing() ? seeds_from_environment(1) : seed_range{1, 200}, toy(toy_fault::none), {});
  print_counts(sum.counts);
  if (tracing()) print_sites(sum.sites);
  for (const auto& f : sum.failures) ADD_FAILURE() << describe(f);
  EXPECT_GT(sum.counts.at("lost_unacked"), 0U);
}

TEST(toy_store, each_wrong_one_is_caught) {
  for (const toy_fault wrong : {toy_fault::answer_early, toy_fault::no_sync, toy_fault::torn_accepted,
                                toy_fault::wrong_bytes, toy_fault::lose_reads}) {
    sweep_options options;
    options.stop_at_first = true;
    options.quiet = true;
    const sweep_result sum = sweep({1, 300}, toy(wrong), options);
    EXPECT_FALSE(sum.failures.empty()) << static_cast<int>(wrong);
    if (!sum.failures.empty()) {
      std::printf("  wrong toy %d: caught by seed %llu: %s\n", static_cast<int>(wrong),
                  static_cast<unsigned long long>(sum.failures[0].seed), sum.failures[0].text.c_str());
    }
  }
}

}  // namespace
}  // namespace weir::sim_tests
