// The one thing that the coordinator reads in what members send: the topics of a "consumer" subscription, so
// that it can tell which committed offsets are in use. Everything else stays opaque.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace weir::broker::groups {

inline constexpr std::string_view consumer_protocol_type = "consumer";

// Adds the topics of a subscription (big-endian: version i16, topic count i32, topics as i16 length and
// bytes; what follows differs by version and does not matter). False: not such a subscription; some topics
// may have been added.
[[nodiscard]] bool read_subscription(bytes metadata, std::set<std::string, std::less<>>& topics);

}  // namespace weir::broker::groups
