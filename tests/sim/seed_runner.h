// Runs a body for many seeds, each batch in a child process, so that an assertion or a sanitizer's stop is a failure of
// one seed and not the end of the run. What a run prints about a failing seed is enough to repeat it alone.
//
// Environment: WEIR_SIM_SEEDS (how many), WEIR_SIM_BROKER_SEEDS (how many of the broker's, otherwise as many),
// WEIR_SIM_FIRST_SEED, WEIR_SIM_JOBS (processes at a time, default 2), WEIR_SIM_TRACE=1 (prints what happens; use it
// with one seed).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "platform/sim/sim_volume.h"

namespace weir::sim_tests {

using platform::sim::crash_site;
using platform::sim::op_kind;
using platform::sim::site_counts;
using counters = std::map<std::string, std::uint64_t>;

struct seed_outcome {
  std::string failure;  // empty: all checks held
  site_counts sites;
  counters counts;  // what the run did, by name
};
using seed_body = std::function<seed_outcome(std::uint64_t seed)>;

struct seed_range {
  std::uint64_t first = 1;
  std::uint64_t count = 0;
};
// The range from the environment; `usual` is the count without it, `own_count` the variable with a count of its own.
[[nodiscard]] seed_range seeds_from_environment(std::uint64_t usual, const char* own_count = nullptr);
[[nodiscard]] bool tracing();

struct seed_failure {
  std::uint64_t seed = 0;
  std::string text;
};
struct sweep_options {
  bool stop_at_first = false;
  std::uint32_t failures_max = 10;  // per process, then it gives up
  bool quiet = false;               // what children print is dropped
};
struct sweep_result {
  std::uint64_t ran = 0;
  std::vector<seed_failure> failures;  // by seed
  site_counts sites;
  counters counts;
};
[[nodiscard]] sweep_result sweep(seed_range range, const seed_body& body, const sweep_options& options);

// "seed 17: <text>" and the command that repeats it, for the test that is running now.
[[nodiscard]] std::string describe(const seed_failure& f);

// A table of how often each site was passed and was the crash point.
void print_sites(const site_counts& sites);
void print_counts(const counters& counts);

}  // namespace weir::sim_tests
