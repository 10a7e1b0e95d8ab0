// Where the partitions of a topic begin, end, or reach a time; and times as people write them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/kafka_client.h"

namespace weir::cli {

inline constexpr std::int64_t latest_offset = -1;
inline constexpr std::int64_t earliest_offset = -2;

struct listed_offset {
  std::int64_t offset = -1;  // -1: no record at or after the time
  std::int64_t timestamp_ms = -1;
};
// By partition. `which` is latest_offset, earliest_offset, or a time in milliseconds since 1970.
[[nodiscard]] result<std::map<std::int32_t, listed_offset>> list_offsets(kafka_client& client, const std::string& topic,
                                                                         const std::vector<std::int32_t>& partitions,
                                                                         std::int64_t which);
[[nodiscard]] std::vector<std::int32_t> all_partitions(std::int32_t count);

// "1700000000000" (milliseconds), "2026-11-20", "2026-11-20T13:00[:05][Z]" (UTC), or how long ago: "90s", "15m", "2h",
// "3d". `now_ms` is what the last counts from.
[[nodiscard]] result<std::int64_t> parse_time(std::string_view text, std::int64_t now_ms);
// "2026-11-20T13:00:05.123Z"
[[nodiscard]] std::string format_time(std::int64_t ms);

}  // namespace weir::cli
