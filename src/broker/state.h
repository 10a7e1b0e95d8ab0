// The core's part of the state machine: records in, state of the shards out. Nothing else changes state.
//
// Snapshot of a shard, version 3 (in version 1 the producers' batches had no timestamp, before version 3 the catalog had
// no configuration of the broker), little-endian:
//   version u8
//   partitions: u32 count, {log u64, leader epochs, producers u8 (0: none, 1: a table follows)}, by log id
//   shard 0 only: the catalog (catalog_records.cc), next producer id block i64
//   the rest: the groups of the shard (groups/)
// Owner thread: the core's reactor. Recovery calls it before start; damage it finds is kept and start reports it.
#pragma once

#include <optional>

#include "broker/groups/coordinator.h"
#include "broker/kernel.h"
#include "broker/producer_ids.h"

namespace weir::broker {

class state_part {
 public:
  state_part(kernel& k, producer_ids& ids, group_coordinator& groups) : k_(k), ids_(ids), groups_(groups) {}

  void apply(const model::applied_record& record);
  void snapshot(model::shard_id shard, byte_vector& out) const;
  [[nodiscard]] result<void> restore(model::shard_id shard, bytes snapshot);
  // The first record or snapshot that did not make sense.
  [[nodiscard]] const std::optional<fault>& damage() const { return damage_; }

 private:
  void apply_changes(const model::applied_record& record);
  void apply_entries(const model::applied_record& record);
  void apply_state(const model::applied_record& record);
  void note_damage(fault f);

  kernel& k_;
  producer_ids& ids_;
  group_coordinator& groups_;
  std::optional<fault> damage_;
};

}  // namespace weir::broker
