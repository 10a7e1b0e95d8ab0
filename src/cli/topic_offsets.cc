#include "cli/topic_offsets.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <numeric>

namespace weir::cli {
namespace {

using namespace std::chrono;

// Takes a number of exactly `digits` digits from the front.
bool take_number(std::string_view& text, std::size_t digits, int& out) {
  if (text.size() < digits) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, out);
  if (error != std::errc() || end != text.data() + digits || out < 0) return false;
  text.remove_prefix(digits);
  return true;
}

bool take_char(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

bool parse_calendar(std::string_view text, std::int64_t& ms) {
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0;
  if (!take_number(text, 4, y) || !take_char(text, '-') || !take_number(text, 2, mo) || !take_char(text, '-') ||
      !take_number(text, 2, d))
    return false;
  if (!text.empty()) {
    if (!take_char(text, 'T') && !take_char(text, ' ')) return false;
    if (!take_number(text, 2, h) || !take_char(text, ':') || !take_number(text, 2, mi)) return false;
    if (take_char(text, ':') && !take_number(text, 2, s)) return false;
    (void)take_char(text, 'Z');
  }
  const year_month_day date{year(y), month(static_cast<unsigned>(mo)), day(static_cast<unsigned>(d))};
  if (!text.empty() || !date.ok() || h > 23 || mi > 59 || s > 60) return false;
  const auto at = sys_days(date) + hours(h) + minutes(mi) + seconds(s);
  ms = duration_cast<milliseconds>(at.time_since_epoch()).count();
  return true;
}

}  // namespace

result<std::map<std::int32_t, listed_offset>> list_offsets(kafka_client& client, const std::string& topic,
                                                           const std::vector<std::int32_t>& partitions,
                                                           std::int64_t which) {
  kafka::list_offsets_request r;
  auto& t = r.topics.emplace_back();
  t.name = topic;
  for (const std::int32_t p : partitions) {
    auto& item = t.partitions.emplace_back();
    item.index = p;
    item.timestamp = which;
  }
  const auto a = client.call<kafka::list_offsets_response>(r);
  if (!a) return a.error();
  std::map<std::int32_t, listed_offset> out;
  for (const auto& each : a->message.topics)
    for (const auto& p : each.partitions) {
      if (p.error_code != kafka::error_code::none)
        return fault(errc::not_found, fmt::format("{} partition {}: {}", topic, p.index, explain(p.error_code)));
      out[p.index] = {p.offset, p.timestamp};
    }
  for (const std::int32_t p : partitions) {
    if (!out.contains(p))
      return fault(errc::invalid, fmt::format("{} partition {}: the broker's answer leaves it out", topic, p));
  }
  return out;
}

std::vector<std::int32_t> all_partitions(std::int32_t count) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(std::max(count, 0)));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

result<std::int64_t> parse_time(std::string_view text, std::int64_t now_ms) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
  if (error == std::errc() && number >= 0) {
    if (rest.empty()) return number;
    const std::int64_t unit = rest == "s"   ? 1'000
                              : rest == "m" ? 60'000
                              : rest == "h" ? 3'600'000
                              : rest == "d" ? 86'400'000
                                            : 0;
    if (unit != 0 && number <= INT64_MAX / unit) return now_ms - number * unit;
  }
  std::int64_t ms = 0;
  if (parse_calendar(text, ms)) return ms;
  return fault(errc::invalid, "\"" + std::string(text) +
                                  "\" is no time; write 2026-11-20T13:00:00Z, milliseconds since 1970, or 15m, 2h, 3d "
                                  "for so long ago");
}

std::string format_time(std::int64_t ms) {
  const sys_time<milliseconds> at{milliseconds(ms)};
  // What the calendar has no date for; producers write any number.
  if (at < sys_days(year::min() / January / 1) || at >= sys_days(year::max() / December / 31))
    return fmt::format("{} ms", ms);
  const auto midnight = floor<days>(at);
  const year_month_day date(midnight);
  const hh_mm_ss clock_time(at - midnight);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock_time.hours().count(),
                     clock_time.minutes().count(), clock_time.seconds().count(), clock_time.subseconds().count());
}

}  // namespace weir::cli
