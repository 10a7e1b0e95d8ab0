// Who is in a group: join, heartbeat, leave, and sessions that go away.
#include <algorithm>
#include <array>

#include "base/assert.h"
#include "broker/groups/coordinator_impl.h"

namespace weir::broker {

using model::refusal;

namespace {

constexpr std::int32_t clamp_timeout(std::int32_t ms) { return std::max(ms, std::int32_t{0}); }

}  // namespace

std::string group_coordinator::impl::new_member_id(std::string_view prefix) {
  constexpr std::string_view digits = "0123456789abcdef";
  const std::array<std::uint64_t, 2> random = {rng_.next(), rng_.next()};
  std::string id(prefix);
  for (std::size_t i = 0; i < 32; ++i) {
    if (i == 0 || i == 8 || i == 12 || i == 16 || i == 20) id.push_back('-');
    id.push_back(digits[(random[i / 16] >> (4 * (i % 16))) & 15]);
  }
  return id;
}

// ---- what is parked

void group_coordinator::impl::unlist(waiter_id waiter, const live_group& g, const live_member& m) {
  const auto it = waiting_.find(waiter);
  if (it == waiting_.end()) return;
  auto& places = it->second;
  const auto at = std::ranges::find_if(places, [&](const auto& p) { return p.first == g.key && p.second == m.id; });
  if (at != places.end()) places.erase(at);
  if (places.empty()) waiting_.erase(it);
}

void group_coordinator::impl::park(live_group& g, live_member& m, groups::parked<model::group_joined> p) {
  // A second join of the same member: its client has given up on the first.
  if (m.joining) answer_join(g, m, failed_join(refusal::rebalance_in_progress, m.id));
  waiting_[p.waiter].emplace_back(g.key, m.id);
  g.park_join(m, std::move(p));
}

void group_coordinator::impl::park(live_group& g, live_member& m, groups::parked<model::group_synced> p) {
  if (m.syncing) answer_sync(g, m, failed_sync(refusal::rebalance_in_progress));
  waiting_[p.waiter].emplace_back(g.key, m.id);
  m.syncing = std::move(p);
}

void group_coordinator::impl::answer_join(live_group& g, live_member& m, model::group_joined event) {
  if (!m.joining) return;
  auto p = g.unpark_join(m);
  unlist(p.waiter, g, m);
  answer(&g, std::move(p.reply), std::move(event));
}

void group_coordinator::impl::answer_sync(live_group& g, live_member& m, model::group_synced event) {
  if (!m.syncing) return;
  auto p = std::exchange(m.syncing, {});
  unlist(p.waiter, g, m);
  answer(&g, std::move(p.reply), std::move(event));
}

void group_coordinator::impl::unpark_all(live_group& g, live_member& m, refusal why) {
  answer_join(g, m, failed_join(why, m.id));
  answer_sync(g, m, failed_sync(why));
}

void group_coordinator::impl::drop(waiter_id waiter) {
  const turn t(*this);
  const auto it = waiting_.find(waiter);
  if (it == waiting_.end()) return;
  const auto places = std::move(it->second);
  waiting_.erase(it);
  for (const auto& [key, id] : places) {
    live_group* g = open(key);
    live_member* m = g != nullptr ? g->find(id) : nullptr;
    if (m == nullptr) continue;
    if (m->joining.waiter == waiter) (void)g->unpark_join(*m);
    if (m->syncing.waiter == waiter) m->syncing = {};
    m->is_new = false;  // an ordinary session from now on: nobody waits for the long grace of a new member
    heard_of(*m);
    arm(*g, m->deadline);
  }
}

// ---- join

refusal group_coordinator::impl::check_join(const model::join_group& c) const {
  if (c.group.empty()) return refusal::invalid_group;
  if (c.session_timeout_ms < settings_.session_timeout_min_ms ||
      c.session_timeout_ms > settings_.session_timeout_max_ms)
    return refusal::invalid_session_timeout;
  if (c.protocol_type.empty() || c.protocols.empty()) return refusal::inconsistent_protocol;
  return groups::bytes_of(c.protocols) > settings_.member_bytes_max ? refusal::invalid_request : refusal::none;
}

void group_coordinator::impl::refuse(live_group* g, joiner& j, refusal why, std::string_view id) {
  answer(g, std::move(j.answer.reply), failed_join(why, id));
}

void group_coordinator::impl::join(model::shard_id shard, const model::caller& who, waiter_id waiter,
                                   const model::join_group& c, group_reply<model::group_joined> reply) {
  const turn t(*this);
  joiner j{who, c, {waiter, std::move(reply)}};
  if (const refusal r = check_join(c); r != refusal::none) return refuse(nullptr, j, r, c.member);
  live_group* g = open(who, c.group);
  if (g == nullptr) {
    if (!c.member.empty()) return refuse(nullptr, j, refusal::unknown_member, c.member);
    if (!may_create() || table_.stored_bytes() >= settings_.stored_bytes_max)
      return refuse(nullptr, j, refusal::group_full, "");
    g = &open_or_create(shard, groups::make_key(who.vhost, c.group));
  }
  if (!has_memory(*g, c)) {
    refuse(g, j, refusal::group_full, "");
    return close_if_idle(*g);
  }
  if (!has_room(*g, c.member)) {
    refuse(g, j, refusal::group_full, "");
    if (g->find(c.member) != nullptr) remove_member(*g, std::string(c.member));
    return;
  }
  if (c.member.empty())
    join_new(*g, j);
  else
    join_known(*g, j);
  close_if_idle(*g);
}

// Who is in already only gives up what it had for what it brings now.
bool group_coordinator::impl::has_memory(live_group& g, const model::join_group& c) const {
  const live_member* m = g.find(c.member);
  const std::size_t others = member_bytes_ - (m != nullptr ? m->counted : 0);
  return others + groups::bytes_of_member(c) <= settings_.members_bytes_max;
}

bool group_coordinator::impl::has_room(live_group& g, std::string_view member) const {
  const auto most = static_cast<std::size_t>(settings_.members_max);
  const live_member* m = g.find(member);
  switch (g.state) {
    case group_state::empty:
      return true;
    // A group that was larger before the limit was lowered shrinks here: the first to rejoin stay.
    case group_state::preparing:
      return (m != nullptr && m->joining) || g.joining() < most;
    default:
      return m != nullptr || g.members().size() < most;
  }
}

void group_coordinator::impl::join_new(live_group& g, joiner& j) {
  if (!g.supports(j.c.protocol_type, j.c.protocols)) return refuse(&g, j, refusal::inconsistent_protocol, "");
  if (j.c.instance) {
    const std::string* held = g.holder(*j.c.instance);
    if (held != nullptr) return replace_static(g, j, std::string(*held));
    return add_member(g, j, new_member_id(*j.c.instance));
  }
  std::string id = new_member_id(j.c.client_id);
  if (!j.c.member_id_required) return add_member(g, j, std::move(id));
  if (g.pending().size() >= static_cast<std::size_t>(settings_.members_max))
    return refuse(&g, j, refusal::group_full, "");
  // KIP-394: the member joins with its id in a second request, so that a lost answer leaves no ghost in the
  // group.
  const mono_ns until = after(j.c.session_timeout_ms);
  g.add_pending(id, until);
  arm(g, until);
  refuse(&g, j, refusal::member_id_required, id);
}

void group_coordinator::impl::join_known(live_group& g, joiner& j) {
  const std::string_view id = j.c.member;
  if (!g.supports(j.c.protocol_type, j.c.protocols)) return refuse(&g, j, refusal::inconsistent_protocol, id);
  if (g.pending().contains(id)) {
    if (j.c.instance) return refuse(&g, j, refusal::unknown_member, id);
    g.erase_pending(id);
    return add_member(g, j, std::string(id));
  }
  if (const refusal r = check_member(g, id, j.c.instance); r != refusal::none) return refuse(&g, j, r, id);
  live_member& m = g.get(id);
  const bool same = m.protocols == groups::copy_protocols(j.c.protocols);
  switch (g.state) {
    case group_state::empty:
      return refuse(&g, j, refusal::unknown_member, id);
    case group_state::preparing:
      return update_and_rebalance(g, m, j);
    case group_state::completing:
      // It did not get the answer of this generation, or it wants something else.
      return same ? repeat_generation(g, m, j) : update_and_rebalance(g, m, j);
    case group_state::stable:
      // A leader rejoins to make a new assignment, a follower also when it only lost its answer.
      return same && g.leader != id ? repeat_generation(g, m, j) : update_and_rebalance(g, m, j);
  }
}

model::refusal group_coordinator::impl::check_member(live_group& g, std::string_view id,
                                                     std::optional<std::string_view> instance) {
  if (instance) {
    const std::string* held = g.holder(*instance);
    if (held == nullptr) return refusal::unknown_member;
    if (*held != id) return refusal::fenced_instance;
  }
  return g.find(id) != nullptr ? refusal::none : refusal::unknown_member;
}

void group_coordinator::impl::take_terms(live_group& g, live_member& m, const joiner& j) {
  m.client_id = j.c.client_id;
  m.host = j.who.host;
  m.session_timeout_ms = j.c.session_timeout_ms;
  m.rebalance_timeout_ms =
      clamp_timeout(j.c.rebalance_timeout_ms < 0 ? j.c.session_timeout_ms : j.c.rebalance_timeout_ms);
  g.set_protocols(m, groups::copy_protocols(j.c.protocols));
}

void group_coordinator::impl::add_member(live_group& g, joiner& j, std::string id) {
  if (g.members().empty()) g.protocol_type = j.c.protocol_type;
  live_member fresh{.id = std::move(id)};
  if (j.c.instance) fresh.instance = std::string(*j.c.instance);
  fresh.is_new = true;
  live_member& m = g.add(std::move(fresh));
  take_terms(g, m, j);
  m.deadline = after(settings_.new_member_grace_ms);
  arm(g, m.deadline);
  park(g, m, std::move(j.answer));
  if (g.state == group_state::preparing) {
    g.arrival = true;
    return try_complete_join(g);
  }
  prepare(g);
}

void group_coordinator::impl::update_and_rebalance(live_group& g, live_member& m, joiner& j) {
  take_terms(g, m, j);
  park(g, m, std::move(j.answer));
  if (g.state == group_state::preparing) return try_complete_join(g);
  prepare(g);
}

// KIP-345: a static member came back without its id; the new id takes the place of the old one.
void group_coordinator::impl::replace_static(live_group& g, joiner& j, const std::string& old_id) {
  const std::string old_leader = g.leader;
  unpark_all(g, g.get(old_id), refusal::fenced_instance);
  live_member& m = g.rename(old_id, new_member_id(*j.c.instance));
  take_terms(g, m, j);
  heard_of(m);
  arm(g, m.deadline);
  const bool goes_on = g.state == group_state::stable && g.select_protocol() == g.protocol;
  if (!goes_on || store_generation(g, g.to_stored()) != refusal::none) {
    park(g, m, std::move(j.answer));
    return g.state == group_state::preparing ? try_complete_join(g) : prepare(g);
  }
  model::group_joined event = joined_event(g, m);
  if (j.c.skip_assignment_known) {
    event.skip_assignment = g.leader == m.id;
  } else {
    // An older client that sees itself as leader would assign again; naming the old id keeps it from that.
    event.leader = old_leader;
    event.members.clear();
  }
  answer(&g, std::move(j.answer.reply), std::move(event));
}

void group_coordinator::impl::repeat_generation(live_group& g, live_member& m, joiner& j) {
  heard_of(m);
  answer(&g, std::move(j.answer.reply), joined_event(g, m));
}

model::group_joined group_coordinator::impl::joined_event(const live_group& g, const live_member& m) const {
  model::group_joined e{.generation = g.generation,
                        .protocol_type = g.protocol_type,
                        .protocol = g.protocol,
                        .leader = g.leader,
                        .member_id = m.id,
                        .members = {}};
  if (g.leader != m.id) return e;
  e.members.reserve(g.members().size());
  for (const auto& [id, each] : g.members()) {
    const groups::member_protocol* p = each.find(*g.protocol);
    e.members.push_back({id, each.instance, p != nullptr ? p->metadata : byte_vector{}});
  }
  return e;
}

// ---- heartbeat, leave

refusal group_coordinator::impl::heartbeat(const model::caller& who, const model::heartbeat& c) {
  if (c.group.empty()) return refusal::invalid_group;
  live_group* g = open(who, c.group);
  if (g == nullptr) return refusal::unknown_member;
  if (const refusal r = check_member(*g, c.member, c.instance); r != refusal::none) return r;
  if (c.generation != g->generation) return refusal::illegal_generation;
  heard_of(g->get(c.member));
  return g->state == group_state::preparing ? refusal::rebalance_in_progress : refusal::none;
}

void group_coordinator::impl::leave(const model::caller& who, const model::leave_group& c,
                                    group_reply<model::group_left> reply) {
  const turn t(*this);
  if (c.group.empty())
    return answer<model::group_left>(nullptr, std::move(reply), {.error = refusal::invalid_group, .members = {}});
  model::group_left event;
  event.members.reserve(c.members.size());
  model::ticket seen = removed_;
  for (const auto& m : c.members) {
    live_group* g = open(who, c.group);  // it may go with its last member
    std::optional<std::string> instance;
    if (m.instance) instance = std::string(*m.instance);
    event.members.push_back({std::string(m.id), std::move(instance), leave_one(g, m)});
    if (g == nullptr) continue;
    seen = std::max(seen, g->last);
    close_if_idle(*g);
  }
  answer_after(seen, std::move(reply), std::move(event));
}

refusal group_coordinator::impl::leave_one(live_group* g, const model::leave_group::member& who) {
  if (g == nullptr) return refusal::unknown_member;
  std::string id(who.id);
  if (who.instance) {
    const std::string* held = g->holder(*who.instance);
    if (held == nullptr) return refusal::unknown_member;
    if (id.empty()) id = *held;  // removal by an administrator, who knows only the static name
    if (id != *held) return refusal::fenced_instance;
  }
  if (g->erase_pending(id)) {
    if (g->state == group_state::preparing) try_complete_join(*g);
    return refusal::none;
  }
  if (g->find(id) == nullptr) return refusal::unknown_member;
  remove_member(*g, id);
  return refusal::none;
}

void group_coordinator::impl::remove_member(live_group& g, const std::string& id) {
  unpark_all(g, g.get(id), refusal::unknown_member);
  g.erase(id);
  if (g.state == group_state::preparing) return try_complete_join(g);
  prepare(g);
}

}  // namespace weir::broker
