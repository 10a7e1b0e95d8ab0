// The simplest store that keeps the contract of model/log_port.h: everything in memory and in one growing file, rewritten
// whole at each open. It tests the simulator: a right store must pass every check, and each of its wrong turns must not.
#pragma once

#include "storage/store.h"

namespace weir::sim_tests {

enum class toy_fault { none, answer_early, no_sync, torn_accepted, wrong_bytes, lose_reads };

[[nodiscard]] result<std::unique_ptr<storage::store>> open_toy(platform::disk& disk, executor& exec,
                                                               model::state_machine& machine, toy_fault wrong);

}  // namespace weir::sim_tests
