// The live state of one group: who is in it now, who waits for an answer, and until when. Lost in a crash.
//
// This file keeps the sums right (counts of parked joins, of supported protocols, of static names); the rules
// of the protocol are in the coordinator. Owner: one group_coordinator.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "broker/groups/coordinator.h"
#include "broker/groups/group_table.h"
#include "model/commands.h"

namespace weir::broker::groups {

enum class group_state : std::uint8_t { empty, preparing, completing, stable };
[[nodiscard]] std::string_view to_string(group_state s);

template<class Event>
struct parked {
  waiter_id waiter{};
  group_reply<Event> reply{};
  explicit operator bool() const { return static_cast<bool>(reply); }
};

struct member_protocol {
  std::string name;
  byte_vector metadata;
  friend bool operator==(const member_protocol&, const member_protocol&) = default;
};

struct live_member {
  std::string id;
  std::optional<std::string> instance{};
  std::string client_id{};
  std::string host{};
  std::int32_t session_timeout_ms = 0;
  std::int32_t rebalance_timeout_ms = 0;
  std::vector<member_protocol> protocols{};  // by preference, names unique
  byte_vector assignment{};
  bool is_new = false;  // has not been in a generation yet
  bool synced = true;   // asked for its assignment in this generation
  mono_ns deadline{};   // gone if nothing is heard until then; does not count while an answer is parked
  parked<model::group_joined> joining{};
  parked<model::group_synced> syncing{};
  std::size_t counted = 0;  // in the bytes of all members

  [[nodiscard]] bool waits() const { return joining || syncing; }
  [[nodiscard]] const member_protocol* find(std::string_view protocol) const;
};

// What the protocols of a join take, and the whole of it as a member.
[[nodiscard]] std::size_t bytes_of(const std::vector<model::join_group::protocol>& protocols);
[[nodiscard]] std::size_t bytes_of_member(const model::join_group& c);
[[nodiscard]] std::vector<member_protocol> copy_protocols(const std::vector<model::join_group::protocol>& from);

class live_group {
 public:
  // `bytes_of_all` counts what the members of all groups bring, and the ids that were given out; it outlives the group.
  live_group(std::string group_key, model::shard_id home, std::uint64_t unique, std::size_t& bytes_of_all)
      : key(std::move(group_key)), shard(home), incarnation(unique), bytes_of_all_(bytes_of_all) {}
  // Goes on from what is stored: stable with its members, or empty.
  void load(const stored_group& from);

  [[nodiscard]] const std::map<std::string, live_member, std::less<>>& members() const { return members_; }
  [[nodiscard]] live_member* find(std::string_view id);
  [[nodiscard]] live_member& get(std::string_view id);  // must be there
  // The member id that has the static name; null when there is none.
  [[nodiscard]] const std::string* holder(std::string_view instance) const;

  live_member& add(live_member m);
  // Nothing may be parked in it any more. Another member leads if it was the leader.
  void erase(std::string_view id);
  // The same member under a new id (static membership): keeps its place, its assignment and the leadership.
  live_member& rename(std::string_view old_id, std::string new_id);
  void set_protocols(live_member& m, std::vector<member_protocol> protocols);

  void park_join(live_member& m, parked<model::group_joined> p);  // m has none parked
  [[nodiscard]] parked<model::group_joined> unpark_join(live_member& m);

  // Ids given out by member_id_required, until when.
  using pending_map = std::map<std::string, mono_ns, std::less<>>;
  [[nodiscard]] const pending_map& pending() const { return pending_; }
  void add_pending(std::string id, mono_ns until);
  bool erase_pending(std::string_view id);  // false: it is not there
  void expire_pending(mono_ns now);

  // Whether a member with this type and these protocols can be in the group.
  [[nodiscard]] bool supports(std::string_view type, const std::vector<model::join_group::protocol>& protocols) const;
  // The common protocol that most members prefer. There is a member.
  [[nodiscard]] std::string select_protocol() const;
  [[nodiscard]] bool all_joined() const { return joining_ == members_.size() && pending_.empty(); }
  [[nodiscard]] std::size_t joining() const { return joining_; }
  // False when nobody who could lead has rejoined.
  [[nodiscard]] bool elect_joined_leader();
  [[nodiscard]] std::int32_t rebalance_timeout_ms() const;  // the longest of the members
  // The topics that the members read, by the metadata of the chosen protocol; nullopt when that is not known.
  [[nodiscard]] std::optional<std::set<std::string, std::less<>>> subscribed() const;
  // As it is to be stored, with the members' present assignments.
  [[nodiscard]] stored_generation to_stored() const;

  std::string key;
  model::shard_id shard{};
  std::uint64_t incarnation = 0;  // differs for each live_group ever made
  group_state state = group_state::empty;
  std::int32_t generation = 0;
  std::string protocol_type;  // empty: no member ever joined
  std::optional<std::string> protocol;
  std::string leader;
  std::int64_t changed_ms = 0;

  mono_ns phase_deadline{};  // preparing: joins close; completing and stable: who did not sync is dropped
  bool phase_timed = false;
  bool initial = false;              // preparing from empty: waits for arrivals, however many have joined
  bool arrival = false;              // somebody came during this initial delay
  std::int64_t initial_left_ms = 0;  // by how much the initial delay may still be extended
  bool storing = false;              // the assignment is on its way to the disk

  model::ticket last{};  // of this group's newest record
  timer_id timer{};
  mono_ns armed_at{};

 private:
  void count_protocols(const live_member& m, int by);
  void count_bytes(live_member& m);
  pending_map::iterator forget_pending(pending_map::iterator at);

  std::size_t& bytes_of_all_;

  std::map<std::string, live_member, std::less<>> members_;
  std::map<std::string, std::string, std::less<>> statics_;     // instance -> member id
  std::map<std::string, std::size_t, std::less<>> supporters_;  // protocol -> how many members support it
  pending_map pending_;
  std::size_t joining_ = 0;
};

}  // namespace weir::broker::groups
