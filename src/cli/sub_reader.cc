#include "cli/sub_reader.h"

#include <fmt/format.h>

#include "cli/topic_offsets.h"

namespace weir::cli {
namespace {

constexpr std::int16_t newest_by_name = 12;  // Fetch; version 13 names topics by id
constexpr std::int32_t fetch_bytes = 16 << 20;
constexpr std::int32_t partition_bytes = 1 << 20;

}  // namespace

result<bool> log_reader::poll(std::int32_t wait_ms, const visitor& visit) {
  kafka::fetch_request r;
  r.max_wait_ms = wait_ms;
  r.min_bytes = 1;
  r.max_bytes = fetch_bytes;
  r.session_epoch = -1;  // no session
  auto& t = r.topics.emplace_back();
  t.name = topic_;
  for (const auto& [partition, offset] : positions_) {
    auto& p = t.partitions.emplace_back();
    p.index = partition;
    p.fetch_offset = offset;
    p.max_bytes = partition_bytes;
  }
  const auto a = client_.call<kafka::fetch_response>(r, newest_by_name, wait_ms);
  if (!a) return a.error();
  if (a->message.error_code != kafka::error_code::none) return fault(errc::invalid, explain(a->message.error_code));
  for (const auto& topic : a->message.topics)
    for (const auto& p : topic.partitions) {
      if (p.error_code == kafka::error_code::offset_out_of_range && gap_) {
        const auto skipped = skip_gap(p.index);
        if (!skipped) return skipped.error();
        if (*skipped) continue;
      }
      if (p.error_code != kafka::error_code::none)
        return fault(errc::out_of_range, fmt::format("{} partition {}: {}", topic_, p.index, explain(p.error_code)));
      auto more = show(p.index, p.records.data, visit);
      if (!more || !*more) return more;
    }
  return true;
}

// False: there is nothing to skip, the place is behind the end.
result<bool> log_reader::skip_gap(std::int32_t partition) {
  const auto first = list_offsets(client_, topic_, {partition}, earliest_offset);
  if (!first) return first.error();
  const auto at = positions_.find(partition);
  const auto begin = first->find(partition);
  if (at == positions_.end() || begin == first->end() || at->second >= begin->second.offset) return false;
  gap_(partition, at->second, begin->second.offset);
  at->second = begin->second.offset;
  return true;
}

result<bool> log_reader::show(std::int32_t partition, bytes data, const visitor& visit) {
  const auto at = positions_.find(partition);
  if (at == positions_.end()) return true;  // not asked for
  kafka::batch_cursor batches(data);
  for (;;) {
    const auto batch = batches.next();
    if (!batch) return batch.error();
    if (!*batch) return true;
    if ((*batch)->last_offset() < at->second) continue;
    bool more = true;
    if (!(*batch)->control()) {
      const auto walked = kafka::for_each_record(**batch, [&](const kafka::record& r) {
        if (r.offset < at->second) return true;
        more = visit(partition, r);
        at->second = r.offset + 1;
        return more;
      });
      if (!walked) return walked.error();
    }
    if (!more) return false;
    at->second = (*batch)->last_offset() + 1;
  }
}

}  // namespace weir::cli
