// What the parts of one core share: its surroundings, the catalog, the partitions, the door to the store, the answers.
//
// Owner thread: the core's reactor. Parts call each other through here only; the state in here that must survive is
// changed by `apply` (state.cc) alone.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/catalog.h"
#include "broker/core.h"
#include "broker/partition.h"
#include "broker/reply.h"
#include "security/access.h"

namespace weir::broker {

// What an entry and a log change take in a record beside their payload, rounded up: sizes of records are reckoned with it.
inline constexpr std::size_t entry_overhead_bytes = 64;
inline constexpr std::size_t change_overhead_bytes = 32;

// State kinds 20-39, version 1.
enum class producer_kind : std::uint16_t {
  id_block = 20,  // shard 0: i64, the lowest producer id that is not handed out yet
  stamp = 21,     // with entries of idempotent producers: i64, the wall clock at the append
};

struct core_parts;

struct kernel {
  kernel(const layout& where_, const core_deps& deps);

  const layout where;
  const settings& config;
  executor& exec;
  const clock& time;
  rng& random;
  const format_registry& formats;
  const security::access door;

  model::log_store* store = nullptr;  // null until start
  bool stopped = false;
  bool fenced = false;
  core_stats stats;

  catalog topics;
  std::unordered_map<model::log_id, std::unique_ptr<partition>> partitions;
  // What apply changed in the catalog since somebody took it; kept only while the core runs.
  catalog_change applied_change;
  // All cores of the node in the order of their reactors, this one included. Only `exec` of another may be touched from
  // here, and what is sent to it must hold `alive` weakly.
  std::vector<core_parts*> peers;
  std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);

  answer_queue answers;
  // The last record that moved anything but a log's end: answers that show such state wait for it.
  model::ticket control_ticket{};

  // The one way to the store. Remembers which logs get new durable data with the ticket.
  [[nodiscard]] result<model::ticket> append(const model::new_record& record, model::log_store::write_class c);
  // The same for a record of the groups' state, which nothing but the groups' own answers shows.
  [[nodiscard]] result<model::ticket> append_state(const model::new_record& record);
  // Logs of async topics that got entries since the last call, in order: visible already, nobody has been told yet.
  void take_shown(const std::function<void(model::log_id, std::size_t)>& touched);
  [[nodiscard]] bool has_shown() const { return !shown_.empty(); }
  // Logs whose durable end moved, with the payload bytes that became readable by it; calls `touched` for each record
  // in order. What was visible when it was appended is not among them.
  void take_durable(model::ticket t, const std::function<void(model::log_id, std::size_t)>& touched);

  // Answers when `when` is durable; at once if it is.
  void answer(model::ticket when, const reply_to& to, model::event&& e);

  // Runs `t` when `when` is durable; at once if it is. Destroyed unrun after a fence.
  void when_durable(model::ticket when, task t);

  struct found {
    model::refusal error = model::refusal::none;
    const topic_ptr* of = nullptr;
    partition* at = nullptr;
  };
  // The topic by name or id in the caller's vhost, with rights checked.
  [[nodiscard]] found locate(const model::caller& who, const model::topic_ref& ref, security::operation how) const;
  // And its partition, if this reactor owns it.
  [[nodiscard]] found locate(const model::caller& who, const model::topic_ref& ref, std::int32_t index,
                             security::operation how) const;
  [[nodiscard]] partition* find(model::log_id log) const;
  [[nodiscard]] model::epoch leader_epoch(const partition& p) const { return topics.leader_epoch(*p.of); }
  // none, or why a client that believes in `current` (-1: does not say) must refresh.
  [[nodiscard]] model::refusal check_epoch(const partition& p, model::epoch current) const;

  [[nodiscard]] std::uint32_t shards() const { return where.reactors * where.shards_per_reactor; }
  [[nodiscard]] std::uint32_t reactor_of(model::shard_id s) const {
    return static_cast<std::uint32_t>(s.raw()) / where.shards_per_reactor;
  }
  [[nodiscard]] bool owns(model::shard_id s) const { return reactor_of(s) == where.reactor; }

 private:
  struct pending {
    model::ticket when;
    model::log_id log;
    std::size_t bytes;
  };
  std::deque<pending> pending_;
  std::vector<pending> shown_;
};

// An answer that leaves when the last holder lets go: with what was put in, or with storage_failed when nobody called
// ready(), because the work was dropped by a fence. Never leaves its reactor; after stop it goes nowhere.
class late_reply {
 public:
  late_reply(const kernel& k, const reply_to& to, model::event&& e)
      : k_(k), alive_(k.alive), to_(to), event_(std::move(e)) {}
  late_reply(const late_reply&) = delete;
  late_reply& operator=(const late_reply&) = delete;
  ~late_reply();
  void ready() { ready_ = true; }
  void ready(model::event&& e) {
    event_ = std::move(e);
    ready_ = true;
  }

 private:
  const kernel& k_;  // only while alive_
  std::weak_ptr<const bool> alive_;
  reply_to to_;
  model::event event_;
  bool ready_ = false;
};
using late_reply_ptr = std::shared_ptr<late_reply>;

// The refusal that a fault of the store means to a client.
[[nodiscard]] model::refusal refusal_of(const fault& f);

}  // namespace weir::broker
