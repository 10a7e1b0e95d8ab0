// What really happened to a store, kept outside of it: every record that it ever applied, which of them it called
// durable, and what its logs must therefore hold. It outlives crashes.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "model/log_port.h"

namespace weir::sim_tests {

struct entry_truth {
  model::log_id log{};
  model::offset base{};
  std::uint32_t count = 0;
  model::format_tag format{};
  std::int64_t max_timestamp_ms = -1;
  model::epoch leader_epoch{};
  byte_vector payload;
  model::shard_id shard{};
  std::uint64_t at = 0;  // lsn
  [[nodiscard]] model::offset end() const { return base + static_cast<std::int64_t>(count); }
};
using entry_ptr = std::shared_ptr<const entry_truth>;

struct record_truth {
  std::uint64_t ticket = 0;  // 0: not known yet (the store appended it by itself)
  std::uint64_t digest = 0;  // of everything in the shard up to here
  std::vector<model::log_change> changes;
  std::vector<entry_ptr> entries;
};

struct log_truth {
  model::shard_id shard{};
  model::offset start{};
  model::offset end{};
  std::vector<entry_ptr> entries;  // all since the creation, trimmed ones too
};

struct shard_truth {
  std::vector<record_truth> records;  // lsn 1 first
  std::uint64_t acked = 0;            // the store said, or showed, that records up to here are durable
  [[nodiscard]] std::uint64_t digest_at(std::uint64_t lsn) const { return lsn == 0 ? 0 : records[lsn - 1].digest; }
};

// Continues a shard's digest over everything that apply() was shown.
[[nodiscard]] std::uint64_t fold(std::uint64_t digest, const model::applied_record& r);

class truth {
 public:
  std::map<model::shard_id, shard_truth> shards;
  std::map<model::log_id, log_truth> logs;     // that exist now
  std::map<model::log_id, log_truth> removed;  // for readers that come late
  // Logs whose compaction or retention by the store was ever on: their offsets may have gaps, their start may move.
  std::set<model::log_id> compacted;
  std::set<model::log_id> retained;

  void add(const model::applied_record& r);
  void set_ticket(std::uint64_t ticket);  // of all records that have none
  void durable(std::uint64_t ticket);
  // The store shows this end as durable (it may know before it says so by ticket): the entries below must stay.
  void promise(model::log_id log, model::offset durable_end);
  // The store came back with the shard at this lsn: what was behind it is lost, what is left is now seen by others.
  void recovered(model::shard_id shard, std::uint64_t lsn);
  void rebuild_logs();
  // The end of what the store called durable.
  [[nodiscard]] model::offset durable_end(model::log_id log) const;
  void forget_tickets();  // a new life of the process counts from anew

 private:
  void apply_to_logs(model::shard_id shard, const record_truth& r);
};

}  // namespace weir::sim_tests
