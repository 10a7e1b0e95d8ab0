#include "cli/group_offsets.h"

namespace weir::cli {
namespace {

constexpr std::int16_t newest_single_group = 7;  // OffsetFetch; later versions ask for several groups
constexpr std::int16_t newest_by_name = 9;       // OffsetCommit; version 10 names topics by id

}  // namespace

result<group_offsets> committed_offsets(kafka_client& client, const std::string& group) {
  kafka::offset_fetch_request r;
  r.group_id = group;
  const auto a = client.call<kafka::offset_fetch_response>(r, newest_single_group);
  if (!a) return a.error();
  if (a->message.error_code != kafka::error_code::none)
    return fault(errc::invalid, "group " + group + ": " + explain(a->message.error_code));
  group_offsets out;
  for (const auto& t : a->message.topics)
    for (const auto& p : t.partitions)
      if (p.error_code == kafka::error_code::none && p.committed_offset >= 0)
        out[std::string(t.name)][p.index] = {p.committed_offset, std::string(p.metadata.value_or(""))};
  return out;
}

result<std::map<std::pair<std::string, std::int32_t>, std::string>> commit_offsets(kafka_client& client,
                                                                                   const std::string& group,
                                                                                   const group_offsets& offsets) {
  kafka::offset_commit_request r;
  r.group_id = group;
  for (const auto& [topic, partitions] : offsets) {
    auto& t = r.topics.emplace_back();
    t.name = topic;
    for (const auto& [partition, c] : partitions) {
      auto& p = t.partitions.emplace_back();
      p.index = partition;
      p.committed_offset = c.offset;
      p.committed_metadata = c.metadata;
    }
  }
  const auto a = client.call<kafka::offset_commit_response>(r, newest_by_name);
  if (!a) return a.error();
  std::map<std::pair<std::string, std::int32_t>, std::string> failed;
  for (const auto& t : a->message.topics)
    for (const auto& p : t.partitions)
      if (p.error_code != kafka::error_code::none) failed[{std::string(t.name), p.index}] = explain(p.error_code);
  return failed;
}

}  // namespace weir::cli
