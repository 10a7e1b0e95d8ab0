#include "cli/bench_process.h"

#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace weir::cli {
namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// Lines of /proc/net/tcp: "sl local:PORT remote:port STATE ... uid timeout inode"; state 0A listens.
void add_listening_inodes(const char* table, std::uint16_t port, std::set<std::string>& inodes) {
  std::istringstream lines(read_text(table));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string slot, local, remote, state, queues, timer, retries, uid, timeout, inode;
    words >> slot >> local >> remote >> state >> queues >> timer >> retries >> uid >> timeout >> inode;
    const std::size_t colon = local.rfind(':');
    if (state != "0A" || colon == std::string::npos) continue;
    std::uint16_t found = 0;
    std::from_chars(local.data() + colon + 1, local.data() + local.size(), found, 16);
    if (found == port) inodes.insert("socket:[" + inode + "]");
  }
}

bool owns_one_of(const fs::path& process, const std::set<std::string>& inodes) {
  std::error_code error;
  for (fs::directory_iterator it(process / "fd", error), end; !error && it != end; it.increment(error)) {
    std::error_code unread;
    if (inodes.contains(fs::read_symlink(it->path(), unread).string())) return true;
  }
  return false;
}

}  // namespace

std::optional<process_facts> look_at_process(pid_t pid) {
  const fs::path folder = fs::path("/proc") / std::to_string(pid);
  const std::string stat = read_text(folder / "stat");
  const std::size_t name_end = stat.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream words(stat.substr(name_end + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) words >> skipped;
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  words >> user >> system;
  std::istringstream sizes(read_text(folder / "statm"));
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  sizes >> all >> resident;
  return process_facts{.cpu_seconds = static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK)),
                       .resident_bytes = resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))};
}

std::optional<pid_t> find_listener(std::uint16_t port) {
  std::set<std::string> inodes;
  add_listening_inodes("/proc/net/tcp", port, inodes);
  add_listening_inodes("/proc/net/tcp6", port, inodes);
  if (inodes.empty()) return std::nullopt;
  std::error_code error;
  for (fs::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    pid_t pid = 0;
    const auto [at, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad == std::errc() && at == name.data() + name.size() && owns_one_of(it->path(), inodes)) return pid;
  }
  return std::nullopt;
}

}  // namespace weir::cli
