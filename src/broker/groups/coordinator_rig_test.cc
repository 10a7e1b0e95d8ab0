// The rig's functions; it has no tests of its own.
#include <algorithm>

#include "base/assert.h"
#include "broker/groups/coordinator_rig.h"

namespace weir::broker::testing {

using model::refusal;

std::string text_of(refusal r) {
  switch (r) {
    case refusal::none:
      return "ok";
    case refusal::invalid_group:
      return "invalid_group";
    case refusal::group_not_found:
      return "group_not_found";
    case refusal::group_not_empty:
      return "group_not_empty";
    case refusal::invalid_request:
      return "invalid_request";
    case refusal::internal:
      return "internal";
    case refusal::commit_too_large:
      return "commit_too_large";
    case refusal::group_full:
      return "group_full";
    case refusal::group_subscribed:
      return "group_subscribed";
    case refusal::illegal_generation:
      return "illegal_generation";
    case refusal::unknown_member:
      return "unknown_member";
    case refusal::member_id_required:
      return "member_id_required";
    case refusal::fenced_instance:
      return "fenced_instance";
    case refusal::inconsistent_protocol:
      return "inconsistent_protocol";
    case refusal::invalid_session_timeout:
      return "invalid_session_timeout";
    case refusal::rebalance_in_progress:
      return "rebalance_in_progress";
    case refusal::coordinator_not_available:
      return "coordinator_not_available";
    case refusal::offset_metadata_too_large:
      return "offset_metadata_too_large";
    case refusal::unknown_topic_or_partition:
      return "unknown_topic_or_partition";
    case refusal::unknown_topic_id:
      return "unknown_topic_id";
    default:
      return "refusal " + std::to_string(static_cast<int>(r));
  }
}

std::string subscription_to(const std::vector<std::string>& topics) {
  byte_vector out;
  byte_writer w(out);
  w.be(std::int16_t{1});
  w.be(static_cast<std::int32_t>(topics.size()));
  for (const std::string& t : topics) {
    w.be(static_cast<std::int16_t>(t.size()));
    w.raw(as_bytes(t));
  }
  w.be(std::int32_t{-1});
  return std::string(as_text(out));
}

rig::rig(group_settings s, std::uint64_t seed) : random(seed), settings(s) {
  who.host = "10.0.0.1";
  topics.add("t", 10'000);
  topics.add("u", 10);
  groups = std::make_unique<group_coordinator>(settings, reactor, time, random, journal, topics);
  journal.owner = groups.get();
  groups->start();
}

byte_vector rig::snapshot() const {
  byte_vector out;
  groups->snapshot(shard, out);
  return out;
}

void rig::restart(bool by_snapshot) {
  const byte_vector saved = snapshot();
  journal.crash();
  groups = std::make_unique<group_coordinator>(settings, reactor, time, random, journal, topics);
  journal.owner = groups.get();
  if (by_snapshot) {
    WEIR_ASSERT(groups->restore(shard, saved).has_value());
  } else {
    for (const journal_entry& e : journal.entries)
      WEIR_ASSERT(groups->apply(e.shard, e.kind, e.version, e.state).has_value());
  }
  groups->start();
}

std::string rig::alias(const std::string& member) {
  constexpr std::size_t random_part = 37;
  if (member.size() <= random_part) return member;
  const auto it = aliases_.find(member);
  if (it != aliases_.end()) return it->second;
  const std::string prefix = member.substr(0, member.size() - random_part);
  return aliases_[member] = prefix + "#" + std::to_string(++alias_counts_[prefix]);
}

void rig::join(client& c, const std::string& group) {
  model::join_group j;
  j.group = group;
  j.member = c.member;
  if (c.instance) j.instance = *c.instance;
  j.client_id = c.name;
  j.protocol_type = "consumer";
  for (const auto& [name, metadata] : c.protocols) j.protocols.push_back({name, as_bytes(metadata)});
  j.session_timeout_ms = c.session_ms;
  j.rebalance_timeout_ms = c.rebalance_ms;
  j.member_id_required = c.id_required;
  j.skip_assignment_known = c.knows_skip;
  const waiter_id waiter{c.waiter != 0 ? c.waiter : ++waiters_};
  groups->join(shard, who, waiter, j, [this, &c](model::group_joined&& e) {
    std::string line = c.name + " join: " + text_of(e.error);
    if (e.error == refusal::none || e.error == refusal::member_id_required) {
      c.member = e.member_id;
      line += " as " + alias(e.member_id);
    }
    if (e.error == refusal::none) {
      c.generation = e.generation;
      c.leader = e.leader;
      c.members.clear();
      line += ", generation " + std::to_string(e.generation) + ", " + *e.protocol + ", led by " + alias(e.leader);
      if (e.skip_assignment) line += ", skips assignment";
      for (const auto& m : e.members) {
        c.members.push_back(m.id);
        line += std::string(c.members.size() == 1 ? ", members " : " ") + alias(m.id) + "=" +
                std::string(as_text(m.metadata));
      }
    }
    note(line);
    if (on_joined) on_joined(c, e);
  });
  if (journal.auto_durable) settle();
}

void rig::sync(client& c, const std::vector<std::pair<std::string, std::string>>& assignments,
               const std::string& group) {
  model::sync_group s;
  s.group = group;
  s.member = c.member;
  if (c.instance) s.instance = *c.instance;
  s.generation = c.generation;
  for (const auto& [to, data] : assignments) {
    std::string_view id = to;
    for (const std::string& m : c.members)
      if (m == to || alias(m) == to) id = m;
    s.assignments.push_back({id, as_bytes(data)});
  }
  const waiter_id waiter{c.waiter != 0 ? c.waiter : ++waiters_};
  groups->sync(shard, who, waiter, s, [this, &c](model::group_synced&& e) {
    c.assignment = std::string(as_text(e.assignment));
    note(c.name + " sync: " + text_of(e.error) + (e.error == refusal::none ? " \"" + c.assignment + "\"" : ""));
    if (on_synced) on_synced(c, e);
  });
  if (journal.auto_durable) settle();
}

refusal rig::beat(const client& c, const std::string& group) {
  model::heartbeat h{.group = group, .member = c.member, .instance = {}, .generation = c.generation};
  if (c.instance) h.instance = *c.instance;
  refusal seen = refusal::internal;
  groups->heartbeat(shard, who, h, [&](model::heartbeat_seen&& e) { seen = e.error; });
  return seen;
}

void rig::leave(const client& c, const std::string& group) {
  model::leave_group l{.group = group, .members = {}};
  l.members.push_back({c.member, {}, {}});
  if (c.instance) l.members.back().instance = *c.instance;
  groups->leave(shard, who, l, [this, name = c.name](model::group_left&& e) {
    note(name + " leave: " + text_of(e.error == refusal::none ? e.members.at(0).error : e.error));
  });
  if (journal.auto_durable) settle();
}

void rig::commit(const client& c, const std::vector<place>& places, const std::string& group,
                 std::int64_t retention_ms) {
  model::commit_offsets o;
  o.group = group;
  o.member = c.member;
  if (c.instance) o.instance = *c.instance;
  o.generation = c.generation;
  o.retention_ms = retention_ms;
  for (const place& p : places)
    o.items.push_back({{p.topic, p.id}, p.partition, model::offset{p.at}, model::epoch{p.leader_epoch}, p.metadata});
  groups->commit(shard, who, o, [this, name = c.name](model::offsets_committed&& e) {
    std::string line = name + " commit:";
    for (const refusal r : e.items) line += " " + text_of(r);
    note(line);
  });
  if (journal.auto_durable) settle();
}

namespace {

std::string text_of_offsets(const model::offsets_fetched& e) {
  std::string out;
  for (const auto& i : e.items) {
    out += (out.empty() ? "" : " ") + i.topic + "/" + std::to_string(i.partition) + "@" + std::to_string(i.at.raw());
    if (!i.metadata.empty()) out += ":" + i.metadata;
    if (i.leader_epoch.raw() >= 0) out += "(" + std::to_string(i.leader_epoch.raw()) + ")";
    if (i.error != refusal::none) out += " " + text_of(i.error);
  }
  return out;
}

}  // namespace

std::string rig::fetch(const std::vector<place>& places, const std::string& group) {
  model::fetch_offsets f{.group = group, .items = std::vector<model::fetch_offsets::item>()};
  for (const place& p : places) f.items->push_back({{p.topic, p.id}, p.partition});
  std::string seen = "no answer";
  groups->fetch_offsets(shard, who, f, [&](model::offsets_fetched&& e) { seen = text_of_offsets(e); });
  settle();
  return seen;
}

std::string rig::fetch_all(const std::string& group) {
  std::string seen = "no answer";
  groups->fetch_offsets(shard, who, {.group = group, .items = {}},
                        [&](model::offsets_fetched&& e) { seen = text_of_offsets(e); });
  settle();
  return seen;
}

std::string rig::state(const std::string& group) {
  std::string seen = "no answer";
  groups->describe(shard, who, {.groups = {group}}, [&](model::groups_described&& e) {
    const auto& g = e.groups.at(0);
    seen = g.state;
    if (g.error != refusal::none) seen += " " + text_of(g.error);
    for (const auto& m : g.members) {
      seen += " " + alias(m.id);
      if (!m.assignment.empty()) seen += "=" + std::string(as_text(m.assignment));
    }
  });
  settle();
  return seen;
}

std::string rig::list(const std::vector<std::string_view>& states, const std::vector<std::string_view>& types) {
  std::string seen;
  groups->list(who, {.states = states, .types = types}, [&](model::groups_listed&& e) {
    for (const auto& g : e.groups) seen += (seen.empty() ? "" : " ") + g.id + ":" + g.state + ":" + g.protocol_type;
  });
  settle();
  return seen;
}

refusal rig::remove(const std::string& group) {
  refusal seen = refusal::internal;
  groups->remove(shard, who, {.groups = {group}}, [&](model::groups_deleted&& e) { seen = e.groups.at(0).second; });
  settle();
  return seen;
}

std::string rig::remove_offsets(const std::vector<place>& places, const std::string& group) {
  model::delete_group_offsets d{.group = group, .items = {}};
  for (const place& p : places) d.items.push_back({{p.topic, p.id}, p.partition});
  std::string seen = "no answer";
  groups->remove_offsets(shard, who, d, [&](model::group_offsets_deleted&& e) {
    seen = text_of(e.error);
    for (const refusal r : e.items) seen += " " + text_of(r);
  });
  settle();
  return seen;
}

}  // namespace weir::broker::testing
