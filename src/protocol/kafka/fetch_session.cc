#include "protocol/kafka/fetch_session.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "protocol/kafka/first_times.h"

namespace weir::kafka {
namespace {

constexpr std::int32_t final_epoch = -1;   // no session, or: close it
constexpr std::int32_t initial_epoch = 0;  // open one

using partition_key = std::tuple<std::string_view, uuid, std::int32_t>;

void follow(fetch_target& t, const fetch_request::partition& p) {
  t.current_epoch = p.current_leader_epoch;
  t.last_epoch = p.last_fetched_epoch;
  t.from = p.fetch_offset;
  t.bytes_max = p.max_bytes;
}

fetch_target target_of(const fetch_request::topic& t, const fetch_request::partition& p) {
  fetch_target out;
  out.name = t.name;
  out.id = t.topic_id;
  out.partition = p.index;
  follow(out, p);
  return out;
}

// What an incremental request says of a partition.
struct mention {
  partition_key key;
  std::size_t order = 0;
  const fetch_request::topic* topic = nullptr;
  const fetch_request::partition* partition = nullptr;  // nullptr: forget it
  bool known = false;
};

bool can_remember(const fetch_request& q) {
  return std::ranges::all_of(q.topics, [](const auto& t) { return t.name.size() <= session_name_bytes_max; });
}

// Sorted by partition, and then by their order in the request.
std::vector<mention> mentions_of(const fetch_request& q) {
  std::vector<mention> all;
  for (const auto& t : q.topics)
    for (const auto& p : t.partitions) all.push_back({{t.name, t.topic_id, p.index}, all.size(), &t, &p});
  for (const auto& t : q.forgotten_topics)
    for (const std::int32_t p : t.partitions) all.push_back({{t.name, t.topic_id, p}, all.size()});
  std::ranges::sort(all, {}, [](const mention& m) { return std::tie(m.key, m.order); });
  return all;
}

// Appends what the session did not know, in the request's order.
void append_new(const std::vector<mention>& said, std::vector<fetch_target>& targets) {
  std::vector<const mention*> fresh;
  for (const mention& m : said) {
    if (m.known || m.partition == nullptr) continue;
    if (fresh.empty() || fresh.back()->key != m.key) fresh.push_back(&m);
  }
  std::ranges::sort(fresh, {}, [](const mention* m) { return m->order; });
  for (const mention* m : fresh) targets.push_back(target_of(*m->topic, *m->partition));
}

}  // namespace

std::vector<fetch_target> targets_of(const fetch_request& q) {
  std::vector<fetch_target> out;
  std::size_t count = 0;
  for (const auto& t : q.topics) count += t.partitions.size();
  out.reserve(count);
  first_times first;
  for (const auto& t : q.topics)
    for (const auto& p : t.partitions)
      if (count == 1 || first(t.name, t.topic_id, p.index)) out.push_back(target_of(t, p));
  return out;
}

void fetch_session::update(const fetch_request& q) {
  if (q.topics.empty() && q.forgotten_topics.empty()) return;
  std::vector<mention> said = mentions_of(q);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    fetch_target& t = targets[i];
    const partition_key key{t.name, t.id, t.partition};
    bool forgotten = false;
    for (auto m = std::ranges::lower_bound(said, key, {}, &mention::key); m != said.end() && m->key == key; ++m) {
      m->known = true;
      forgotten |= m->partition == nullptr;
      if (m->partition != nullptr) follow(t, *m->partition);
    }
    if (forgotten) continue;
    if (kept != i) targets[kept] = std::move(t);
    ++kept;
  }
  targets.resize(kept);
  append_new(said, targets);
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
    if (q.topics.empty() || max_ == 0 || !can_remember(q)) return {};
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
  sessions_.erase(it);
  if (!can_remember(q)) return {.error = error_code::fetch_session_id_not_found};
  s->update(q);
  if (!make_room(s->targets.size())) return {.error = error_code::fetch_session_id_not_found};
  sessions_.push_back(s);
  return {.session = s, .full = false};
}

}  // namespace weir::kafka
