#include "cli/main_cli.h"

#include <CLI/CLI.hpp>
#include <exception>
#include <map>

#include "base/nearest.h"
#include "cli/client_commands.h"

namespace weir::cli {

namespace {

CLI::App* find_command(const CLI::App& app, const std::string& name) {
  for (const CLI::App* c : app.get_subcommands({})) {
    if (c->get_name() == name) return const_cast<CLI::App*>(c);  // the list is const, its members are not
  }
  return nullptr;
}

// A misspelt command gets a better answer than "not expected".
int unknown_command(const CLI::App& app, const std::string& name) {
  std::vector<std::string> names;
  for (const CLI::App* c : app.get_subcommands({})) names.push_back(c->get_name());
  const auto near = nearest(name, names);
  return complain("there is no command \"" + name + "\"" +
                      (near ? "; did you mean \"" + *near + "\"?" : "; `weir --help` lists them"),
                  2);
}

}  // namespace

void add_output_flag(CLI::App& command, output_format& format) {
  static const std::map<std::string, output_format> names{
      {"table", output_format::table}, {"json", output_format::json}, {"yaml", output_format::yaml}};
  command.add_option("-o,--output", format, "table, json or yaml")
      ->transform(CLI::CheckedTransformer(names).description(""))
      ->type_name("FORMAT");
}

void add_data_dir_flag(CLI::App& command, std::string& data_dir) {
  if (data_dir.empty()) data_dir = "weir-data";
  command.add_option("--data-dir", data_dir, "the server's data folder")
      ->envname("WEIR_DATA_DIR")
      ->capture_default_str()
      ->type_name("DIR");
}

CLI::App& command_group(CLI::App& app, const std::string& name, const std::string& description) {
  if (CLI::App* there = find_command(app, name)) return *there;
  CLI::App& made = *app.add_subcommand(name, description);
  made.require_subcommand(1);
  return made;
}

void add_all_commands(CLI::App& app, run_state& run, const std::vector<add_command>& others) {
  for (const add_command add : others) add(app, run);
  add_client_commands(app, run);
  add_status_command(app, run);
  add_version_command(app, run);
  add_completion_command(app, run);
}

int run(int argc, const char* const* argv, const std::vector<add_command>& others) {
  CLI::App app("Weir: a message broker that your Kafka clients already speak to", "weir");
  app.require_subcommand(1);
  app.failure_message([](const CLI::App* where, const CLI::Error& e) {
    return "weir: " + std::string(e.what()) + "\n`" + where->get_name() + " --help` shows how it is used\n";
  });
  run_state state;
  add_all_commands(app, state, others);
  if (argc > 1 && argv[1][0] != '-' && find_command(app, argv[1]) == nullptr) return unknown_command(app, argv[1]);
  try {
    app.parse(argc, argv);
    return state.action ? state.action() : 0;
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const std::exception& e) {
    return complain(e.what());
  }
}

}  // namespace weir::cli
