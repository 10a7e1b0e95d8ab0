// Kafka's record batch, format 2: a view of one, a cursor over many, the checks of a producer's batch, and
// its head as it is stored. Big-endian throughout. Thread: values that borrow.
//
//  0 base offset i64 | 8 length i32 (of what follows it) | 12 leader epoch i32 | 16 magic i8 | 17 crc u32
//  (crc-32c of 21..end) | 21 attributes i16 | 23 last offset delta i32 | 27 base timestamp i64 | 35 max
//  timestamp i64 | 43 producer id i64 | 51 producer epoch i16 | 53 base sequence i32 | 57 record count i32 |
//  61 records
// Attributes: bits 0-2 compression (of the records only), 3 log append time, 4 transactional, 5 control, 6
// the base timestamp is a delete horizon.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "protocol/kafka/compression.h"

namespace weir::kafka {

namespace batch_at {
inline constexpr std::size_t base_offset = 0, length = 8, leader_epoch = 12, magic = 16, crc = 17, attributes = 21,
                             last_offset_delta = 23, base_timestamp = 27, max_timestamp = 35, producer_id = 43,
                             producer_epoch = 51, base_sequence = 53, record_count = 57, records = 61;
}  // namespace batch_at

inline constexpr std::size_t batch_head_bytes = batch_at::records;
inline constexpr std::size_t batch_length_end = batch_at::leader_epoch;  // `length` counts from here
// What a stored batch differs in from the producer's: base offset and leader epoch, outside of the checksum.
inline constexpr std::size_t batch_stamp_bytes = 16;
inline constexpr std::int8_t batch_magic = 2;

namespace batch_bits {
inline constexpr std::int16_t compression = 0x07, log_append_time = 0x08, transactional = 0x10, control = 0x20,
                              delete_horizon = 0x40;
}  // namespace batch_bits

// Exactly one batch whose head and length are sane; the checksum and the records are not looked at.
class batch_view {
 public:
  // The batch at the start of `in`, which may go on behind it. Faults: torn (fewer bytes than its length
  // says), corrupt (an impossible length), unsupported (another magic).
  [[nodiscard]] static result<batch_view> parse(bytes in);

  [[nodiscard]] bytes whole() const { return b_; }
  [[nodiscard]] std::size_t size() const { return b_.size(); }
  [[nodiscard]] bytes records() const { return b_.subspan(batch_at::records); }  // compressed as they are

  [[nodiscard]] std::int64_t base_offset() const { return at<std::int64_t>(batch_at::base_offset); }
  [[nodiscard]] std::int32_t leader_epoch() const { return at<std::int32_t>(batch_at::leader_epoch); }
  [[nodiscard]] std::uint32_t crc() const { return at<std::uint32_t>(batch_at::crc); }
  [[nodiscard]] std::int16_t attributes() const { return at<std::int16_t>(batch_at::attributes); }
  [[nodiscard]] std::int32_t last_offset_delta() const { return at<std::int32_t>(batch_at::last_offset_delta); }
  [[nodiscard]] std::int64_t base_timestamp() const { return at<std::int64_t>(batch_at::base_timestamp); }
  [[nodiscard]] std::int64_t max_timestamp() const { return at<std::int64_t>(batch_at::max_timestamp); }
  [[nodiscard]] std::int64_t producer_id() const { return at<std::int64_t>(batch_at::producer_id); }
  [[nodiscard]] std::int16_t producer_epoch() const { return at<std::int16_t>(batch_at::producer_epoch); }
  [[nodiscard]] std::int32_t base_sequence() const { return at<std::int32_t>(batch_at::base_sequence); }
  [[nodiscard]] std::int32_t record_count() const { return at<std::int32_t>(batch_at::record_count); }

  // A peer's base may be anything: the sum wraps instead of overflowing.
  [[nodiscard]] std::int64_t last_offset() const {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(base_offset()) +
                                     static_cast<std::uint64_t>(std::int64_t{last_offset_delta()}));
  }
  // Sequences wrap from the largest 32-bit number to 0; -1 when the producer is not idempotent.
  [[nodiscard]] std::int32_t last_sequence() const;
  [[nodiscard]] compression codec() const { return static_cast<compression>(attributes() & batch_bits::compression); }
  [[nodiscard]] bool log_append_time() const { return (attributes() & batch_bits::log_append_time) != 0; }
  [[nodiscard]] bool transactional() const { return (attributes() & batch_bits::transactional) != 0; }
  [[nodiscard]] bool control() const { return (attributes() & batch_bits::control) != 0; }
  [[nodiscard]] bool crc_matches() const;

 private:
  explicit batch_view(bytes b) : b_(b) {}
  template<class T>
  [[nodiscard]] T at(std::size_t place) const {
    return load_be<T>(b_.data() + place);
  }
  bytes b_;
};

// Walks over batches one after the other. What is unfinished at the end (a fetch may cut there) stays in
// rest().
class batch_cursor {
 public:
  explicit batch_cursor(bytes in) : rest_(in) {}
  // nullopt: no further whole batch.
  [[nodiscard]] result<std::optional<batch_view>> next();
  [[nodiscard]] bytes rest() const { return rest_; }

 private:
  bytes rest_;
};

struct batch_rules {
  bool keys_required = false;  // compacted topics
  bool open_records = false;   // walk the records, opening the compression
  std::size_t bytes_max = 0;   // 0: no limit
  decompression_limits limits = {};
};

struct batch_check {
  std::int64_t min_timestamp = -1;  // exact when the records were opened, else the base timestamp
  std::int64_t max_timestamp = -1;
};

// The checks of a batch that a producer sent, as Kafka 4 makes them, except that compressed records are opened only when a
// rule asks for it. `in` must be exactly one batch. Faults:
// out_of_range (larger than bytes_max), corrupt (checksum, an impossible length), unsupported (compression),
// invalid (not allowed from a producer: no whole batch, another magic, a control batch, a count that does not fit, a
// record without a key where one must be, ...).
[[nodiscard]] result<batch_check> check_produced(bytes in, const batch_rules& rules);
// The part of it that walks the opened records.
[[nodiscard]] result<batch_check> check_section(const batch_view& batch, bytes section, bool keys_required);

// Writes the head as stored over the producer's: returns how many bytes of `head` (>= batch_head_bytes)
// replace the batch's first ones. With `append_time_ms` it becomes the timestamp of all records, and the
// checksum is renewed.
[[nodiscard]] std::size_t stamp_head(const batch_view& batch, std::int64_t base_offset, std::int32_t leader_epoch,
                                     std::optional<std::int64_t> append_time_ms, mutable_bytes head);

// Fills in length and checksum of a whole batch whose other fields are set.
void seal_batch(mutable_bytes batch);

}  // namespace weir::kafka
