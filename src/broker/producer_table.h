// Idempotent producers of one partition: what each wrote last, so that a retry is answered and not written again.
//
// Kafka's rules (KIP-98, KIP-360): per producer id its epoch and its last five batches. `check` is the decision and changes
// nothing; `note` is called by apply() alone, from the entry's own facts, so recovery rebuilds the same table. Time comes
// from the record (the wall clock at the append), never from the clock, for the same reason.
// Owner thread: the partition's reactor. About 160 bytes a producer, bounded by `forget_above`.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

#include "base/bytes.h"
#include "model/entry_format.h"
#include "model/ids.h"
#include "model/log_port.h"

namespace weir::broker {

struct written_batch {
  std::int32_t first_sequence = -1;
  std::int32_t last_sequence = -1;
  model::offset base{-1};
  std::int64_t timestamp_ms = -1;  // its largest: with LogAppendTime that of the append
  friend bool operator==(const written_batch&, const written_batch&) = default;
};

struct producer_state {
  static constexpr std::size_t window = 5;
  std::int16_t epoch = -1;
  std::uint8_t count = 0;  // of batches, oldest first
  std::array<written_batch, window> batches{};
  std::int64_t seen_ms = 0;  // wall clock of the last append

  [[nodiscard]] const written_batch& last() const { return batches[count - 1U]; }
  friend bool operator==(const producer_state&, const producer_state&) = default;
};

enum class producer_verdict : std::uint8_t {
  append,
  duplicate,  // one of the last five batches of this epoch: answered with its offset
  stale_epoch,
  out_of_order,
};
struct producer_check {
  producer_verdict what = producer_verdict::append;
  model::offset base{-1};  // this and the next: duplicate only
  std::int64_t timestamp_ms = -1;
};

class producer_table {
 public:
  // Whether the producer is remembered.
  [[nodiscard]] bool knows(std::int64_t id, std::int64_t expired_before_ms) const;
  // State older than `expired_before_ms` counts as forgotten; a forgotten producer may go on at any sequence.
  [[nodiscard]] producer_check check(const model::producer_facts& facts, std::int64_t expired_before_ms) const;
  void note(const model::producer_facts& facts, const model::applied_entry& entry, std::int64_t now_ms);
  // Drops what is older. Returns how many went.
  std::size_t expire(std::int64_t expired_before_ms);
  // When there are more than `most`, forgets the longest idle eighth. Returns how many went.
  std::size_t forget_above(std::size_t most);

  [[nodiscard]] std::size_t size() const { return by_id_.size(); }
  [[nodiscard]] const producer_state* find(std::int64_t id) const;
  [[nodiscard]] const std::unordered_map<std::int64_t, producer_state>& all() const { return by_id_; }
  void write(byte_writer& w) const;
  // With timestamps, or as snapshots of version 1 had it, without.
  void read(byte_reader& r, bool timestamps);

  // The sequence after `s`: 31 bits, then 0 again.
  [[nodiscard]] static std::int32_t next(std::int32_t s) { return s == INT32_MAX ? 0 : s + 1; }

 private:
  std::unordered_map<std::int64_t, producer_state> by_id_;
};

}  // namespace weir::broker
