// The catalog: which topics there are, their ids, partitions, logs and configuration, and the node's start epoch.
//
// Reactor 0 decides changes and records them in shard 0; applying a record yields a `catalog_change`, which reactor 0
// adopts at once and every other reactor adopts when it arrives (after the record is durable), so each reactor owns a
// whole catalog of shared immutable topics and looks things up without a lock. Recovery applies the same records.
// Thread: a catalog belongs to its reactor; a topic and a catalog_change are immutable and may be shared.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "broker/settings.h"
#include "broker/topic_config.h"
#include "model/commands.h"
#include "model/ids.h"

namespace weir::broker {

// State kinds 1-19 of shard 0, version 1. The layout of each is in catalog_records.cc; docs/formats lists them.
enum class catalog_kind : std::uint16_t {
  topics_created = 1,
  topics_deleted = 2,
  topics_grown = 3,
  topic_configured = 4,
  node_started = 5,
  broker_configured = 6,
};
[[nodiscard]] inline bool is_catalog_kind(std::uint16_t kind) { return kind >= 1 && kind <= 19; }

// Where a partition lives. Log ids rise and are never used again.
struct partition_place {
  model::log_id log{};
  model::shard_id shard{};
};

// Immutable. A change makes a new topic object with the same id.
struct topic {
  std::string vhost;
  std::string name;
  model::uuid id{};
  // The node's start epoch when the topic was made: a partition's leader epoch is the node's start epoch less this, so a
  // new topic begins at 0 and every start of the node raises it by one.
  std::int32_t born_epoch = 0;
  std::vector<partition_place> partitions;
  model::config_map overrides;
  std::shared_ptr<const topic_settings> effective;  // never null
};
using topic_ptr = std::shared_ptr<const topic>;

struct catalog_change {
  std::vector<topic_ptr> put;  // new, or in place of the one with the same id
  std::vector<topic_ptr> removed;
  std::int32_t node_epoch = -1;  // -1: as it was
  std::uint64_t next_log = 0;    // the lowest log id not used yet; 0: as it was
  // What is set for the broker; null: as it was. Topics that get other defaults by it are in `put`.
  std::shared_ptr<const dynamic_configs> broker;

  [[nodiscard]] bool empty() const {
    return put.empty() && removed.empty() && node_epoch < 0 && next_log == 0 && broker == nullptr;
  }
  void add(catalog_change&& later);
};

class catalog {
 public:
  // `config` outlives the catalog.
  explicit catalog(const settings& config);

  [[nodiscard]] const topic_ptr* find(std::string_view vhost, std::string_view name) const;  // null: no such topic
  [[nodiscard]] const topic_ptr* find(const model::uuid& id) const;
  // In order of (vhost, name). `visit` must not change the catalog.
  void for_each(const std::function<void(const topic_ptr&)>& visit) const;
  [[nodiscard]] std::size_t size() const { return by_id_.size(); }
  [[nodiscard]] std::size_t partitions() const { return partitions_; }
  [[nodiscard]] std::int32_t node_epoch() const { return node_epoch_; }
  [[nodiscard]] std::uint64_t next_log() const { return next_log_; }
  [[nodiscard]] model::epoch leader_epoch(const topic& t) const { return model::epoch(node_epoch_ - t.born_epoch); }
  // Whether another topic's name differs from this one only by '.' against '_' (they share metric names). Null: none.
  [[nodiscard]] const topic_ptr* find_colliding(std::string_view vhost, std::string_view name) const;

  // Reads a record of one of the kinds above against the present state. Fault: corrupt.
  [[nodiscard]] result<catalog_change> read(catalog_kind kind, bytes state) const;
  void adopt(const catalog_change& change);
  // Everything, as one change: what a new reactor adopts.
  [[nodiscard]] catalog_change all() const;

  void snapshot(byte_vector& out) const;
  // Replaces what is there. Older snapshots have no configuration of the broker (`with_broker` false). Fault: corrupt.
  [[nodiscard]] result<void> restore(byte_reader& in, bool with_broker);

  [[nodiscard]] std::shared_ptr<const topic_settings> resolve(const model::config_map& overrides) const;
  // What this node's broker has, for describing. Valid until the next change.
  [[nodiscard]] broker_values broker() const { return {config_, *broker_}; }

 private:
  // Names are kept once, in the topics: keys are views into them.
  struct key {
    std::string_view vhost;
    std::string_view name;
    friend bool operator==(const key&, const key&) = default;
  };
  struct key_hash {
    std::size_t operator()(const key& k) const noexcept {
      return std::hash<std::string_view>{}(k.name) * 31 + std::hash<std::string_view>{}(k.vhost);
    }
  };
  void put(const topic_ptr& t);
  void remove(const model::uuid& id);
  [[nodiscard]] std::string collision_key(std::string_view vhost, std::string_view name) const;

  // `out` with the configuration `next` of the broker, and with every topic that is another by it.
  void plan_broker(dynamic_configs&& next, catalog_change& out) const;

  const settings& config_;
  std::shared_ptr<const dynamic_configs> broker_;   // never null
  std::shared_ptr<const topic_settings> defaults_;  // under broker_
  std::unordered_map<key, topic_ptr, key_hash> by_name_;
  std::unordered_map<model::uuid, topic_ptr> by_id_;
  std::unordered_multimap<std::string, model::uuid> with_dot_or_underscore_;
  // In order of (vhost, name), made when it is asked for; empty after a change.
  mutable std::vector<const topic_ptr*> sorted_;
  std::size_t partitions_ = 0;
  std::int32_t node_epoch_ = 0;
  std::uint64_t next_log_ = 1;
};

// What the records say; written by admin.cc, read by catalog::read.
void write_topics_created(const std::vector<topic_ptr>& topics, byte_vector& out);
void write_topics_deleted(const std::vector<topic_ptr>& topics, byte_vector& out);
struct growth {
  model::uuid id;
  std::vector<partition_place> added;
};
void write_topics_grown(const std::vector<growth>& grown, byte_vector& out);
struct configuration {
  model::uuid id;
  model::config_map overrides;  // all of them, as they are to be
};
void write_topic_configured(const std::vector<configuration>& changed, byte_vector& out);
// All values of a node (or dynamic_configs::all_nodes), as they are to be.
struct broker_configuration {
  std::int32_t node = 0;
  model::config_map values;
};
void write_broker_configured(const std::vector<broker_configuration>& changed, byte_vector& out);
void write_node_started(std::int32_t epoch, byte_vector& out);

}  // namespace weir::broker
