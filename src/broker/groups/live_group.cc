#include "broker/groups/live_group.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "broker/groups/subscription.h"

namespace weir::broker::groups {

std::string_view to_string(group_state s) {
  switch (s) {
    case group_state::empty:
      return "Empty";
    case group_state::preparing:
      return "PreparingRebalance";
    case group_state::completing:
      return "CompletingRebalance";
    case group_state::stable:
      return "Stable";
  }
  return "Unknown";
}

const member_protocol* live_member::find(std::string_view protocol) const {
  const auto it = std::ranges::find(protocols, protocol, &member_protocol::name);
  return it == protocols.end() ? nullptr : &*it;
}

namespace {
// In memory, beside the texts.
constexpr std::size_t protocol_overhead = 64;
constexpr std::size_t member_overhead = 512;
constexpr std::size_t pending_overhead = 96;
constexpr std::size_t random_part = 37;  // of a member id, behind what the client calls itself

std::size_t bytes_of_pending(std::string_view id) { return pending_overhead + id.size(); }
}  // namespace

std::size_t bytes_of(const std::vector<model::join_group::protocol>& protocols) {
  std::size_t n = 0;
  for (const auto& p : protocols) n += protocol_overhead + p.name.size() + p.metadata.size();
  return n;
}

std::size_t bytes_of_member(const model::join_group& c) {
  const std::string_view name = c.instance ? *c.instance : c.client_id;
  return member_overhead + 2 * (name.size() + random_part) + c.client_id.size() + 2 * c.instance.value_or("").size() +
         bytes_of(c.protocols);
}

std::vector<member_protocol> copy_protocols(const std::vector<model::join_group::protocol>& from) {
  std::vector<member_protocol> out;
  out.reserve(from.size());
  std::set<std::string_view> seen;
  for (const auto& p : from) {
    if (!seen.insert(p.name).second) continue;
    out.push_back({std::string(p.name), {p.metadata.begin(), p.metadata.end()}});
  }
  return out;
}

void live_group::load(const stored_group& from) {
  if (!from.generation) return;
  const stored_generation& g = *from.generation;
  generation = g.number;
  protocol_type = g.protocol_type;
  protocol = g.protocol;
  leader = g.leader;
  changed_ms = g.changed_ms;
  state = g.members.empty() ? group_state::empty : group_state::stable;
  for (const stored_member& m : g.members) {
    if (members_.contains(m.id)) continue;
    live_member back{.id = m.id,
                     .instance = m.instance,
                     .client_id = m.client_id,
                     .host = m.host,
                     .session_timeout_ms = m.session_timeout_ms,
                     .rebalance_timeout_ms = m.rebalance_timeout_ms,
                     .protocols = {},
                     .assignment = m.assignment};
    back.protocols.push_back({g.protocol.value_or(""), m.metadata});
    add(std::move(back));
  }
}

live_member* live_group::find(std::string_view id) {
  const auto it = members_.find(id);
  return it == members_.end() ? nullptr : &it->second;
}

live_member& live_group::get(std::string_view id) {
  const auto it = members_.find(id);
  WEIR_ASSERT(it != members_.end());
  return it->second;
}

const std::string* live_group::holder(std::string_view instance) const {
  const auto it = statics_.find(instance);
  return it == statics_.end() ? nullptr : &it->second;
}

void live_group::count_protocols(const live_member& m, int by) {
  for (const member_protocol& p : m.protocols) {
    const auto it = supporters_.try_emplace(p.name, 0).first;
    it->second += static_cast<std::size_t>(by);
    if (it->second == 0) supporters_.erase(it);
  }
}

// A member's id and static name are kept twice, as names of places too.
void live_group::count_bytes(live_member& m) {
  std::size_t n = member_overhead + 2 * m.id.size() + 2 * m.instance.value_or("").size() + m.client_id.size();
  for (const member_protocol& p : m.protocols) n += protocol_overhead + p.name.size() + p.metadata.size();
  bytes_of_all_ += n - std::exchange(m.counted, n);
}

void live_group::add_pending(std::string id, mono_ns until) {
  bytes_of_all_ += bytes_of_pending(id);
  pending_.emplace(std::move(id), until);
}

live_group::pending_map::iterator live_group::forget_pending(pending_map::iterator at) {
  bytes_of_all_ -= bytes_of_pending(at->first);
  return pending_.erase(at);
}

bool live_group::erase_pending(std::string_view id) {
  const auto at = pending_.find(id);
  if (at == pending_.end()) return false;
  forget_pending(at);
  return true;
}

void live_group::expire_pending(mono_ns now) {
  for (auto at = pending_.begin(); at != pending_.end();) at = at->second <= now ? forget_pending(at) : std::next(at);
}

live_member& live_group::add(live_member m) {
  WEIR_ASSERT(!m.waits());
  if (leader.empty()) leader = m.id;
  if (m.instance) statics_[*m.instance] = m.id;
  count_protocols(m, 1);
  count_bytes(m);
  std::string id = m.id;
  const auto [it, added] = members_.emplace(std::move(id), std::move(m));
  WEIR_ASSERT(added);
  return it->second;
}

void live_group::erase(std::string_view id) {
  const auto it = members_.find(id);
  WEIR_ASSERT(it != members_.end() && !it->second.waits());
  live_member& m = it->second;
  count_protocols(m, -1);
  bytes_of_all_ -= m.counted;
  if (m.instance) {
    const auto held = statics_.find(*m.instance);
    if (held != statics_.end() && held->second == m.id) statics_.erase(held);
  }
  const bool led = leader == m.id;
  members_.erase(it);
  if (led) leader = members_.empty() ? "" : members_.begin()->first;
}

live_member& live_group::rename(std::string_view old_id, std::string new_id) {
  auto node = members_.extract(members_.find(old_id));
  WEIR_ASSERT(!node.empty() && !node.mapped().waits());
  if (leader == old_id) leader = new_id;
  node.key() = new_id;
  node.mapped().id = std::move(new_id);
  const auto placed = members_.insert(std::move(node));
  WEIR_ASSERT(placed.inserted);
  live_member& m = placed.position->second;
  if (m.instance) statics_[*m.instance] = m.id;
  return m;
}

void live_group::set_protocols(live_member& m, std::vector<member_protocol> protocols) {
  count_protocols(m, -1);
  m.protocols = std::move(protocols);
  count_protocols(m, 1);
  count_bytes(m);
}

void live_group::park_join(live_member& m, parked<model::group_joined> p) {
  WEIR_ASSERT(!m.joining && p);
  m.joining = std::move(p);
  ++joining_;
}

parked<model::group_joined> live_group::unpark_join(live_member& m) {
  if (m.joining) --joining_;
  return std::exchange(m.joining, {});
}

bool live_group::supports(std::string_view type, const std::vector<model::join_group::protocol>& protocols) const {
  if (members_.empty()) return !type.empty() && !protocols.empty();
  if (type != protocol_type) return false;
  return std::ranges::any_of(protocols, [&](const auto& p) {
    const auto it = supporters_.find(p.name);
    return it != supporters_.end() && it->second == members_.size();
  });
}

std::string live_group::select_protocol() const {
  WEIR_ASSERT(!members_.empty());
  const auto common = [&](const member_protocol& p) { return supporters_.find(p.name)->second == members_.size(); };
  std::map<std::string_view, std::size_t> votes;
  for (const auto& [id, m] : members_) {
    const auto choice = std::ranges::find_if(m.protocols, common);
    WEIR_ASSERT(choice != m.protocols.end());  // supports() was true for each when it came
    ++votes[choice->name];
  }
  return std::string(std::ranges::max_element(votes, {}, [](const auto& v) { return v.second; })->first);
}

bool live_group::elect_joined_leader() {
  const live_member* current = find(leader);
  if (current != nullptr && current->joining) return true;
  for (const auto& [id, m] : members_) {
    if (!m.joining) continue;
    leader = id;
    return true;
  }
  return false;
}

std::int32_t live_group::rebalance_timeout_ms() const {
  std::int32_t longest = 0;
  for (const auto& [id, m] : members_) longest = std::max(longest, m.rebalance_timeout_ms);
  return longest;
}

std::optional<std::set<std::string, std::less<>>> live_group::subscribed() const {
  std::set<std::string, std::less<>> topics;
  if (members_.empty()) return topics;
  if (protocol_type != consumer_protocol_type || !protocol) return std::nullopt;
  for (const auto& [id, m] : members_) {
    const member_protocol* p = m.find(*protocol);
    if (p == nullptr || !read_subscription(p->metadata, topics)) return std::nullopt;
  }
  return topics;
}

stored_generation live_group::to_stored() const {
  stored_generation g{.number = generation,
                      .protocol_type = protocol_type,
                      .protocol = protocol,
                      .leader = leader,
                      .changed_ms = changed_ms,
                      .members = {}};
  g.members.reserve(members_.size());
  for (const auto& [id, m] : members_) {
    const member_protocol* p = protocol ? m.find(*protocol) : nullptr;
    g.members.push_back({.id = m.id,
                         .instance = m.instance,
                         .client_id = m.client_id,
                         .host = m.host,
                         .session_timeout_ms = m.session_timeout_ms,
                         .rebalance_timeout_ms = m.rebalance_timeout_ms,
                         .metadata = p != nullptr ? p->metadata : byte_vector{},
                         .assignment = m.assignment});
  }
  return g;
}

}  // namespace weir::broker::groups
