#include "cli/main_cli.h"
#include "server/commands/commands.h"

int main(int argc, char** argv) {
  return weir::cli::run(argc, argv,
                        {weir::server::add_server_command});
}
