// The server as a process: signals, what it says on stdout, exit codes.
#pragma once

#include "server/config.h"

namespace weir::server {

// 0 and 2 are what most programs mean by them; the others are for whoever supervises the process.
enum class exit_code : int {
  ok = 0,
  failed = 1,   // something at run time: an address in use, the data folder in use, no space
  usage = 2,    // configuration or command line
  damaged = 3,  // the data folder is damaged or of a newer version; nothing was changed
  fenced = 4,   // a store lost its disk while serving; start again to recover
};

// Runs the server until SIGTERM or SIGINT. A second signal ends the process at once.
[[nodiscard]] exit_code serve(const server_config& config);

}  // namespace weir::server
