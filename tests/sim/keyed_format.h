// An entry format for simulations: small keyed records that compaction can look into. Not a wire format of anybody.
//
//   i64 base offset, u32 records, then each: u32 delta, i64 timestamp, u32 key, u32 value bytes + 1 (0: tombstone), value
#pragma once

#include <vector>

#include "model/entry_format.h"

namespace weir::sim_tests {

inline constexpr model::format_tag keyed_tag = model::format_tag::kafka_batch_v2;

struct keyed_record {
  std::uint32_t delta = 0;
  std::int64_t timestamp_ms = -1;
  std::uint32_t key = 0;
  bool tombstone = false;
  byte_vector value;
  friend bool operator==(const keyed_record&, const keyed_record&) = default;
};
struct keyed_entry {
  std::int64_t base = 0;
  std::vector<keyed_record> records;
};
[[nodiscard]] byte_vector encode_keyed(const keyed_entry& e);
[[nodiscard]] result<keyed_entry> decode_keyed(bytes payload);

class keyed_format final : public model::entry_format {
 public:
  result<model::entry_facts> inspect(bytes payload, const model::entry_rules& rules) const override;
  std::size_t stamp(bytes payload, model::offset base, model::epoch leader_epoch,
                    std::optional<std::int64_t> append_time_ms, mutable_bytes head) const override;
  result<void> for_each(bytes payload, const std::function<bool(const model::record_view&)>& visit) const override;
  result<std::optional<model::found_record>> find_time(bytes payload, std::int64_t from_ms) const override;
  result<filtered> filter(bytes payload, const std::function<bool(const model::record_view&)>& keep) const override;
  result<model::producer_facts> producer(bytes payload) const override;
};

}  // namespace weir::sim_tests
