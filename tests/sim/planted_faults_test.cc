// Each bug that can be planted in the store must be found by the simulator, soon. The list is storage/planted_fault.h.
#include <gtest/gtest.h>

#include "tests/sim/storage_run.h"

namespace weir::sim_tests {
namespace {

constexpr std::uint64_t seeds_to_catch = 500;

class planted_faults : public testing::TestWithParam<std::size_t> {};

TEST_P(planted_faults, is_caught) {
  const auto planted = static_cast<storage::planted_fault>(GetParam());
  sweep_options options;
  options.stop_at_first = true;
  options.quiet = !tracing();
  // Always the same seeds, so that the figure is a property of the code; a trace may ask for others.
  const seed_range range = tracing() ? seeds_from_environment(1) : seed_range{1, seeds_to_catch};
  const sweep_result sum = sweep(
      range,
      [planted](std::uint64_t seed) {
        run_config config;
        config.planted = planted;
        return run_storage_seed(seed, config);
      },
      options);
  const std::string name(storage::planted_fault_names[GetParam()]);
  ASSERT_FALSE(sum.failures.empty()) << name << " was not caught within " << sum.ran << " seeds";
  std::printf("  %-28s caught after %4llu seeds (seed %llu: %s)\n", name.c_str(),
              static_cast<unsigned long long>(sum.ran), static_cast<unsigned long long>(sum.failures[0].seed),
              sum.failures[0].text.c_str());
}

INSTANTIATE_TEST_SUITE_P(storage, planted_faults, testing::Range<std::size_t>(1, storage::planted_fault_names.size()),
                         [](const auto& param) { return std::string(storage::planted_fault_names[param.param]); });

}  // namespace
}  // namespace weir::sim_tests
