// Reads records from the partitions of a topic, in order within each; commits nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cli/kafka_client.h"
#include "protocol/kafka/records.h"

namespace weir::cli {

class log_reader {
 public:
  // Return false to stop.
  using visitor = std::function<bool(std::int32_t partition, const kafka::record& r)>;

  log_reader(kafka_client& client, std::string topic) : client_(client), topic_(std::move(topic)) {}

  // Hears of records that were deleted before they were read; without it that ends poll() with a fault.
  using gap_listener = std::function<void(std::int32_t partition, std::int64_t from, std::int64_t to)>;
  void on_gap(gap_listener gap) { gap_ = std::move(gap); }

  // Where to go on in a partition; only those that were set are read.
  void seek(std::int32_t partition, std::int64_t offset) { positions_[partition] = offset; }
  [[nodiscard]] const std::map<std::int32_t, std::int64_t>& positions() const { return positions_; }

  // One fetch, waiting up to `wait_ms` for something to come. False: the visitor stopped. After a stop the position is
  // behind the last record that was shown.
  [[nodiscard]] result<bool> poll(std::int32_t wait_ms, const visitor& visit);

 private:
  [[nodiscard]] result<bool> skip_gap(std::int32_t partition);
  [[nodiscard]] result<bool> show(std::int32_t partition, bytes data, const visitor& visit);

  kafka_client& client_;
  std::string topic_;
  gap_listener gap_;
  std::map<std::int32_t, std::int64_t> positions_;
};

}  // namespace weir::cli
