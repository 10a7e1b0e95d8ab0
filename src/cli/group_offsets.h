// The committed offsets of a group, read and written through Kafka's protocol.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "cli/kafka_client.h"

namespace weir::cli {

struct group_offset {
  std::int64_t offset = -1;
  std::string metadata;
};
using group_offsets = std::map<std::string, std::map<std::int32_t, group_offset>>;  // topic -> partition -> commit

// Everything that the group has committed; empty for a group that does not exist.
[[nodiscard]] result<group_offsets> committed_offsets(kafka_client& client, const std::string& group);
// Commits as somebody who is not a member: works only while the group has none. Gives what failed, and why.
[[nodiscard]] result<std::map<std::pair<std::string, std::int32_t>, std::string>> commit_offsets(
    kafka_client& client, const std::string& group, const group_offsets& offsets);

}  // namespace weir::cli
