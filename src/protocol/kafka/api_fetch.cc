// Fetch, with and without a session (KIP-227), by name and by id (KIP-516).
#include <limits>

#include "protocol/kafka/api.h"

namespace weir::kafka::api {
namespace {

constexpr std::int16_t ids_since = 13;
constexpr std::int16_t zstd_since = 10;

// What the answer needs of the request.
struct asked_fetch {
  std::shared_ptr<fetch_session> session;  // nullptr: sessionless
  bool full = true;
  std::vector<fetch_target> targets;  // of a sessionless request
  [[nodiscard]] std::vector<fetch_target>& all() { return session ? session->targets : targets; }
};

model::fetch command_of(const fetch_request& r, const std::vector<fetch_target>& targets, std::int32_t bytes_cap,
                        std::int16_t version) {
  model::fetch c;
  c.wait_ms = r.max_wait_ms;
  c.bytes_min = r.min_bytes;
  c.bytes_max = std::min(r.max_bytes, bytes_cap);
  c.committed_only = r.isolation_level == 1;
  c.zstd_allowed = version >= zstd_since;
  c.items.reserve(targets.size());
  for (const fetch_target& t : targets)
    c.items.push_back({ref_of(t.name, t.id), t.partition, model::offset(t.from), model::epoch(t.current_epoch),
                       model::epoch(t.last_epoch), t.bytes_max});
  return c;
}

fetch_response::partition partition_of(model::fetched::item& item, std::int32_t index) {
  fetch_response::partition p;
  p.index = index;
  p.error_code = to_error(item.error);
  p.high_watermark = item.high_watermark.raw();
  p.last_stable_offset = item.last_stable.raw();
  p.log_start_offset = item.log_start.raw();
  if (item.diverging) p.diverging_epoch = {item.diverging->first.raw(), item.diverging->second.raw()};
  p.records.pieces.reserve(item.data.entries.size());
  // Any owner keeps its own part of the batch alive; the whole list is shared by every piece.
  const auto owners = std::make_shared<std::vector<std::shared_ptr<const void>>>(std::move(item.data.owners));
  for (const model::read_entry& e : item.data.entries) p.records.pieces.push_back({e.payload, owners});
  return p;
}

bool is_news(const fetch_target& t, const model::fetched::item& item) {
  return !item.data.entries.empty() || item.error != model::refusal::none || item.diverging ||
         item.high_watermark.raw() != t.high_watermark || item.log_start.raw() != t.log_start;
}

// Partitions that got records go to the end of the session's order, so that the next answer begins with the
// others.
void rotate(std::vector<fetch_target>& targets, const std::vector<bool>& served) {
  std::vector<fetch_target> last;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (served[i]) {
      last.push_back(std::move(targets[i]));
      continue;
    }
    if (kept != i) targets[kept] = std::move(targets[i]);
    ++kept;
  }
  if (last.empty()) return;
  targets.resize(kept);
  targets.insert(targets.end(), std::make_move_iterator(last.begin()), std::make_move_iterator(last.end()));
}

void answer_fetch(session& s, const inbound& q, asked_fetch& asked, model::fetched&& done) {
  std::vector<fetch_target>& targets = asked.all();
  fetch_response r;
  r.session_id = asked.session ? asked.session->id : 0;
  std::vector<bool> served(targets.size(), false);
  const fetch_target* previous = nullptr;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    fetch_target& t = targets[i];
    model::fetched::item& item = done.items[i];
    if (!asked.full && !is_news(t, item)) continue;
    served[i] = !item.data.entries.empty();
    // After an error the partition is named again when the error is over, whatever its marks.
    t.high_watermark = item.error == model::refusal::none ? item.high_watermark.raw() : -1;
    t.log_start = item.log_start.raw();
    if (previous == nullptr || previous->name != t.name || previous->id != t.id) {
      auto& topic = r.topics.emplace_back();
      topic.name = t.name;
      topic.topic_id = t.id;
    }
    previous = &t;
    r.topics.back().partitions.push_back(partition_of(item, t.partition));
  }
  s.answer(q, r);
  if (asked.session) rotate(targets, served);
}

}  // namespace

void fetch(session& s, const inbound& q) {
  const auto r = s.read<fetch_request>(q);
  if (!r) return;
  if (r->replica_id >= 0 || r->replica_state.replica_id >= 0)
    return s.hang_up("a follower's fetch: this broker has no replicas");
  asked_fetch asked;
  auto opened = s.fetches().on_request(*r, q.version >= ids_since);
  if (opened.error != error_code::none) {
    fetch_response out;
    out.error_code = opened.error;
    return s.answer(q, out);
  }
  asked.session = std::move(opened.session);
  asked.full = opened.full;
  if (!asked.session) asked.targets = targets_of(*r);
  model::fetch c = command_of(*r, asked.all(), s.options().fetch_bytes_max, q.version);
  const auto kept = std::make_shared<asked_fetch>(std::move(asked));
  s.ask(q, std::move(c), [kept](session& to, const inbound& of, model::event&& e) {
    answer_fetch(to, of, *kept, std::move(std::get<model::fetched>(e)));
  });
}

}  // namespace weir::kafka::api
