// Structured logging to stderr: text or JSON, a level per subsystem, repeated messages counted instead of repeated.
//
// Never payloads, never credentials. Any thread. Set up once at start; before that (tests, tools) messages of level warn
// and above go to stderr as text.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace weir::server {

enum class log_level : std::uint8_t { trace, debug, info, warn, error };

struct log_settings {
  std::string level = "info";
  std::string levels;  // "kafka=debug,storage=warn"
  bool json = false;
};

// errc::invalid when a level or the list of levels is not understood.
[[nodiscard]] result<void> set_up_logging(const log_settings& settings);
// The subsystems that log.levels may name.
[[nodiscard]] const std::vector<std::string>& log_subsystems();
// Whether a text for log.levels is understood.
[[nodiscard]] result<void> check_log_levels(const std::string& levels);
// Writes what is buffered; at the end of the process.
void flush_logging();

// One subsystem's log. Cheap to copy; keeps a pointer to a subsystem that lives for ever.
class log {
 public:
  // One of log_subsystems().
  explicit log(std::string_view name);

  [[nodiscard]] bool wants(log_level level) const;
  template<class... Args>
  void debug(fmt::format_string<Args...> text, Args&&... args) const {
    if (wants(log_level::debug)) write(log_level::debug, fmt::format(text, std::forward<Args>(args)...));
  }
  template<class... Args>
  void info(fmt::format_string<Args...> text, Args&&... args) const {
    if (wants(log_level::info)) write(log_level::info, fmt::format(text, std::forward<Args>(args)...));
  }
  template<class... Args>
  void warn(fmt::format_string<Args...> text, Args&&... args) const {
    if (wants(log_level::warn)) write(log_level::warn, fmt::format(text, std::forward<Args>(args)...));
  }
  template<class... Args>
  void error(fmt::format_string<Args...> text, Args&&... args) const {
    if (wants(log_level::error)) write(log_level::error, fmt::format(text, std::forward<Args>(args)...));
  }
  // For what a peer can trigger at will: of one `kind` at most a few lines per ten seconds; the next line that comes through
  // says how many were left out.
  template<class... Args>
  void limited(log_level level, std::string_view kind, fmt::format_string<Args...> text, Args&&... args) const {
    if (wants(level) && admit(kind)) write(level, fmt::format(text, std::forward<Args>(args)...) + take_left_out(kind));
  }

 private:
  struct subsystem;
  void write(log_level level, const std::string& text) const;
  [[nodiscard]] bool admit(std::string_view kind) const;
  [[nodiscard]] std::string take_left_out(std::string_view kind) const;
  static subsystem& find(std::string_view name);
  friend result<void> set_up_logging(const log_settings&);
  subsystem* to_;
};

// Text that came from a peer, safe for a log line: printable ASCII, the rest escaped, cut at 200 characters.
[[nodiscard]] std::string clean(std::string_view text);

}  // namespace weir::server
