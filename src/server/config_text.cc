#include "server/config_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace weir::server {

namespace {

struct unit {
  std::string_view name;
  std::int64_t factor;
};
constexpr std::array<unit, 10> byte_units{{{"", 1},
                                           {"B", 1},
                                           {"KiB", 1LL << 10},
                                           {"MiB", 1LL << 20},
                                           {"GiB", 1LL << 30},
                                           {"TiB", 1LL << 40},
                                           {"kB", 1'000},
                                           {"KB", 1'000},
                                           {"MB", 1'000'000},
                                           {"GB", 1'000'000'000}}};
constexpr std::array<unit, 6> time_units{
    {{"", 1}, {"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};

// A number with an optional fraction and one of `units`.
template<std::size_t N>
result<std::int64_t> parse_scaled(std::string_view text, const std::array<unit, N>& units, std::string_view example) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const unit& u : units) {
    if (error != std::errc{} || rest != u.name || !std::isfinite(number) || number < 0) continue;
    const double value = number * static_cast<double>(u.factor);
    if (value > 9.0e18) break;
    return static_cast<std::int64_t>(std::llround(value));
  }
  return fault(errc::invalid, fmt::format("\"{}\" is not understood; write it like {}", text, example));
}

template<std::size_t N>
std::string print_scaled(std::int64_t value, const std::array<unit, N>& units) {
  std::string out = std::to_string(value) + std::string(units[1].name);
  std::int64_t best = 1;
  for (const unit& u : units) {
    if (value == 0 || value % u.factor != 0 || u.factor <= best) continue;
    best = u.factor;
    out = std::to_string(value / u.factor) + std::string(u.name);
  }
  return out;
}

}  // namespace

result<std::int64_t> parse_bytes(std::string_view text) {
  if (text == "-1" || text == "unlimited") return -1;
  return parse_scaled(text, byte_units, "4096, 64KiB or 1.5GiB");
}

std::string print_bytes(std::int64_t bytes) {
  if (bytes < 0) return "unlimited";
  static constexpr std::array<unit, 6> shown{
      {{"", 1}, {"B", 1}, {"KiB", 1LL << 10}, {"MiB", 1LL << 20}, {"GiB", 1LL << 30}, {"TiB", 1LL << 40}}};
  return print_scaled(bytes, shown);
}

result<std::int64_t> parse_duration_ms(std::string_view text) {
  if (text == "-1" || text == "never") return -1;
  return parse_scaled(text, time_units, "500ms, 10s, 5m, 2h or 7d");
}

std::string print_duration_ms(std::int64_t ms) { return ms < 0 ? "never" : print_scaled(ms, time_units); }

result<bool> parse_bool(std::string_view text) {
  if (text == "true" || text == "on" || text == "yes" || text == "1") return true;
  if (text == "false" || text == "off" || text == "no" || text == "0") return false;
  return fault(errc::invalid, fmt::format("\"{}\" is neither true nor false", text));
}

result<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size()) return value;
  return fault(errc::invalid, fmt::format("\"{}\" is not a whole number", text));
}

result<double> parse_real(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size() && std::isfinite(value)) return value;
  return fault(errc::invalid, fmt::format("\"{}\" is not a number", text));
}

result<protocol::endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const auto bad = [&] {
    return fault(errc::invalid,
                 fmt::format("\"{}\" is not an address; write it like 127.0.0.1:9092 or [::1]:9092", text));
  };
  if (colon == std::string_view::npos || colon == 0) return bad();
  std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad();
  }
  const auto port = parse_integer(text.substr(colon + 1));
  if (!port || *port < 0 || *port > 65535) return bad();
  return protocol::endpoint{std::string(host), static_cast<std::uint16_t>(*port)};
}

std::string print_endpoint(const protocol::endpoint& e) {
  return e.host.find(':') != std::string::npos ? fmt::format("[{}]:{}", e.host, e.port)
                                               : fmt::format("{}:{}", e.host, e.port);
}

}  // namespace weir::server
