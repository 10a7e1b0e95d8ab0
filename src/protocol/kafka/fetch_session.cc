#include "protocol/kafka/fetch_session.h"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <unordered_set>

namespace weir::kafka {
namespace {

constexpr std::int32_t final_epoch = -1;   // no session, or: close it
constexpr std::int32_t initial_epoch = 0;  // open one

struct partition_key {
  std::string_view name;
  uuid id;
  std::int32_t partition;
  friend bool operator==(const partition_key&, const partition_key&) = default;
};
struct key_hash {
  std::size_t operator()(const partition_key& k) const noexcept {
    return std::hash<std::string_view>{}(k.name) ^ std::hash<uuid>{}(k.id) ^
           (static_cast<std::size_t>(k.partition) * 0x9e3779b97f4a7c15ULL);
  }
};

fetch_target target_of(const fetch_request::topic& t, const fetch_request::partition& p) {
  fetch_target out;
  out.name = t.name;
  out.id = t.topic_id;
  out.partition = p.index;
  out.current_epoch = p.current_leader_epoch;
  out.last_epoch = p.last_fetched_epoch;
  out.from = p.fetch_offset;
  out.bytes_max = p.max_bytes;
  return out;
}

}  // namespace

std::vector<fetch_target> targets_of(const fetch_request& q) {
  std::vector<fetch_target> out;
  std::size_t count = 0;
  for (const auto& t : q.topics) count += t.partitions.size();
  out.reserve(count);
  std::unordered_set<partition_key, key_hash> seen;
  if (count > 1) seen.reserve(count);
  for (const auto& t : q.topics)
    for (const auto& p : t.partitions)
      if (count == 1 || seen.insert({t.name, t.topic_id, p.index}).second) out.push_back(target_of(t, p));
  return out;
}

void fetch_session::update(const fetch_request& q) {
  if (q.topics.empty() && q.forgotten_topics.empty()) return;
  std::unordered_map<partition_key, std::size_t, key_hash> index;
  for (std::size_t i = 0; i < targets.size(); ++i)
    index.emplace(partition_key{targets[i].name, targets[i].id, targets[i].partition}, i);
  std::vector<fetch_target> added;
  std::unordered_set<partition_key, key_hash> fresh;
  for (const auto& t : q.topics) {
    for (const auto& p : t.partitions) {
      const auto it = index.find({t.name, t.topic_id, p.index});
      if (it == index.end()) {
        if (fresh.insert({t.name, t.topic_id, p.index}).second) added.push_back(target_of(t, p));
        continue;
      }
      fetch_target& known = targets[it->second];  // its name stays: the index looks into it
      known.current_epoch = p.current_leader_epoch;
      known.last_epoch = p.last_fetched_epoch;
      known.from = p.fetch_offset;
      known.bytes_max = p.max_bytes;
    }
  }
  std::vector<bool> forgotten(targets.size(), false);
  for (const auto& t : q.forgotten_topics)
    for (const std::int32_t p : t.partitions)
      if (const auto it = index.find({t.name, t.topic_id, p}); it != index.end()) forgotten[it->second] = true;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (forgotten[i]) continue;
    if (kept != i) targets[kept] = std::move(targets[i]);
    ++kept;
  }
  targets.resize(kept);
  targets.insert(targets.end(), std::make_move_iterator(added.begin()), std::make_move_iterator(added.end()));
}

void fetch_sessions::drop(std::int32_t id) {
  sessions_.remove_if([id](const auto& s) { return s->id == id; });
}

bool fetch_sessions::make_room(std::size_t more) {
  if (more > partitions_max_) return false;
  std::size_t used = 0;
  for (const auto& s : sessions_) used += s->targets.size();
  while (used > partitions_max_ - more) {
    used -= sessions_.front()->targets.size();
    sessions_.pop_front();
  }
  return true;
}

fetch_sessions::opened fetch_sessions::on_request(const fetch_request& q, bool by_id) {
  if (q.session_epoch == final_epoch) {
    if (q.session_id != 0) drop(q.session_id);
    return {};
  }
  if (q.session_epoch == initial_epoch) {
    if (q.session_id != 0) drop(q.session_id);
    if (q.topics.empty() || max_ == 0) return {};
    std::vector<fetch_target> targets = targets_of(q);
    if (!make_room(targets.size())) return {};
    if (sessions_.size() >= max_) sessions_.pop_front();
    auto s = std::make_shared<fetch_session>();
    s->id = next_id_;
    next_id_ = next_id_ == std::numeric_limits<std::int32_t>::max() ? 1 : next_id_ + 1;
    s->by_id = by_id;
    s->targets = std::move(targets);
    sessions_.push_back(s);
    return {.session = s};
  }
  const auto it =
      std::find_if(sessions_.begin(), sessions_.end(), [&](const auto& s) { return s->id == q.session_id; });
  if (it == sessions_.end()) return {.error = error_code::fetch_session_id_not_found};
  const auto s = *it;
  if (s->by_id != by_id) return {.error = error_code::fetch_session_topic_id_error};
  if (s->epoch != q.session_epoch) return {.error = error_code::invalid_fetch_session_epoch};
  s->epoch = s->epoch == std::numeric_limits<std::int32_t>::max() ? 1 : s->epoch + 1;
  s->update(q);
  sessions_.erase(it);
  if (!make_room(s->targets.size())) return {.error = error_code::fetch_session_id_not_found};
  sessions_.push_back(s);
  return {.session = s, .full = false};
}

}  // namespace weir::kafka
