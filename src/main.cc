#include "cli/main_cli.h"
#include "server/commands/commands.h"

int main(int argc, char** argv) {
  return weir::cli::run(
      argc, argv,
      {weir::server::add_server_command, weir::server::add_doctor_command, weir::server::add_bench_disk_command});
}
