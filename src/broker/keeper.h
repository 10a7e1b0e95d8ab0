// Keeps catalog and logs in agreement, on every reactor.
//
// Reactor 0 commits a change: its record goes to shard 0, apply adopts it, each reactor creates or removes the logs of its
// shards. Other reactors hear of a change only when its record is durable, so nothing can be built on a topic that a
// crash takes away; a crash between the record and the logs is mended at the next start: missing logs of a known topic
// are created, logs of no topic removed. The answer leaves after every reactor has the change and its logs on disk.
// Owner thread: the core's reactor.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/executor.h"
#include "broker/fetch.h"
#include "broker/kernel.h"

namespace weir::broker {

// What is to be recorded: one or more states of one kind (large changes are split).
struct catalog_write {
  catalog_kind kind{};
  std::vector<byte_vector> states;
  model::log_store::write_class how = model::log_store::write_class::bulk;
};

class keeper {
 public:
  keeper(kernel& k, fetch_part& fetches, std::function<void(const topic&)> topic_gone)
      : k_(k), fetches_(fetches), topic_gone_(std::move(topic_gone)) {}

  // Reactor 0: `done` runs when everybody has it (destroyed unrun on a fence). A fault on the first state: nothing
  // happened; later: the states before it stay and `done` runs for them.
  [[nodiscard]] result<void> commit(const catalog_write& change, task done);
  // Another reactor: takes a change that is durable on reactor 0, and tells it when the logs are durable here.
  void adopt(const catalog_change& change, std::uint64_t shipment);
  // Reactor 0: one more reactor has it.
  void acknowledged(std::uint64_t shipment);
  // The store failed: nobody shall wait for this reactor.
  void fail();
  void stop() { shipments_.clear(); }
  // Start: all topics bound to their logs, what is missing created, what belongs to nobody removed.
  void reconcile();
  // Room in the store again: creates and removes what could not be done before.
  void retry();

 private:
  using by_shard = std::vector<std::vector<model::log_change>>;
  void settle(const catalog_change& change);
  void plan_topic(const topic_ptr& t, by_shard& changes) const;
  void plan_removal(const topic& t, by_shard& changes, std::vector<std::uint64_t>& waiters) const;
  void write(by_shard&& changes);
  // Puts the topic's present form into its partitions. Where that changes their durability, readers neither lose what they
  // saw nor wait for what they may see now: those to be woken are added to `waiters`.
  void bind(const topic_ptr& t, std::vector<std::uint64_t>& waiters);
  void change_level(partition& p, bool was_async, const model::log_info& log, std::vector<std::uint64_t>& waiters);
  void ship(const std::shared_ptr<const catalog_change>& change, task done);
  void acknowledge(std::uint64_t shipment);

  kernel& k_;
  fetch_part& fetches_;
  std::function<void(const topic&)> topic_gone_;
  bool unsettled_ = false;  // a log change was refused by the store
  // Reactor 0: changes that are on their way to the others.
  struct shipment {
    std::uint32_t missing = 0;
    task done;
  };
  std::map<std::uint64_t, shipment> shipments_;
  std::uint64_t last_shipment_ = 0;
  // The others: shipments whose logs are not durable yet.
  std::set<std::uint64_t> owed_;
};

}  // namespace weir::broker
