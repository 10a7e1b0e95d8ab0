// The storage engine through seeds: see storage_run.h for what a seed does and store_node.h for what is checked.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/sim/storage_run.h"
#include "tests/sim/troubles.h"

namespace weir::sim_tests {
namespace {

// A site must have been the crash point at least so often once this many seeds ran.
constexpr std::uint64_t crashes_min = 20;
constexpr std::uint64_t seeds_for_crashes = 5000;

TEST(storage_sim, seeds) {
  const seed_range range = seeds_from_environment(200);
  const sweep_result sum = sweep(range, [](std::uint64_t seed) { return run_storage_seed(seed, {}); }, {});
  std::printf("  %llu seeds\n", static_cast<unsigned long long>(sum.ran));
  print_counts(sum.counts);
  print_sites(sum.sites);
  for (const auto& f : sum.failures) ADD_FAILURE() << describe(f);
  for (const auto& [site, n] : sum.sites) {
    const bool by_us = site.file_class.empty() || (site.file_class == "s#" && site.kind == op_kind::make_folder);
    if (by_us) continue;
    const auto& known = storage_sites();
    EXPECT_TRUE(std::find(known.begin(), known.end(), site) != known.end())
        << "not in storage_sites(): " << to_string(site.kind) << " " << site.file_class;
    if (range.count >= seeds_for_crashes) {
      EXPECT_GE(n.crashed, crashes_min) << to_string(site.kind) << " " << site.file_class;
    }
  }
}

// Seeds that once found a bug, on every run whatever the day's range is.
TEST(storage_sim, seeds_that_found_bugs) {
  for (const std::uint64_t seed : {
           2077700880ULL,  // a cut missed a piece that loading the manifest had joined to its neighbour
           9087999ULL,     // an older incarnation's block behind the end was taken for what the manifest went on with
           30001425ULL,    // an edit named a compacted extent below a start that an earlier one had moved
       }) {
    const seed_range one{seed, 1};
    for (const auto& f : sweep(one, [](std::uint64_t s) { return run_storage_seed(s, {}); }, {}).failures)
      ADD_FAILURE() << describe(f);
  }
}

}  // namespace
}  // namespace weir::sim_tests
