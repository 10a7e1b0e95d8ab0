#include "platform/posix/memory_room.h"

#include <algorithm>
#include <fstream>
#include <string_view>

namespace weir::platform {

namespace {

// The names of a control group's files (kernel documentation: admin-guide/cgroup-v2 and cgroup-v1/memory).
struct group_kind {
  std::string_view mount;
  std::string_view limit;
  std::string_view usage;
  std::string_view droppable;  // in memory.stat: page cache that the usage contains and that goes when it must
};
constexpr group_kind unified{"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"};
constexpr group_kind legacy{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                            "total_inactive_file"};

std::optional<std::uint64_t> number_in(const std::string& path) {
  std::ifstream in(path);
  std::uint64_t value = 0;
  return in >> value ? std::optional(value) : std::nullopt;  // "max" is no number
}

// The number on the line that begins with `name`.
std::optional<std::uint64_t> number_of(const std::string& path, std::string_view name) {
  std::ifstream in(path);
  for (std::string word; in >> word; std::getline(in, word)) {
    std::uint64_t value = 0;
    if (word == name) return in >> value ? std::optional(value) : std::nullopt;
  }
  return std::nullopt;
}

std::uint64_t less(std::uint64_t from, std::uint64_t what) { return from - std::min(from, what); }

// Of the group and of all above it. In a container the path may be the host's, which is not to be seen from inside; the
// topmost folder is the container's own group then.
std::optional<std::uint64_t> group_room(const std::string& root, const group_kind& kind, std::string group) {
  std::optional<std::uint64_t> least;
  const std::string mount = root + std::string(kind.mount);
  for (;;) {
    if (group == "/") group.clear();
    const std::string folder = mount + group + "/";
    const auto limit = number_in(folder + std::string(kind.limit));
    const auto usage = number_in(folder + std::string(kind.usage));
    if (limit && usage) {
      const std::uint64_t droppable = number_of(folder + "memory.stat", kind.droppable).value_or(0);
      const std::uint64_t room = less(*limit, less(*usage, droppable));
      least = std::min(least.value_or(room), room);
    }
    if (group.empty()) return least;
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

// The groups of this process, from lines like "0::/system.slice/weir.service" and "4:memory:/docker/1a2b".
std::optional<std::uint64_t> groups_room(const std::string& root) {
  std::optional<std::uint64_t> least;
  std::ifstream in(root + "/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool is_unified = controllers == ",,";
    if (!is_unified && controllers.find(",memory,") == std::string::npos) continue;
    const auto room = group_room(root, is_unified ? unified : legacy, line.substr(second + 1));
    if (room) least = std::min(least.value_or(*room), *room);
  }
  return least;
}

}  // namespace

std::optional<std::uint64_t> memory_room(const std::string& root) {
  auto machine = number_of(root + "/proc/meminfo", "MemAvailable:");
  if (machine) *machine *= 1024;
  const auto groups = groups_room(root);
  if (!machine || !groups) return machine ? machine : groups;
  return std::min(*machine, *groups);
}

}  // namespace weir::platform
