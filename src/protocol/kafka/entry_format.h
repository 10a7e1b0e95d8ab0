// The entry_format port for Kafka's record batches (format_tag::kafka_batch_v2): one entry is one batch.
// Thread: stateless, any.
#pragma once

#include "model/entry_format.h"
#include "protocol/kafka/compression.h"

namespace weir::kafka {

class batch_entry_format final : public model::entry_format {
 public:
  explicit batch_entry_format(const decompression_limits& limits = {}) : limits_(limits) {}

  [[nodiscard]] result<model::entry_facts> inspect(bytes payload, const model::entry_rules& rules) const override;
  [[nodiscard]] std::size_t stamp(bytes payload, model::offset base, model::epoch leader_epoch,
                                  std::optional<std::int64_t> append_time_ms, mutable_bytes head) const override;
  [[nodiscard]] result<void> for_each(bytes payload,
                                      const std::function<bool(const model::record_view&)>& visit) const override;
  [[nodiscard]] result<std::optional<model::found_record>> find_time(bytes payload,
                                                                     std::int64_t from_ms) const override;
  // Keeps the records' own bytes, so timestamps, headers and offsets are untouched; compresses with the
  // batch's codec.
  [[nodiscard]] result<filtered> filter(bytes payload,
                                        const std::function<bool(const model::record_view&)>& keep) const override;
  [[nodiscard]] result<recompressed> recompress(bytes payload, const model::compression_choice& how) const override;
  [[nodiscard]] result<model::producer_facts> producer(bytes payload) const override;

 private:
  decompression_limits limits_;
};

}  // namespace weir::kafka
