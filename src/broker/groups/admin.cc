// Looking at groups and taking them away: describe, list, delete, delete offsets.
#include <algorithm>
#include <cctype>

#include "broker/groups/coordinator_impl.h"
#include "broker/groups/records.h"

namespace weir::broker {

using model::refusal;

namespace {

bool same_text(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
  });
}

bool passes(const std::vector<std::string_view>& filter, std::string_view value) {
  return filter.empty() || std::ranges::any_of(filter, [&](std::string_view f) { return same_text(f, value); });
}

constexpr std::string_view classic = "classic";

}  // namespace

model::groups_described::group group_coordinator::impl::describe_one(live_group* g, std::string_view name) const {
  model::groups_described::group out;
  out.id = name;
  if (g == nullptr) {
    out.error = refusal::group_not_found;
    out.detail = "there is no group \"" + out.id + "\"";
    out.state = "Dead";
    return out;
  }
  out.state = to_string(g->state);
  out.protocol_type = g->protocol_type;
  const bool settled = g->state == group_state::stable;
  if (settled) out.protocol = g->protocol.value_or("");
  for (const auto& [id, m] : g->members()) {
    auto& to = out.members.emplace_back();
    to.id = id;
    to.instance = m.instance;
    to.client_id = m.client_id;
    to.host = m.host;
    if (!settled) continue;  // in between, neither metadata nor assignment belong to one generation
    if (const auto* p = m.find(out.protocol); p != nullptr) to.metadata = p->metadata;
    to.assignment = m.assignment;
  }
  return out;
}

void group_coordinator::impl::describe(const model::caller& who, const model::describe_groups& c,
                                       group_reply<model::groups_described> reply) {
  const turn t(*this);
  model::groups_described event;
  model::ticket seen = removed_;
  for (const std::string_view name : c.groups) {
    live_group* g = open(who, name);
    if (g != nullptr) seen = std::max(seen, g->last);
    event.groups.push_back(describe_one(g, name));
  }
  answer_after(seen, std::move(reply), std::move(event));
}

void group_coordinator::impl::list(const model::caller& who, const model::list_groups& c,
                                   group_reply<model::groups_listed> reply) {
  const turn t(*this);
  model::groups_listed event;
  model::ticket seen = removed_;
  if (!passes(c.types, classic)) return answer_after(seen, std::move(reply), std::move(event));
  const auto add = [&](std::string_view key, group_state state, std::string_view type) {
    if (groups::vhost_of(key) != who.vhost || !passes(c.states, to_string(state))) return;
    event.groups.push_back(
        {std::string(groups::name_of(key)), std::string(type), std::string(to_string(state)), std::string(classic)});
  };
  for (const auto& [key, g] : live_) {
    seen = std::max(seen, g->last);
    add(key, g->state, g->protocol_type);
  }
  // Groups that nobody has touched since the start: those with members are all live.
  for (const auto& [key, stored] : table_.all())
    if (!live_.contains(key))
      add(key, group_state::empty, stored.generation ? stored.generation->protocol_type : std::string_view());
  std::ranges::sort(event.groups, {}, &model::groups_listed::group::id);
  answer_after(seen, std::move(reply), std::move(event));
}

refusal group_coordinator::impl::remove_one(const model::caller& who, std::string_view name, model::ticket& seen) {
  live_group* g = open(who, name);
  if (g == nullptr) return refusal::group_not_found;
  seen = std::max(seen, g->last);
  if (g->state != group_state::empty) return refusal::group_not_empty;
  if (table_.find(g->key) != nullptr) {
    scratch_.clear();
    byte_writer(scratch_).text(g->key);
    if (!append(*g, group_record::group_removed, scratch_)) return refusal::coordinator_not_available;
    removed_ = std::max(removed_, g->last);
    seen = std::max(seen, g->last);
  }
  close(*g);
  return refusal::none;
}

void group_coordinator::impl::remove(const model::caller& who, const model::delete_groups& c,
                                     group_reply<model::groups_deleted> reply) {
  const turn t(*this);
  model::groups_deleted event;
  model::ticket seen = removed_;
  for (const std::string_view name : c.groups)
    event.groups.emplace_back(std::string(name), remove_one(who, name, seen));
  answer_after(seen, std::move(reply), std::move(event));
}

void group_coordinator::impl::remove_offsets(const model::caller& who, const model::delete_group_offsets& c,
                                             group_reply<model::group_offsets_deleted> reply) {
  const turn t(*this);
  model::group_offsets_deleted event;
  live_group* g = open(who, c.group);
  const bool in_use = g != nullptr && g->state != group_state::empty;
  if (g == nullptr) event.error = refusal::group_not_found;
  if (in_use && g->protocol_type != "consumer") event.error = refusal::group_not_empty;
  if (event.error != refusal::none) return answer(g, std::move(reply), std::move(event));
  const auto subscribed = g->subscribed();
  const groups::stored_group* stored = table_.find(g->key);
  scratch_.clear();
  groups::begin_offsets_removed(scratch_, g->key);
  groups::run_writer runs(scratch_);
  for (const auto& item : c.items) {
    refusal& r = event.items.emplace_back(refusal::none);
    const topic_directory::entry topic = topics_.find(who, item.topic);
    if (topic.error != refusal::none) {
      r = topic.error;
    } else if (in_use && (!subscribed || subscribed->contains(topic.name))) {
      r = refusal::group_subscribed;
    } else if (stored != nullptr && stored->find(topic.id, item.partition) != nullptr) {
      runs.topic(topic.id);
      runs.partition(item.partition);
    }
  }
  runs.finish();
  if (runs.items() != 0 && !append(*g, group_record::offsets_removed, scratch_))
    for (refusal& r : event.items)
      if (r == refusal::none) r = refusal::coordinator_not_available;
  answer(g, std::move(reply), std::move(event));
}

}  // namespace weir::broker
