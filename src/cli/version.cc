// weir version
#include "base/version.h"

#include <CLI/App.hpp>
#include <boost/json/object.hpp>
#include <iostream>
#include <memory>

#include "cli/commands.h"

namespace weir::cli {

void add_version_command(CLI::App& app, run_state& run) {
  auto format = std::make_shared<output_format>(output_format::table);
  CLI::App& command = *app.add_subcommand("version", "print the version");
  add_output_flag(command, *format);
  command.callback([&run, format] {
    run.action = [format] {
      print(std::cout, *format, boost::json::object{{"weir", std::string(version)}});
      return 0;
    };
  });
}

}  // namespace weir::cli
