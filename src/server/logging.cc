#include "server/logging.h"

#include <fmt/ranges.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

namespace weir::server {

namespace {

constexpr int lines_per_window = 5;
constexpr std::chrono::seconds window{10};

std::string json_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += '\\';
    if (u < 0x20) {
      out += fmt::format("\\u{:04x}", u);
    } else {
      out += c;
    }
  }
  return out;
}

// One JSON object per line.
class json_formatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& m, spdlog::memory_buf_t& out) override {
    const auto since = m.time.time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(since - seconds).count();
    const std::time_t t = seconds.count();
    std::tm parts{};
    ::gmtime_r(&t, &parts);
    std::array<char, 32> when{};
    std::strftime(when.data(), when.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    const std::string line =
        fmt::format(R"({{"time":"{}.{:06}Z","level":"{}","subsystem":"{}","message":"{}"}})", when.data(), micros,
                    spdlog::level::to_string_view(m.level), json_escape({m.logger_name.data(), m.logger_name.size()}),
                    json_escape({m.payload.data(), m.payload.size()})) +
        "\n";
    out.append(line.data(), line.data() + line.size());
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<json_formatter>(); }
};

std::optional<log_level> level_of(std::string_view name) {
  constexpr std::array<std::string_view, 5> names{"trace", "debug", "info", "warn", "error"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<log_level>(i);
  }
  return std::nullopt;
}

using level_map = std::map<std::string, log_level, std::less<>>;

result<level_map> parse_levels(const std::string& text) {
  level_map levels;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string item = text.substr(at, comma - at);
    const std::size_t equals = item.find('=');
    const auto own = equals == std::string::npos ? std::nullopt : level_of(std::string_view(item).substr(equals + 1));
    if (!own) return fault(errc::invalid, "\"" + item + "\" is not understood; write it like kafka=debug,storage=warn");
    const std::string name = item.substr(0, equals);
    const auto& known = log_subsystems();
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return fault(errc::invalid, fmt::format("there is no subsystem \"{}\", only {}", name, fmt::join(known, ", ")));
    }
    levels[name] = *own;
    at = comma + 1;
  }
  return levels;
}

spdlog::level::level_enum to_spdlog(log_level level) {
  constexpr std::array levels{spdlog::level::trace, spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                              spdlog::level::err};
  return levels[static_cast<std::size_t>(level)];
}

struct registry {
  std::mutex mutex;
  std::shared_ptr<spdlog::sinks::stderr_sink_mt> sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  log_level level = log_level::warn;
  level_map levels;
};

registry& shared() {
  static registry r;
  return r;
}

}  // namespace

struct log::subsystem {
  std::unique_ptr<spdlog::logger> out;
  std::atomic<log_level> level{log_level::warn};
  struct repeated {
    std::chrono::steady_clock::time_point since;
    int lines = 0;
    std::uint64_t left_out = 0;
  };
  std::mutex mutex;
  std::map<std::string, repeated, std::less<>> kinds;  // under mutex; kinds are ours, so they are few
};

log::subsystem& log::find(std::string_view name) {
  static std::map<std::string, std::unique_ptr<subsystem>, std::less<>> all;
  registry& r = shared();
  const std::lock_guard lock(r.mutex);
  auto it = all.find(name);
  if (it == all.end()) {
    auto s = std::make_unique<subsystem>();
    s->out = std::make_unique<spdlog::logger>(std::string(name), r.sink);
    s->out->set_level(spdlog::level::trace);
    it = all.emplace(std::string(name), std::move(s)).first;
  }
  const auto own = r.levels.find(name);
  it->second->level = own != r.levels.end() ? own->second : r.level;
  return *it->second;
}

log::log(std::string_view name) : to_(&find(name)) {}

bool log::wants(log_level level) const { return level >= to_->level.load(std::memory_order_relaxed); }

void log::write(log_level level, const std::string& text) const {
  to_->out->log(to_spdlog(level), spdlog::string_view_t(text.data(), text.size()));
}

bool log::admit(std::string_view kind) const {
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard lock(to_->mutex);
  auto it = to_->kinds.find(kind);
  if (it == to_->kinds.end()) it = to_->kinds.emplace(std::string(kind), subsystem::repeated{now}).first;
  subsystem::repeated& r = it->second;
  if (now - r.since >= window) {
    r.since = now;
    r.lines = 0;
  }
  if (++r.lines <= lines_per_window) return true;
  ++r.left_out;
  return false;
}

std::string log::take_left_out(std::string_view kind) const {
  const std::lock_guard lock(to_->mutex);
  const std::uint64_t n = std::exchange(to_->kinds.find(kind)->second.left_out, 0);
  return n == 0 ? std::string() : fmt::format(" ({} like this were left out)", n);
}

const std::vector<std::string>& log_subsystems() {
  static const std::vector<std::string> names{"server", "storage", "kafka"};
  return names;
}

result<void> check_log_levels(const std::string& levels) {
  const auto parsed = parse_levels(levels);
  if (!parsed) return parsed.error();
  return {};
}

result<void> set_up_logging(const log_settings& settings) {
  const auto level = level_of(settings.level);
  if (!level) return fault(errc::invalid, "log.level: \"" + settings.level + "\" is not a level");
  auto levels = parse_levels(settings.levels);
  if (!levels) return fault(errc::invalid, "log.levels: " + levels.error().text);
  registry& r = shared();
  {
    const std::lock_guard lock(r.mutex);
    r.level = *level;
    r.levels = std::move(*levels);
    if (settings.json) {
      r.sink->set_formatter(std::make_unique<json_formatter>());
    } else {
      r.sink->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %n: %v");
    }
  }
  // Those that exist already take their level now, others when they are made.
  for (const std::string& name : log_subsystems()) (void)log::find(name);
  return {};
}

void flush_logging() { shared().sink->flush(); }

std::string clean(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 200)) {
    const auto u = static_cast<unsigned char>(c);
    out += u >= 0x20 && u < 0x7f ? std::string(1, c) : fmt::format("\\x{:02x}", u);
  }
  return text.size() > 200 ? out + "..." : out;
}

}  // namespace weir::server
