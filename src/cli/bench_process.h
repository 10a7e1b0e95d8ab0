// Processor time and memory of a process, from /proc; and which process listens on a port. Linux only, as Weir is.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace weir::cli {

struct process_facts {
  double cpu_seconds = 0;  // user and system, all threads, since it started
  std::uint64_t resident_bytes = 0;
};
// nullopt: there is no such process, or we may not look.
[[nodiscard]] std::optional<process_facts> look_at_process(pid_t pid);
// The process on this machine that listens on the TCP port. nullopt: none that we can see.
[[nodiscard]] std::optional<pid_t> find_listener(std::uint16_t port);

}  // namespace weir::cli
