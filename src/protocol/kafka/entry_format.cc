#include "protocol/kafka/entry_format.h"

#include <algorithm>

#include "base/assert.h"
#include "protocol/kafka/record_batch.h"
#include "protocol/kafka/records.h"

namespace weir::kafka {
namespace {

// Exactly one batch; an entry that is cut or has more behind it is damaged.
result<batch_view> only_batch(bytes payload) {
  result<batch_view> batch = batch_view::parse(payload);
  if (!batch) return batch.error().code == errc::torn ? fault(errc::corrupt, batch.error().text) : batch.error();
  if (batch->size() != payload.size()) return fault(errc::corrupt, "bytes are left over after a record batch");
  return batch;
}

model::record_view view_of(const record& r) { return {model::offset(r.offset), r.timestamp, r.key, r.value}; }

// The batch with the records of `section`, in this compression, instead of its own.
result<byte_vector> rebuilt(const batch_view& batch, bytes section, std::uint32_t count, std::int64_t max_timestamp,
                            compression codec, std::optional<std::int32_t> level) {
  const bytes head = batch.whole().first(batch_head_bytes);
  byte_vector out(head.begin(), head.end());
  // An empty batch is the head alone; it still covers its offsets and sequences.
  const auto bits = count == 0 ? 0 : static_cast<int>(codec);
  const auto attributes = static_cast<std::int16_t>((batch.attributes() & ~batch_bits::compression) | bits);
  if (codec == compression::none || count == 0) {
    out.insert(out.end(), section.begin(), section.end());
  } else {
    const result<byte_vector> small = compress(codec, section, level);
    if (!small) return small.error();
    out.insert(out.end(), small->begin(), small->end());
  }
  store_be(out.data() + batch_at::attributes, attributes);
  store_be(out.data() + batch_at::max_timestamp, max_timestamp);
  store_be(out.data() + batch_at::record_count, static_cast<std::int32_t>(count));
  seal_batch(out);
  return out;
}

}  // namespace

result<model::entry_facts> batch_entry_format::inspect(bytes payload, const model::entry_rules& rules) const {
  const batch_rules checks{rules.keys_required, rules.open_records, rules.bytes_max, limits_};
  const result<batch_check> seen = check_produced(payload, checks);
  if (!seen) return seen.error();
  const batch_view batch = *batch_view::parse(payload);
  return model::entry_facts{static_cast<std::uint32_t>(batch.record_count()), seen->min_timestamp, seen->max_timestamp,
                            static_cast<model::compression_kind>(batch.codec())};
}

std::size_t batch_entry_format::stamp(bytes payload, model::offset base, model::epoch leader_epoch,
                                      std::optional<std::int64_t> append_time_ms, mutable_bytes head) const {
  static_assert(stamp_bytes_max >= batch_head_bytes);
  const result<batch_view> batch = batch_view::parse(payload);
  WEIR_ASSERT(batch.has_value());  // the caller inspected it
  return stamp_head(*batch, base.raw(), leader_epoch.raw(), append_time_ms, head);
}

result<void> batch_entry_format::for_each(bytes payload,
                                          const std::function<bool(const model::record_view&)>& visit) const {
  const result<batch_view> batch = only_batch(payload);
  if (!batch) return batch.error();
  return for_each_record(
      *batch, [&](const record& r) { return visit(view_of(r)); }, limits_);
}

result<std::optional<model::found_record>> batch_entry_format::find_time(bytes payload, std::int64_t from_ms) const {
  const result<batch_view> batch = only_batch(payload);
  if (!batch) return batch.error();
  std::optional<model::found_record> found;
  if (batch->max_timestamp() < from_ms) return found;
  const auto look = [&](const record& r) {
    if (r.timestamp >= from_ms) found = {model::offset(r.offset), r.timestamp};
    return !found;
  };
  if (result<void> walked = for_each_record(*batch, look, limits_); !walked) return walked.error();
  return found;
}

result<model::entry_format::filtered> batch_entry_format::filter(
    bytes payload, const std::function<bool(const model::record_view&)>& keep) const {
  const result<batch_view> batch = only_batch(payload);
  if (!batch) return batch.error();
  byte_vector section;
  filtered out;
  std::int32_t seen = 0;
  const auto choose = [&](const record& r) {
    ++seen;
    if (!keep(view_of(r))) return true;
    ++out.records_left;
    out.max_timestamp_ms = std::max(out.max_timestamp_ms, r.timestamp);
    section.insert(section.end(), r.raw.begin(), r.raw.end());
    return true;
  };
  if (result<void> walked = for_each_record(*batch, choose, limits_); !walked) return walked.error();
  if (seen == static_cast<std::int32_t>(out.records_left)) {
    out.payload.assign(payload.begin(), payload.end());
    return out;
  }
  // With the log append time, the head's largest timestamp is that of every record.
  const std::int64_t max_timestamp = batch->log_append_time() ? batch->max_timestamp() : out.max_timestamp_ms;
  result<byte_vector> fresh = rebuilt(*batch, section, out.records_left, max_timestamp, batch->codec(), std::nullopt);
  if (!fresh) return fresh.error();
  out.payload = std::move(*fresh);
  return out;
}

result<model::entry_format::recompressed> batch_entry_format::recompress(bytes payload,
                                                                         const model::compression_choice& how) const {
  const result<batch_view> batch = only_batch(payload);
  if (!batch) return batch.error();
  byte_vector storage;
  const result<bytes> section = open_records(*batch, storage, limits_);
  if (!section) return section.error();
  const result<batch_check> seen = check_section(*batch, *section, false);
  if (!seen) return seen.error();
  const auto count = static_cast<std::uint32_t>(batch->record_count());
  result<byte_vector> fresh =
      rebuilt(*batch, *section, count, seen->max_timestamp, static_cast<compression>(how.kind), how.level);
  if (!fresh) return fresh.error();
  return recompressed{std::move(*fresh), {count, seen->min_timestamp, seen->max_timestamp, how.kind}};
}

result<model::producer_facts> batch_entry_format::producer(bytes payload) const {
  const result<batch_view> batch = only_batch(payload);
  if (!batch) return batch.error();
  return model::producer_facts{batch->producer_id(),   batch->producer_epoch(), batch->base_sequence(),
                               batch->last_sequence(), batch->transactional(),  batch->control()};
}

}  // namespace weir::kafka
