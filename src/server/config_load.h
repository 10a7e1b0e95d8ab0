// Where configuration comes from, in rising order of strength: defaults, the file, conf.d/*.toml beside it, environment
// variables, flags.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "server/config.h"

namespace weir::server {

struct config_sources {
  std::string file;  // empty: none
  // The process's environment; only names that start with WEIR_ are looked at.
  std::map<std::string, std::string> environment;
  // From the command line, in order; of a repeated list key all values count, of any other the last.
  std::vector<std::pair<std::string, std::string>> flags;
  // Stands in the file, which is not opened then, nor is its conf.d looked at (tests).
  std::optional<std::string> text{};
};

// The fault's text names the place (file and line, variable or flag) and what to write instead.
[[nodiscard]] result<server_config> load_config(const config_sources& from);

// The environment of this process.
[[nodiscard]] std::map<std::string, std::string> process_environment();

}  // namespace weir::server
