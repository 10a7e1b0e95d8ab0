// weir server
#include <CLI/App.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "server/commands/commands.h"
#include "server/config_keys.h"
#include "server/config_load.h"
#include "server/serve.h"

namespace weir::server {

namespace {

struct server_flags {
  std::string config;
  bool check = false;
  bool example = false;
  bool table = false;
  std::vector<std::pair<std::string, std::string>> values;
};

// Every key of the table is a flag; three have a short name too.
std::string flag_names(const config_key& key) {
  if (key.name == "data_dir") return "--data-dir,--data_dir";
  if (key.name == "listeners") return "--listen,--listeners";
  return "--" + key.name;
}

void add_key(CLI::App& command, const config_key& key, server_flags& flags) {
  const std::size_t dot = key.name.find('.');
  const std::string group = dot == std::string::npos ? "Configuration" : "Configuration: " + key.name.substr(0, dot);
  if (key.name == "dev") {
    command
        .add_flag_callback(
            "--dev", [&flags] { flags.values.emplace_back("dev", "true"); }, key.doc)
        ->group(group);
    return;
  }
  const server_config defaults;
  const std::string shown = key.get(defaults);
  auto* option = command.add_option_function<std::vector<std::string>>(
      flag_names(key),
      [&flags, name = key.name](const std::vector<std::string>& values) {
        for (const std::string& v : values) flags.values.emplace_back(name, v);
      },
      key.doc + (shown.empty() ? "" : " [" + shown + "]"));
  option->type_name(key.kind)->group(group)->expected(1)->take_all()->type_size(1);
}

int run_server(const server_flags& flags, const std::vector<std::string>& extras) {
  if (flags.example) {
    std::fputs(example_file().c_str(), stdout);
    return 0;
  }
  if (flags.table) {
    std::fputs(markdown_table().c_str(), stdout);
    return 0;
  }
  for (const std::string& extra : extras) {
    if (!extra.starts_with("--")) return cli::complain("weir server takes no argument \"" + extra + "\"", 2);
    const std::string name =
        extra.substr(2, extra.find('=') == std::string::npos ? std::string::npos : extra.find('=') - 2);
    std::string normal = name;
    for (char& c : normal) c = c == '-' ? '_' : c;
    return cli::complain(unknown_key("--" + name, normal), 2);
  }
  const auto config = load_config({flags.config, process_environment(), flags.values});
  if (!config) return cli::complain(config.error().text, 2);
  if (flags.check) {
    std::puts("the configuration is right");
    return 0;
  }
  return static_cast<int>(serve(*config));
}

}  // namespace

void add_server_command(CLI::App& app, cli::run_state& run) {
  auto flags = std::make_shared<server_flags>();
  CLI::App& command = *app.add_subcommand("server", "run a broker");
  command.allow_extras();
  command.add_option("--config", flags->config, "configuration file (TOML); conf.d/*.toml beside it overlays it")
      ->envname("WEIR_CONFIG")
      ->type_name("FILE");
  command.add_flag("--check-config", flags->check, "say whether the configuration is right, and end");
  command.add_flag("--example-config", flags->example, "print a commented file with every key, and end");
  // For docs/configuration.md; a test compares it.
  command.add_flag("--config-table", flags->table)->group("");
  for (const config_key& key : config_keys()) add_key(command, key, *flags);
  command.callback(
      [&command, &run, flags] { run.action = [&command, flags] { return run_server(*flags, command.remaining()); }; });
}

}  // namespace weir::server
