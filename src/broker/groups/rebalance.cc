// The phases of a group: joins are collected, the leader assigns, the assignment is stored, members go on.
// And the one timer of each group.
#include <algorithm>

#include "base/assert.h"
#include "broker/groups/coordinator_impl.h"

namespace weir::broker {

using model::refusal;

// ---- collecting joins

void group_coordinator::impl::prepare(live_group& g) {
  WEIR_ASSERT(g.state != group_state::preparing);
  if (g.state == group_state::completing) {
    for (const auto& [id, each] : g.members()) {
      live_member& m = g.get(id);
      m.assignment.clear();
      if (!m.syncing) continue;
      heard_of(m);
      answer_sync(g, m, failed_sync(refusal::rebalance_in_progress));
    }
  }
  g.initial = g.state == group_state::empty;
  g.state = group_state::preparing;
  g.storing = false;
  g.phase_timed = true;
  std::int64_t wait_ms = g.rebalance_timeout_ms();
  if (g.initial) {
    const std::int64_t delay = settings_.initial_rebalance_delay_ms;
    g.initial_left_ms = std::max<std::int64_t>(wait_ms - delay, 0);
    g.arrival = false;
    wait_ms = delay;
  }
  g.phase_deadline = after(wait_ms);
  arm(g, g.phase_deadline);
  try_complete_join(g);
}

void group_coordinator::impl::try_complete_join(live_group& g) {
  if (g.state == group_state::preparing && !g.initial && g.all_joined()) complete_join(g);
}

void group_coordinator::impl::complete_join(live_group& g) {
  WEIR_ASSERT(g.state == group_state::preparing);
  std::vector<std::string> absent;
  for (const auto& [id, m] : g.members())
    if (!m.joining && !m.instance) absent.push_back(id);
  for (const std::string& id : absent) g.erase(id);
  g.initial = false;
  if (!g.members().empty() && !g.elect_joined_leader()) {
    // Only static members are left and none came back yet; their sessions decide how long we wait.
    g.phase_deadline = after(std::max(g.rebalance_timeout_ms(), 1));
    return arm(g, g.phase_deadline);
  }
  ++g.generation;
  ++rebalances_;
  g.changed_ms = clock_.wall().raw();
  if (g.members().empty()) return become_empty(g);
  begin_sync(g);
}

void group_coordinator::impl::become_empty(live_group& g) {
  g.state = group_state::empty;
  g.protocol.reset();
  g.leader.clear();
  g.phase_timed = false;
  // When the journal refuses, the old generation stays stored; after a crash its members would run into their
  // session timeouts, which leads here again.
  (void)store_generation(g, g.to_stored());
}

void group_coordinator::impl::begin_sync(live_group& g) {
  g.state = group_state::completing;
  g.protocol = g.select_protocol();
  g.phase_timed = true;
  g.phase_deadline = after(g.rebalance_timeout_ms());
  arm(g, g.phase_deadline);
  for (const auto& [id, each] : g.members()) {
    live_member& m = g.get(id);
    m.is_new = false;
    m.synced = false;
    m.assignment.clear();
    heard_of(m);
    arm(g, m.deadline);
    if (m.joining) answer_join(g, m, joined_event(g, m));
  }
}

// ---- assignments

refusal group_coordinator::impl::check_sync(live_group* g, const model::sync_group& c) const {
  if (c.group.empty()) return refusal::invalid_group;
  if (g == nullptr) return refusal::unknown_member;
  if (const refusal r = check_member(*g, c.member, c.instance); r != refusal::none) return r;
  if (c.generation != g->generation) return refusal::illegal_generation;
  if (c.protocol_type && *c.protocol_type != g->protocol_type) return refusal::inconsistent_protocol;
  if (g->state == group_state::preparing) return refusal::rebalance_in_progress;
  if (c.protocol && g->protocol != *c.protocol) return refusal::inconsistent_protocol;
  return refusal::none;
}

void group_coordinator::impl::sync(const model::caller& who, waiter_id waiter, const model::sync_group& c,
                                   group_reply<model::group_synced> reply) {
  const turn t(*this);
  live_group* g = open(who, c.group);
  if (const refusal r = check_sync(g, c); r != refusal::none) return answer(g, std::move(reply), failed_sync(r));
  live_member& m = g->get(c.member);
  m.synced = true;
  heard_of(m);
  if (g->state == group_state::stable) {
    return answer<model::group_synced>(
        g, std::move(reply), {.protocol_type = g->protocol_type, .protocol = g->protocol, .assignment = m.assignment});
  }
  park(*g, m, {waiter, std::move(reply)});
  if (g->leader == m.id && !g->storing) store_assignments(*g, c);
}

void group_coordinator::impl::store_assignments(live_group& g, const model::sync_group& c) {
  std::map<std::string_view, bytes> by_member;
  for (const auto& a : c.assignments) by_member.emplace(a.member, a.data);
  groups::stored_generation stored = g.to_stored();
  for (groups::stored_member& m : stored.members) {
    const auto it = by_member.find(m.id);
    m.assignment.clear();  // a member that the leader left out gets none
    if (it != by_member.end()) m.assignment.assign(it->second.begin(), it->second.end());
  }
  if (const refusal why = store_generation(g, stored); why != refusal::none) {
    for (const auto& [id, each] : g.members()) answer_sync(g, g.get(id), failed_sync(why));
    return prepare(g);
  }
  g.storing = true;
  journal_.when_durable(g.last, [this, alive = alive_, key = g.key, is = g.incarnation, generation = g.generation] {
    if (*alive) on_assignments_durable(key, is, generation);
  });
}

void group_coordinator::impl::on_assignments_durable(const std::string& key, std::uint64_t incarnation,
                                                     std::int32_t generation) {
  const turn t(*this);
  const auto it = live_.find(key);
  if (it == live_.end()) return;
  live_group& g = *it->second;
  // A rebalance that began meanwhile has answered the syncs already.
  if (g.incarnation != incarnation || g.generation != generation || !g.storing) return;
  g.storing = false;
  g.state = group_state::stable;
  const groups::stored_group* stored = table_.find(key);
  WEIR_ASSERT(stored != nullptr && stored->generation && stored->generation->number == generation);
  for (const groups::stored_member& s : stored->generation->members) {
    live_member* m = g.find(s.id);
    if (m == nullptr) continue;
    m->assignment = s.assignment;
    if (!m->syncing) continue;
    heard_of(*m);
    answer_sync(g, *m, {.protocol_type = g.protocol_type, .protocol = g.protocol, .assignment = m->assignment});
  }
}

// ---- time

void group_coordinator::impl::arm(live_group& g, mono_ns when) {
  if (g.timer != timer_id{} && g.armed_at <= when) return;  // it looks again when it fires
  reactor_.cancel(g.timer);
  g.armed_at = when;
  g.timer = reactor_.at(when, [this, key = g.key] { on_timer(key); });
}

mono_ns group_coordinator::impl::next_deadline(const live_group& g) {
  mono_ns next{INT64_MAX};
  if (g.phase_timed) next = g.phase_deadline;
  for (const auto& [id, m] : g.members()) next = std::min(next, m.deadline);
  for (const auto& [id, until] : g.pending()) next = std::min(next, until);
  return next;
}

void group_coordinator::impl::on_timer(const std::string& key_of_group) {
  const turn t(*this);
  const auto it = live_.find(key_of_group);  // which goes away with the timer: not to be used below
  if (it == live_.end()) return;
  live_group& g = *it->second;
  g.timer = {};
  const mono_ns now = clock_.now();
  g.expire_pending(now);
  expire_members(g, now);
  end_phase(g, now);
  try_complete_join(g);
  const mono_ns next = next_deadline(g);
  if (next.raw() != INT64_MAX) arm(g, next);
  close_if_idle(g);
}

void group_coordinator::impl::expire_members(live_group& g, mono_ns now) {
  std::vector<std::string> gone;
  for (const auto& [id, each] : g.members()) {
    if (each.deadline > now) continue;
    live_member& m = g.get(id);
    if (m.waits() && !m.is_new)
      heard_of(m);  // it waits for us, not we for it
    else
      gone.push_back(id);
  }
  for (const std::string& id : gone)
    if (g.find(id) != nullptr) remove_member(g, id);
}

void group_coordinator::impl::end_phase(live_group& g, mono_ns now) {
  if (!g.phase_timed || g.phase_deadline > now) return;
  if (g.state == group_state::preparing) {
    if (!g.initial || !g.arrival || g.initial_left_ms == 0) return complete_join(g);
    const std::int64_t more = std::min<std::int64_t>(settings_.initial_rebalance_delay_ms, g.initial_left_ms);
    g.initial_left_ms -= more;
    g.arrival = false;
    g.phase_deadline = after(more);
    return;
  }
  // Everybody had the rebalance timeout to ask for its assignment.
  g.phase_timed = false;
  std::vector<std::string> silent;
  for (const auto& [id, m] : g.members())
    if (!m.synced) silent.push_back(id);
  for (const std::string& id : silent)
    if (g.find(id) != nullptr) remove_member(g, id);
}

void group_coordinator::impl::start() {
  const turn t(*this);
  for (const auto& [key, stored] : table_.all())
    if (stored.generation && !stored.generation->members.empty()) (void)open(key);
  std::set<model::uuid> missing;
  for (const auto& [id, holders] : table_.topics())
    if (topics_.name(id).empty()) missing.insert(id);
  for (const model::uuid& id : missing) forget_topic(id);
  if (settings_.sweep_interval_ms > 0)
    sweep_timer_ = reactor_.at(after(settings_.sweep_interval_ms), [this] { sweep_slice({}); });
}

group_coordinator::stats group_coordinator::impl::statistics() const {
  stats s{.groups = 0, .members = 0, .rebalances = rebalances_};
  for (const auto& [key, g] : live_) {
    s.members += g->members().size();
    if (table_.find(key) == nullptr) ++s.groups;
  }
  s.groups += table_.all().size();
  return s;
}

}  // namespace weir::broker
