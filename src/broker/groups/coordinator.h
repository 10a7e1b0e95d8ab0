// The coordinator of classic consumer groups: membership, rebalancing, and committed offsets.
//
// Semantics: Kafka's classic group protocol as its clients know it (KIP-62, 134, 211, 345, 394, 429, 559,
// 814). Owner thread: the reactor of the shards that it serves; one object per reactor. A group lives in one
// shard, which the core chooses from vhost and group name and which must never change.
//
// Two kinds of state. *Stored* state (group_table: generation, members and assignments of the last complete
// generation, offsets) changes only in apply(); it is in snapshots and comes back after a crash. *Live* state
// (who waits for what, timers, members that have not been in a complete generation yet) is here and is lost
// in a crash; then members go on in their stored generation, and those that are not in it join again.
//
// Life of a request: decide -> journal.append (which calls apply before it returns) -> when durable -> reply.
// Every reply waits for the durability of all that this group appended before it was decided. Each request is
// answered exactly once unless it is dropped or the store is fenced; a reply may come before the call
// returns.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "base/result.h"
#include "broker/groups/settings.h"
#include "model/commands.h"
#include "model/ids.h"

namespace weir::broker {

// State kinds of our records (40-59 are ours). All have version 1.
enum class group_record : std::uint16_t {
  metadata = 40,         // a group's generation with members and assignments replaces what was there
  offsets = 41,          // the accepted items of one commit
  offsets_removed = 42,  // some partitions of one group, deleted or expired
  group_removed = 43,
  topic_forgotten = 44,  // the offsets of one topic in all groups of the shard
};
[[nodiscard]] constexpr bool is_group_record(std::uint16_t state_kind) { return state_kind >= 40 && state_kind < 60; }

// How records reach the log. Implemented by the core; everything on the owner thread.
class group_journal {
 public:
  group_journal() = default;
  group_journal(const group_journal&) = delete;
  group_journal& operator=(const group_journal&) = delete;
  virtual ~group_journal() = default;

  // Appends a state record of the essential class to the shard; calls group_coordinator::apply with it before
  // it returns. May be refused (no_space, busy, fenced, out_of_range: larger than a record); then nothing changed.
  [[nodiscard]] virtual result<model::ticket> append(model::shard_id shard, std::uint16_t state_kind,
                                                     std::uint8_t state_version, bytes state) = 0;
  [[nodiscard]] virtual model::ticket durable_ticket() const = 0;
  // Runs `t` when everything up to `at` is durable; in the order of the calls for one ticket. Never runs it
  // before the call returns. After a fence it is destroyed unrun.
  virtual void when_durable(model::ticket at, task t) = 0;
};

// What the coordinator must know about topics. Implemented by the core, which also decides rights here.
class topic_directory {
 public:
  struct entry {
    model::refusal error = model::refusal::none;  // unknown_topic_or_partition, unknown_topic_id, denied_topic, ...
    std::string_view name;                        // valid until the topic changes
    model::uuid id{};
    std::int32_t partitions = 0;
  };
  topic_directory() = default;
  topic_directory(const topic_directory&) = delete;
  topic_directory& operator=(const topic_directory&) = delete;
  virtual ~topic_directory() = default;

  // By name, or by id when the name is empty.
  [[nodiscard]] virtual entry find(const model::caller& who, const model::topic_ref& topic) const = 0;
  // The name of the topic with this id, in any vhost and whoever asks; empty when there is none.
  [[nodiscard]] virtual std::string_view name(const model::uuid& id) const = 0;
};

// Names what a caller has parked here; the caller's choice (one per request, or one per session).
using waiter_id = strong<struct waiter_id_tag, std::uint64_t>;

template<class Event>
using group_reply = std::function<void(Event&&)>;

class group_coordinator {
 public:
  // All references outlive the coordinator.
  group_coordinator(const group_settings& settings, executor& reactor, const clock& time, rng& random,
                    group_journal& journal, const topic_directory& topics);
  group_coordinator(const group_coordinator&) = delete;
  group_coordinator& operator=(const group_coordinator&) = delete;
  ~group_coordinator();

  // Commands' views need to live only until the call returns. Only join and sync park.
  void join(model::shard_id shard, const model::caller& who, waiter_id waiter, const model::join_group& c,
            group_reply<model::group_joined> reply);
  void sync(model::shard_id shard, const model::caller& who, waiter_id waiter, const model::sync_group& c,
            group_reply<model::group_synced> reply);
  void heartbeat(model::shard_id shard, const model::caller& who, const model::heartbeat& c,
                 group_reply<model::heartbeat_seen> reply);
  // group_left::error is set only when the group's name is invalid; else each member has its own.
  void leave(model::shard_id shard, const model::caller& who, const model::leave_group& c,
             group_reply<model::group_left> reply);
  void commit(model::shard_id shard, const model::caller& who, const model::commit_offsets& c,
              group_reply<model::offsets_committed> reply);
  // A partition without a committed offset gives offset -1 and no error. "All" leaves out deleted topics, and
  // topics that the caller may not see.
  void fetch_offsets(model::shard_id shard, const model::caller& who, const model::fetch_offsets& c,
                     group_reply<model::offsets_fetched> reply);

  // For the groups of one shard: the core sends each name to its group's shard and joins the answers.
  // An unknown group has state "Dead" *and* error group_not_found: DescribeGroups up to v5 shows the first
  // alone.
  void describe(model::shard_id shard, const model::caller& who, const model::describe_groups& c,
                group_reply<model::groups_described> reply);
  // All groups of the caller's vhost in this coordinator, sorted by name.
  void list(const model::caller& who, const model::list_groups& c, group_reply<model::groups_listed> reply);
  void remove(model::shard_id shard, const model::caller& who, const model::delete_groups& c,
              group_reply<model::groups_deleted> reply);
  void remove_offsets(model::shard_id shard, const model::caller& who, const model::delete_group_offsets& c,
                      group_reply<model::group_offsets_deleted> reply);

  // The waiter's session went away: its parked joins and syncs are forgotten unanswered. The members stay
  // until their session timeout, which starts now.
  void drop(waiter_id waiter);

  // A topic is gone for good: forgets its offsets in every group (appends one record per shard that had any).
  void on_topic_deleted(const model::uuid& id);

  // ---- the state machine's part
  // The only mutator of stored state. Faults: corrupt (never from what we wrote), unsupported (version or
  // kind).
  [[nodiscard]] result<void> apply(model::shard_id shard, std::uint16_t state_kind, std::uint8_t state_version,
                                   bytes state);
  // Appends all stored state of the shard to `out`; exact.
  void snapshot(model::shard_id shard, byte_vector& out) const;
  // Replaces all stored state of the shard. Before start() only.
  [[nodiscard]] result<void> restore(model::shard_id shard, bytes snapshot);
  // Once, when recovery is through and topics are known, before the first request: members of stored
  // generations go on and get a full session timeout; offsets of topics that no longer exist are forgotten.
  void start();

  struct stats {
    std::size_t groups = 0;
    std::size_t members = 0;
    std::uint64_t rebalances = 0;  // generations completed since start
  };
  [[nodiscard]] stats statistics() const;
  // What groups and offsets that outlive their members take.
  [[nodiscard]] std::size_t stored_bytes() const;

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace weir::broker
