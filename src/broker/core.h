// The broker core of one reactor: the state machine of the shards that live in this reactor's store.
//
// Life: construct one core per reactor (on one thread), link() them, open each reactor's store with its core as the
// state_machine (recovery calls restore and apply), then start() each core on its own reactor with its store; when
// `ready` has come on all of them, port() takes commands. stop() before the store is destroyed; after it no call comes
// out of the core and every command is refused.
// Thread: after link() everything here belongs to the core's reactor; cores reach each other through executor::send.
//
// Shards: reactor r of n owns shards [r*k, (r+1)*k), k = shards_per_reactor. Shard 0 is the home of the catalog (topics,
// their ids and configuration), of the producer id block and of the node's start epoch. Both numbers are fixed for the
// life of a data folder; the server stores and checks them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "base/result.h"
#include "broker/settings.h"
#include "model/broker_port.h"
#include "model/entry_format.h"
#include "model/log_port.h"

namespace weir::broker {

struct layout {
  std::uint32_t reactor = 0;  // of this core
  std::uint32_t reactors = 1;
  std::uint32_t shards_per_reactor = 4;
};
// The shards of one reactor, as its store is to be opened with.
[[nodiscard]] std::vector<model::shard_id> shards_of(const layout& where);

// Entry formats by tag; the server fills it, nobody changes it after start. Formats are pure and shared by all threads.
class format_registry {
 public:
  void add(model::format_tag tag, const model::entry_format& format);
  [[nodiscard]] const model::entry_format* find(model::format_tag tag) const;

 private:
  struct item {
    model::format_tag tag;
    const model::entry_format* format;
  };
  std::vector<item> items_;
};

// What a core is given. References outlive it; clock and formats may be shared by reactors, rng may not.
struct core_deps {
  const settings& config;
  executor& exec;
  const clock& time;
  rng& random;
  const format_registry& formats;
};

// Counters since start, of one reactor.
struct core_stats {
  std::uint64_t produce_requests = 0;
  std::uint64_t entries_in = 0;
  std::uint64_t records_in = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t fetch_requests = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t fetches_waiting = 0;   // gauge
  std::uint64_t produces_waiting = 0;  // gauge: for room in the store
  std::uint64_t answers_waiting = 0;   // gauge: for durability
  std::uint64_t gatherings = 0;        // gauge: commands in parts, on other reactors
  std::uint64_t groups_bytes = 0;      // gauge: groups and committed offsets
  std::uint64_t forwarded_bytes = 0;   // gauge: copies of commands on their way to other reactors
  std::uint64_t duplicates = 0;        // idempotent retries answered without a write
  std::uint64_t partitions = 0;        // gauge: owned by this reactor
  std::uint64_t topics = 0;            // gauge: of the node
  std::uint64_t producers = 0;         // gauge: idempotent producers remembered
  bool fenced = false;
};

class core final : public model::state_machine {
 public:
  core(const layout& where, const core_deps& deps);
  ~core() override;

  // All cores in the order of their reactors, this one included. Once, before any start.
  void link(const std::vector<core*>& all);
  // After recovery: the first record or snapshot that made no sense. start() gives it, too, and changes nothing then.
  [[nodiscard]] const std::optional<fault>& damage() const;
  // The store has recovered. Writes the node's new start epoch (reactor 0), makes logs and catalog agree, then calls
  // `ready` on this reactor when that is durable and this core may serve.
  void start(model::log_store& store, std::function<void(result<void>)> ready);
  // No call comes out of the core after this returns: timers are cancelled, waiting commands dropped.
  void stop();

  [[nodiscard]] model::broker_port& port();
  [[nodiscard]] core_stats stats() const;

  // state_machine; called by the store only.
  void apply(const model::applied_record& record) override;
  void snapshot(model::shard_id shard, byte_vector& out) const override;
  [[nodiscard]] result<void> restore(model::shard_id shard, bytes snapshot) override;
  void on_durable(model::ticket t) override;
  void on_fenced(const fault& why) override;
  void on_writable() override;

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace weir::broker
