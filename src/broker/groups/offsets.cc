// Committed offsets: commit, fetch, and how they end (deletion of their topic, expiry).
#include <algorithm>

#include "broker/groups/coordinator_impl.h"
#include "broker/groups/records.h"

namespace weir::broker {

using model::refusal;

// ---- commit

refusal group_coordinator::impl::check_commit(live_group* g, const model::commit_offsets& c) const {
  const bool anonymous = c.member.empty() && !c.instance && c.generation < 0;
  if (g == nullptr) {
    if (c.generation >= 0) return refusal::illegal_generation;
    return may_create() ? refusal::none : refusal::coordinator_not_available;
  }
  // A consumer that assigns partitions to itself, or an administrator, while nobody is in the group.
  if (c.generation < 0 && g->state == group_state::empty) return refusal::none;
  if (anonymous) return refusal::unknown_member;
  if (const refusal r = check_member(*g, c.member, c.instance); r != refusal::none) return r;
  if (c.generation != g->generation) return refusal::illegal_generation;
  return g->state == group_state::completing ? refusal::rebalance_in_progress : refusal::none;
}

void group_coordinator::impl::commit(model::shard_id shard, const model::caller& who, const model::commit_offsets& c,
                                     group_reply<model::offsets_committed> reply) {
  const turn t(*this);
  live_group* g = open(who, c.group);
  model::offsets_committed event;
  event.items.assign(c.items.size(), check_commit(g, c));
  if (!event.items.empty() && event.items.front() == refusal::none) {
    if (g != nullptr)
      if (live_member* m = g->find(c.member); m != nullptr) heard_of(*m);
    const refusal r = append_commit(shard, who, c, event.items);
    for (refusal& item : event.items)
      if (item == refusal::none) item = r;
    g = open(who, c.group);
  }
  answer(g, std::move(reply), std::move(event));
}

// Whether one more item may be kept (group.stored_bytes_max); what only moves on always may. Adds to `growth`, of this
// commit.
bool group_coordinator::impl::has_room(const groups::stored_group* known, std::string_view key,
                                       const model::uuid& topic, const model::commit_offsets::item& item,
                                       std::size_t& growth) const {
  using groups::group_table;
  const groups::committed_offset* old = known == nullptr ? nullptr : known->find(topic, item.partition);
  if (old != nullptr && item.metadata.size() <= old->metadata.size()) return true;
  std::size_t more = group_table::bytes_of_offset(item.metadata.size());
  if (old != nullptr) {
    more -= group_table::bytes_of_offset(old->metadata.size());
  } else {
    more += known == nullptr || !known->offsets.contains(topic) ? group_table::bytes_of_topic() : 0;
  }
  if (known == nullptr && growth == 0) more += group_table::bytes_of_group(key);
  if (table_.stored_bytes() + growth + more > settings_.stored_bytes_max) return false;
  growth += more;
  return true;
}

// Appends what may be committed; items that may not get their refusal.
refusal group_coordinator::impl::append_commit(model::shard_id shard, const model::caller& who,
                                               const model::commit_offsets& c, std::vector<refusal>& items) {
  const std::string key = groups::make_key(who.vhost, c.group);
  const std::int64_t now = clock_.wall().raw();
  scratch_.clear();
  // A client may ask for more than there is time.
  const std::int64_t expire_ms = c.retention_ms < 0 ? -1 : now + std::min(c.retention_ms, INT64_MAX - now);
  groups::begin_offsets(scratch_, key, now, expire_ms);
  groups::run_writer runs(scratch_);
  const groups::stored_group* known = table_.find(key);
  std::size_t growth = 0;
  topic_directory::entry topic;
  const model::topic_ref* looked_up = nullptr;
  for (std::size_t i = 0; i < c.items.size(); ++i) {
    const auto& item = c.items[i];
    // Items of one topic come together: one look-up for each run.
    if (looked_up == nullptr || looked_up->name != item.topic.name || looked_up->id != item.topic.id) {
      topic = topics_.find(who, item.topic);
      looked_up = &item.topic;
    }
    if (topic.error != refusal::none) {
      items[i] = topic.error;
    } else if (item.partition < 0 || item.partition >= topic.partitions) {
      items[i] = refusal::unknown_topic_or_partition;
    } else if (item.metadata.size() > static_cast<std::size_t>(settings_.offset_metadata_max)) {
      items[i] = refusal::offset_metadata_too_large;
    } else if (!has_room(known, key, topic.id, item, growth)) {
      items[i] = refusal::commit_too_large;
    } else {
      runs.topic(topic.id);
      runs.offset(item.partition, item.at, item.leader_epoch, item.metadata);
    }
  }
  runs.finish();
  if (runs.items() == 0) return refusal::none;
  live_group& g = open_or_create(shard, key);
  const auto done = append(g, group_record::offsets, scratch_);
  if (done) return refusal::none;
  close_if_idle(g);
  if (done.error().code == errc::out_of_range) return refusal::commit_too_large;
  return refusal::coordinator_not_available;  // clients try again
}

// ---- fetch

void group_coordinator::impl::fetch(const model::caller& who, const model::fetch_offsets& c,
                                    group_reply<model::offsets_fetched> reply) {
  const turn t(*this);
  const live_group* g = open(who, c.group);
  const groups::stored_group* stored = table_.find(groups::make_key(who.vhost, c.group));
  model::offsets_fetched event;
  if (c.items)
    fetch_some(who, stored, c, event.items);
  else if (stored != nullptr)
    fetch_all(who, *stored, event.items);
  answer(g, std::move(reply), std::move(event));
}

void group_coordinator::impl::fetch_some(const model::caller& who, const groups::stored_group* g,
                                         const model::fetch_offsets& c,
                                         std::vector<model::offsets_fetched::item>& out) const {
  out.reserve(c.items->size());
  topic_directory::entry topic;
  const model::topic_ref* looked_up = nullptr;
  for (const auto& item : *c.items) {
    if (looked_up == nullptr || looked_up->name != item.topic.name || looked_up->id != item.topic.id) {
      topic = topics_.find(who, item.topic);
      looked_up = &item.topic;
    }
    auto& o = out.emplace_back();
    o.topic = item.topic.name.empty() ? topic.name : item.topic.name;
    o.topic_id = item.topic.name.empty() ? item.topic.id : topic.id;
    o.partition = item.partition;
    // A name that means nothing (any more) is not an error here: nothing is committed for it.
    if (topic.error != refusal::none && topic.error != refusal::unknown_topic_or_partition) o.error = topic.error;
    if (topic.error != refusal::none || g == nullptr) continue;
    const groups::committed_offset* found = g->find(topic.id, item.partition);
    if (found == nullptr) continue;
    o.at = found->at;
    o.leader_epoch = found->leader_epoch;
    o.metadata = found->metadata;
  }
}

void group_coordinator::impl::fetch_all(const model::caller& who, const groups::stored_group& g,
                                        std::vector<model::offsets_fetched::item>& out) const {
  for (const auto& [id, of] : g.offsets) {
    const topic_directory::entry topic = topics_.find(who, {.name = {}, .id = id});
    if (topic.error != refusal::none) continue;
    for (const groups::committed_offset& o : of) {
      out.push_back({.topic = std::string(topic.name),
                     .topic_id = id,
                     .partition = o.partition,
                     .at = o.at,
                     .leader_epoch = o.leader_epoch,
                     .metadata = o.metadata});
    }
  }
  std::ranges::stable_sort(out, {}, &model::offsets_fetched::item::topic);
}

// ---- the end of offsets

void group_coordinator::impl::forget_topic(const model::uuid& id) {
  const auto holders = table_.topics().find(id);
  if (holders == table_.topics().end()) return;
  std::set<model::shard_id> shards;
  for (const std::string_view key : holders->second) shards.insert(table_.find(key)->shard);
  byte_vector state;
  byte_writer w(state);
  groups::put_uuid(w, id);
  for (const model::shard_id shard : shards) {
    const auto done = journal_.append(shard, static_cast<std::uint16_t>(group_record::topic_forgotten),
                                      groups::record_version, state);
    // Refused: the offsets stay unseen (no topic has the id) until start() finds them.
    if (done) removed_ = std::max(removed_, *done);
  }
}

namespace {

// KIP-211. Fills `out` (a record already begun) with what has expired.
class expiry {
 public:
  expiry(const group_settings& settings, const groups::live_group& g, std::int64_t now)
      : settings_(settings), group_(g), now_(now) {
    simple_ = g.protocol_type.empty();
    if (g.state == groups::group_state::stable) subscribed_ = g.subscribed();
  }
  [[nodiscard]] bool applies() const {
    return simple_ || group_.state == groups::group_state::empty || subscribed_.has_value();
  }
  [[nodiscard]] bool in_use(std::string_view topic) const {
    return !simple_ && group_.state == groups::group_state::stable && subscribed_->contains(topic);
  }
  [[nodiscard]] bool expired(const groups::committed_offset& o) const {
    if (o.expire_ms >= 0) return now_ >= o.expire_ms;
    if (settings_.offset_retention_ms < 0) return false;
    const bool emptied = !simple_ && group_.state == groups::group_state::empty;
    const std::int64_t since = emptied ? std::max(group_.changed_ms, o.commit_ms) : o.commit_ms;
    return now_ - since >= settings_.offset_retention_ms;
  }

 private:
  const group_settings& settings_;
  const groups::live_group& group_;
  std::int64_t now_;
  bool simple_ = false;
  std::optional<std::set<std::string, std::less<>>> subscribed_;
};

}  // namespace

void group_coordinator::impl::sweep_group(live_group& g, const groups::stored_group& stored) {
  const expiry rule(settings_, g, clock_.wall().raw());
  if (!rule.applies()) return;
  scratch_.clear();
  groups::begin_offsets_removed(scratch_, g.key);
  groups::run_writer runs(scratch_);
  std::size_t left = 0;
  for (const auto& [id, of] : stored.offsets) {
    const bool used = rule.in_use(topics_.name(id));
    for (const groups::committed_offset& o : of) {
      if (used || !rule.expired(o)) {
        ++left;
        continue;
      }
      runs.topic(id);
      runs.partition(o.partition);
    }
  }
  runs.finish();
  if (runs.items() != 0 && !append(g, group_record::offsets_removed, scratch_)) return;
  if (left != 0 || g.state != group_state::empty || !g.pending().empty()) return;
  // Nobody is in it and it remembers nothing: the group ends.
  scratch_.clear();
  byte_writer(scratch_).text(g.key);
  if (!append(g, group_record::group_removed, scratch_)) return;
  removed_ = std::max(removed_, g.last);
  close(g);
}

void group_coordinator::impl::sweep_slice(std::string after_key) {
  constexpr int slice = 500;
  const turn t(*this);
  std::vector<std::string> keys;
  for (auto it = table_.all().upper_bound(after_key); it != table_.all().end() && keys.size() < slice; ++it)
    keys.push_back(it->first);
  for (const std::string& key : keys) {
    live_group* g = open(key);
    if (g != nullptr) sweep_group(*g, *table_.find(key));
  }
  const bool more = keys.size() == slice;
  sweep_timer_ = reactor_.at(more ? clock_.now() : after(settings_.sweep_interval_ms),
                             [this, next = more ? keys.back() : std::string()] { sweep_slice(next); });
}

}  // namespace weir::broker
