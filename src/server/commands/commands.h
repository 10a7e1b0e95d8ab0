// Commands that are made of the server's own parts. main.cc hands them to the command line.
#pragma once

#include "cli/commands.h"

namespace weir::server {

void add_server_command(CLI::App& app, cli::run_state& run);      // server_command.cc
void add_doctor_command(CLI::App& app, cli::run_state& run);      // doctor_command.cc
void add_bench_disk_command(CLI::App& app, cli::run_state& run);  // bench_disk_command.cc

}  // namespace weir::server
