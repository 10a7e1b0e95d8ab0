// weir doctor: looks for what most often keeps a server from working well, and says what to do.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <filesystem>
#include <iostream>
#include <memory>

#include "cli/net/admin_client.h"
#include "platform/posix/open_disk.h"
#include "platform/posix/unique_fd.h"
#include "server/commands/commands.h"
#include "server/config_load.h"
#include "server/config_text.h"
#include "server/listener.h"

namespace weir::server {

namespace json = boost::json;

namespace {

// ok: fine. hint: works, could be better. problem: does not work; the command then exits with 1.
struct finding {
  std::string check;
  std::string verdict;
  std::string text;
};
using findings = std::vector<finding>;

void check_folder(const server_config& c, findings& out) {
  const std::filesystem::path folder(c.data_dir);
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) {
    const std::filesystem::path parent = std::filesystem::absolute(folder, error).parent_path();
    const bool can = ::access(parent.c_str(), W_OK) == 0;
    out.push_back({"data folder", can ? "ok" : "problem",
                   c.data_dir + (can ? " does not exist yet; the server makes it"
                                     : " does not exist and cannot be made in " + parent.string())});
    return;
  }
  const bool can = ::access(c.data_dir.c_str(), R_OK | W_OK | X_OK) == 0;
  out.push_back({"data folder", can ? "ok" : "problem", c.data_dir + (can ? "" : " is not writable for this user")});
}

void check_space(const server_config& c, findings& out) {
  struct statvfs st {};
  const std::string folder = ::access(c.data_dir.c_str(), F_OK) == 0 ? c.data_dir : ".";
  if (::statvfs(folder.c_str(), &st) != 0) return;
  const auto free = static_cast<std::int64_t>(st.f_bavail) * static_cast<std::int64_t>(st.f_frsize);
  const auto critical = static_cast<std::int64_t>(c.store.critical_free_bytes);
  const std::string text = fmt::format("{} MiB free, writes stop below {}", free >> 20, print_bytes(critical));
  out.push_back({"disk space", free < critical ? "problem" : free < 4 * critical ? "hint" : "ok", text});
}

void check_disk_path(const server_config& c, findings& out) {
  std::error_code error;
  if (!std::filesystem::is_directory(c.data_dir, error)) return;
  const auto direct = platform::probe_direct(c.data_dir);
  if (direct) return out.push_back({"disk path", "ok", "direct durable writes work"});
  const bool wanted = c.disk == platform::disk_mode::direct;
  out.push_back({"disk path", wanted ? "problem" : "hint",
                 "durable writes go buffered, which costs more CPU and latency: " + direct.error().text});
}

void check_files(const server_config& c, findings& out) {
  const std::int64_t limit = raise_open_file_limit();
  const std::int64_t needed = c.limits.connections + 2 * static_cast<std::int64_t>(c.store.open_files_max) + 256;
  const std::string text = fmt::format("{} open files are allowed, {} would serve limits.connections = {}", limit,
                                       needed, c.limits.connections);
  out.push_back({"open files",
                 limit < 4096     ? "problem"
                 : limit < needed ? "hint"
                                  : "ok",
                 limit < needed ? text + "; raise it with LimitNOFILE= or ulimit -n" : text});
}

// Connects within two seconds; the fault says why not.
result<void> reach(const protocol::endpoint& where) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int rc = ::getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &hints, &found); rc != 0) {
    return fault(errc::not_found, ::gai_strerror(rc));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, ::freeaddrinfo);
  const platform::unique_fd fd(::socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{2, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(fd.get(), list->ai_addr, list->ai_addrlen) != 0)
    return fault(errc::io, std::generic_category().message(errno));
  return {};
}

void check_address(const std::string& check, const protocol::endpoint& where, findings& out) {
  const auto reached = reach(where);
  out.push_back({check, reached ? "ok" : "problem",
                 print_endpoint(where) + (reached ? " answers" : ": " + reached.error().text)});
}

void check_server(const server_config& c, findings& out) {
  auto client = cli::admin_client::connect(c.data_dir);
  if (!client) return out.push_back({"server", "hint", client.error().text});
  const auto status = client->ask({{"op", "status"}});
  if (!status) return out.push_back({"server", "problem", status.error().text});
  out.push_back({"server", "ok",
                 fmt::format("version {}, process {}", std::string(status->at("version").as_string()),
                             json::serialize(status->at("pid")))});
  for (const json::value& l : status->at("listeners").as_array()) {
    const auto where = parse_endpoint(std::string(l.at("address").as_string()));
    if (where) check_address("listener", *where, out);
  }
  for (const json::value& r : status->at("reactors").as_array()) {
    const bool critical = r.at("store").at("disk_critical").as_bool();
    const bool fenced = r.at("store").at("fenced").as_bool();
    if (critical) out.push_back({"store", "problem", "the disk is nearly full: writes are refused"});
    if (fenced) out.push_back({"store", "problem", "a write to disk failed: restart the server"});
  }
}

void check_advertised(const server_config& c, findings& out) {
  if (c.kafka_advertised) return check_address("kafka.advertised", *c.kafka_advertised, out);
  out.push_back({"kafka.advertised", "ok", "not set: clients are told the address that they dialled"});
}

int run_doctor(const std::string& config_file, const std::string& data_dir, cli::output_format format) {
  std::vector<std::pair<std::string, std::string>> flags;
  if (!data_dir.empty()) flags.emplace_back("data_dir", data_dir);
  const auto config = load_config({config_file, process_environment(), flags});
  if (!config) return cli::complain(config.error().text, 2);
  findings all;
  all.push_back({"configuration", "ok", config_file.empty() ? "no file, defaults and environment" : config_file});
  check_folder(*config, all);
  check_space(*config, all);
  check_disk_path(*config, all);
  check_files(*config, all);
  check_server(*config, all);
  check_advertised(*config, all);
  json::array rows;
  bool bad = false;
  for (const finding& f : all) {
    rows.push_back({{"check", f.check}, {"verdict", f.verdict}, {"text", f.text}});
    bad |= f.verdict == "problem";
  }
  print(std::cout, format, rows, {"check", "verdict", "text"});
  return bad ? 1 : 0;
}

}  // namespace

void add_doctor_command(CLI::App& app, cli::run_state& run) {
  struct doctor_flags {
    std::string config;
    std::string data_dir;
    cli::output_format format = cli::output_format::table;
  };
  auto flags = std::make_shared<doctor_flags>();
  CLI::App& command = *app.add_subcommand("doctor", "look for what keeps a server from working well");
  command.add_option("--config", flags->config, "configuration file of the server")
      ->envname("WEIR_CONFIG")
      ->type_name("FILE");
  command.add_option("--data-dir", flags->data_dir, "data folder of the server")->type_name("DIR");
  cli::add_output_flag(command, flags->format);
  command.callback(
      [&run, flags] { run.action = [flags] { return run_doctor(flags->config, flags->data_dir, flags->format); }; });
}

}  // namespace weir::server
