// The coordinator's inside. One class, its functions by theme in membership.cc (join, leave, heartbeat),
// rebalance.cc (phases, timers, sync), offsets.cc (commit, fetch, expiry) and admin.cc (describe, list,
// delete).
//
// Replies may call back into the coordinator, so none runs while we are in the middle of something: they are
// collected and leave at the end of the outermost call (class turn).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/groups/coordinator.h"
#include "broker/groups/group_table.h"
#include "broker/groups/live_group.h"

namespace weir::broker {

[[nodiscard]] inline model::group_joined failed_join(model::refusal why, std::string_view member) {
  model::group_joined e;
  e.error = why;
  e.member_id = member;
  return e;
}
[[nodiscard]] inline model::group_synced failed_sync(model::refusal why) {
  model::group_synced e;
  e.error = why;
  return e;
}

class group_coordinator::impl {
 public:
  using live_group = groups::live_group;
  using live_member = groups::live_member;
  using group_state = groups::group_state;

  impl(const group_settings& settings, executor& reactor, const clock& time, rng& random, group_journal& journal,
       const topic_directory& topics)
      : settings_(settings), reactor_(reactor), clock_(time), rng_(random), journal_(journal), topics_(topics) {}
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;
  ~impl();

  // What a join is made of, once its form is checked.
  struct joiner {
    const model::caller& who;
    const model::join_group& c;
    groups::parked<model::group_joined> answer;
  };

  // ---- membership.cc
  void join(model::shard_id shard, const model::caller& who, waiter_id waiter, const model::join_group& c,
            group_reply<model::group_joined> reply);
  [[nodiscard]] model::refusal heartbeat(const model::caller& who, const model::heartbeat& c);
  void leave(const model::caller& who, const model::leave_group& c, group_reply<model::group_left> reply);
  void drop(waiter_id waiter);

  // ---- rebalance.cc
  void sync(const model::caller& who, waiter_id waiter, const model::sync_group& c,
            group_reply<model::group_synced> reply);
  void start();

  // ---- offsets.cc
  void commit(model::shard_id shard, const model::caller& who, const model::commit_offsets& c,
              group_reply<model::offsets_committed> reply);
  void fetch(const model::caller& who, const model::fetch_offsets& c, group_reply<model::offsets_fetched> reply);
  void forget_topic(const model::uuid& id);

  // ---- admin.cc
  void describe(const model::caller& who, const model::describe_groups& c, group_reply<model::groups_described> reply);
  void list(const model::caller& who, const model::list_groups& c, group_reply<model::groups_listed> reply);
  void remove(const model::caller& who, const model::delete_groups& c, group_reply<model::groups_deleted> reply);
  void remove_offsets(const model::caller& who, const model::delete_group_offsets& c,
                      group_reply<model::group_offsets_deleted> reply);
  [[nodiscard]] stats statistics() const;

  groups::group_table table_;

 private:
  // Holds the replies back until the outermost turn ends.
  class turn {
   public:
    explicit turn(impl& owner) : owner_(owner) { ++owner_.depth_; }
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;
    ~turn() {
      if (--owner_.depth_ == 0) owner_.flush();
    }

   private:
    impl& owner_;
  };
  void flush();

  // ---- coordinator.cc: groups, answers, the journal
  [[nodiscard]] live_group* open(const model::caller& who, std::string_view name);
  [[nodiscard]] live_group* open(std::string_view key);  // null: neither live nor stored
  [[nodiscard]] live_group& open_or_create(model::shard_id shard, std::string_view key);
  [[nodiscard]] bool may_create() const;
  [[nodiscard]] bool has_room(const groups::stored_group* known, std::string_view key, const model::uuid& topic,
                              const model::commit_offsets::item& item, std::size_t& growth) const;
  void close(live_group& g);          // forgets the live group; nothing is parked in it
  void close_if_idle(live_group& g);  // ... when it has nobody and nothing stored
  [[nodiscard]] result<model::ticket> append(live_group& g, group_record kind, bytes state);
  [[nodiscard]] model::refusal store_generation(live_group& g, const groups::stored_generation& what);
  [[nodiscard]] mono_ns after(std::int64_t ms) const { return clock_.now() + ms * 1'000'000; }

  // The reply leaves when all records of the group so far are durable; g may be null.
  template<class Event>
  void answer(const live_group* g, group_reply<Event> reply, Event event) {
    answer_after(g != nullptr ? std::max(g->last, removed_) : removed_, std::move(reply), std::move(event));
  }
  template<class Event>
  void answer_after(model::ticket seen, group_reply<Event> reply, Event event) {
    auto box = std::make_shared<std::pair<group_reply<Event>, Event>>(std::move(reply), std::move(event));
    auto run = [box] { box->first(std::move(box->second)); };
    if (seen <= journal_.durable_ticket())
      outbox_.push_back(std::move(run));
    else
      journal_.when_durable(seen, std::move(run));
  }

  // ---- membership.cc
  [[nodiscard]] model::refusal check_join(const model::join_group& c) const;
  [[nodiscard]] bool has_memory(live_group& g, const model::join_group& c) const;
  [[nodiscard]] bool has_room(live_group& g, std::string_view member) const;
  void join_new(live_group& g, joiner& j);
  void join_known(live_group& g, joiner& j);
  void add_member(live_group& g, joiner& j, std::string id);
  void replace_static(live_group& g, joiner& j, const std::string& old_id);
  void update_and_rebalance(live_group& g, live_member& m, joiner& j);
  void take_terms(live_group& g, live_member& m, const joiner& j);
  void refuse(live_group* g, joiner& j, model::refusal why, std::string_view id);
  void repeat_generation(live_group& g, live_member& m, joiner& j);
  [[nodiscard]] model::group_joined joined_event(const live_group& g, const live_member& m) const;
  [[nodiscard]] std::string new_member_id(std::string_view prefix);
  [[nodiscard]] model::refusal leave_one(live_group* g, const model::leave_group::member& who);
  static model::refusal check_member(live_group& g, std::string_view id, std::optional<std::string_view> instance);
  void heard_of(live_member& m) { m.deadline = after(m.session_timeout_ms); }

  void park(live_group& g, live_member& m, groups::parked<model::group_joined> p);
  void park(live_group& g, live_member& m, groups::parked<model::group_synced> p);
  void answer_join(live_group& g, live_member& m, model::group_joined event);  // nothing when none is parked
  void answer_sync(live_group& g, live_member& m, model::group_synced event);
  void unpark_all(live_group& g, live_member& m, model::refusal why);
  void unlist(waiter_id waiter, const live_group& g, const live_member& m);
  // Takes the member out and lets the group go on without it.
  void remove_member(live_group& g, const std::string& id);

  // ---- rebalance.cc
  void prepare(live_group& g);  // from any state but preparing
  void try_complete_join(live_group& g);
  void complete_join(live_group& g);
  void begin_sync(live_group& g);
  void become_empty(live_group& g);
  void store_assignments(live_group& g, const model::sync_group& c);
  void on_assignments_durable(const std::string& key, std::uint64_t incarnation, std::int32_t generation);
  [[nodiscard]] model::refusal check_sync(live_group* g, const model::sync_group& c) const;
  void arm(live_group& g, mono_ns when);
  void on_timer(const std::string& key);
  void expire_members(live_group& g, mono_ns now);
  void end_phase(live_group& g, mono_ns now);
  [[nodiscard]] static mono_ns next_deadline(const live_group& g);

  // ---- offsets.cc
  [[nodiscard]] model::refusal check_commit(live_group* g, const model::commit_offsets& c) const;
  model::refusal append_commit(model::shard_id shard, const model::caller& who, const model::commit_offsets& c,
                               std::vector<model::refusal>& items);
  void fetch_some(const model::caller& who, const groups::stored_group* g, const model::fetch_offsets& c,
                  std::vector<model::offsets_fetched::item>& out) const;
  void fetch_all(const model::caller& who, const groups::stored_group& g,
                 std::vector<model::offsets_fetched::item>& out) const;
  void sweep_slice(std::string after_key);
  void sweep_group(live_group& g, const groups::stored_group& stored);
  // ---- admin.cc
  [[nodiscard]] model::refusal remove_one(const model::caller& who, std::string_view name, model::ticket& seen);
  [[nodiscard]] model::groups_described::group describe_one(live_group* g, std::string_view name) const;

  const group_settings settings_;
  executor& reactor_;
  const clock& clock_;
  rng& rng_;
  group_journal& journal_;
  const topic_directory& topics_;

  std::map<std::string, std::unique_ptr<live_group>, std::less<>> live_;
  // Where a waiter's answers are parked: group key and member id.
  std::unordered_map<waiter_id, std::vector<std::pair<std::string, std::string>>> waiting_;
  std::deque<task> outbox_;
  int depth_ = 0;
  bool flushing_ = false;
  std::uint64_t incarnations_ = 0;
  std::uint64_t rebalances_ = 0;
  std::size_t member_bytes_ = 0;  // of all groups' members, and of the ids that were given out
  model::ticket removed_{};  // newest record that took a whole group or topic away: what is absent is seen through it
  timer_id sweep_timer_{};
  byte_vector scratch_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for tasks in the journal that outlive us
};

}  // namespace weir::broker
