// weir status
#include <CLI/App.hpp>
#include <iostream>
#include <memory>

#include "cli/commands.h"
#include "cli/net/admin_client.h"

namespace weir::cli {

namespace {

struct status_flags {
  std::string data_dir;
  output_format format = output_format::table;
  bool connections = false;
  std::int64_t max = 1000;
};

int run_status(const status_flags& flags) {
  auto client = admin_client::connect(flags.data_dir);
  if (!client) return complain(client.error().text);
  const auto answer =
      flags.connections ? client->ask({{"op", "connections"}, {"max", flags.max}}) : client->ask({{"op", "status"}});
  if (!answer) return complain(answer.error().text);
  if (flags.connections) {
    print(std::cout, flags.format, answer->at("connections"),
          {"id", "protocol", "peer", "what", "age_ms", "bytes_in", "bytes_out", "unsent"});
  } else {
    print(std::cout, flags.format, *answer);
  }
  return 0;
}

}  // namespace

void add_status_command(CLI::App& app, run_state& run) {
  auto flags = std::make_shared<status_flags>();
  CLI::App& command = *app.add_subcommand("status", "what a running server is doing");
  add_data_dir_flag(command, flags->data_dir);
  add_output_flag(command, flags->format);
  command.add_flag("--connections", flags->connections, "list the client connections instead");
  command.add_option("--max", flags->max, "list at most so many")->capture_default_str();
  command.callback([&run, flags] { run.action = [flags] { return run_status(*flags); }; });
}

}  // namespace weir::cli
