// How commands come into `weir`: one file per group, one function per file.
//
// A function adds its subcommands to the application and gives each a callback that sets `run.action`; main_cli runs the
// action after parsing. An action returns the exit code: 0 done, 1 it failed, 2 it was asked wrongly. Commands that speak
// to a server live in cli/ and are named in main_cli.cc; those that are made of the server's own parts (server, doctor, bench disk) live in
// server/commands/ and come in through run().
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <string>

#include "cli/print.h"

namespace weir::cli {

struct run_state {
  std::function<int()> action;
};
using add_command = void (*)(CLI::App& app, run_state& run);

// `-o table|json|yaml`. `format` must live as long as the application.
void add_output_flag(CLI::App& command, output_format& format);
// `--data-dir`, for commands that talk to the server of a data folder. Default: WEIR_DATA_DIR, else weir-data.
void add_data_dir_flag(CLI::App& command, std::string& data_dir);
// The subcommand `name` that others are put under, made when it is not there yet: `weir bench ...`.
CLI::App& command_group(CLI::App& app, const std::string& name, const std::string& description);

void add_version_command(CLI::App& app, run_state& run);     // version.cc
void add_status_command(CLI::App& app, run_state& run);      // status.cc
void add_completion_command(CLI::App& app, run_state& run);  // completion.cc

}  // namespace weir::cli
