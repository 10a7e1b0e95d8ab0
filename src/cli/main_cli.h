// The `weir` command line: parses, finds the command, runs it.
#pragma once

#include <vector>

#include "cli/commands.h"

namespace weir::cli {

// `others` are commands that live outside of cli/. The exit code: 0 done, 1 failed, 2 asked wrongly; `weir server` has more
// (server/serve.h).
[[nodiscard]] int run(int argc, const char* const* argv, const std::vector<add_command>& others);

// The whole application, for completion and tests.
void add_all_commands(CLI::App& app, run_state& run, const std::vector<add_command>& others);

}  // namespace weir::cli
