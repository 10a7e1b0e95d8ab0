// What the core keeps in memory for one partition that its reactor owns. Offsets and bytes are the store's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "broker/catalog.h"
#include "broker/epoch_cache.h"
#include "broker/producer_table.h"
#include "model/ids.h"
#include "model/log_port.h"

namespace weir::broker {

struct partition {
  model::log_id log{};
  model::shard_id shard{};
  std::int32_t index = -1;
  topic_ptr of;  // null only between recovery and start
  // The log's bounds, as apply saw them last; from the store at the start. Kept here so that an append asks nobody.
  model::offset start{};
  model::offset end{};
  // State: from records and snapshots alone.
  epoch_cache epochs;
  std::unique_ptr<producer_table> producers;  // null: none was seen
  // What readers may have seen above the durable end, from before the topic's durability was raised. Not state: a crash
  // that takes it away ends everything that remembers it here.
  model::offset shown{};
  // Numbers of the fetches that wait for data here (fetch.h). Not state.
  std::vector<std::uint64_t> waiters;
  // The record in the making that has an entry for this log (produce.h). Not state.
  std::uint64_t in_batch = 0;

  // Whether its entries are acknowledged and visible as soon as they are appended (durability_level::async).
  [[nodiscard]] bool async() const { return of != nullptr && of->effective->durability == durability_level::async; }
  // The high watermark: readers see what is below. Never falls while the node runs. `now` is what the store says of the log.
  [[nodiscard]] model::offset visible_end(const model::log_info& now) const {
    return async() ? now.end : std::max(now.durable_end, shown);
  }
};

}  // namespace weir::broker
