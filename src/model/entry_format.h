// The entry_format port: what storage and the core may ask about an entry without knowing its protocol.
//
// protocol/X implements it, server registers it. All functions are pure and bounded; a payload may be damaged
// or hostile and then gives a fault. An *entry* is what one append stored under consecutive offsets: a Kafka
// record batch, one AMQP message.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "model/ids.h"

namespace weir::model {

enum class format_tag : std::uint16_t {
  none = 0,
  kafka_batch_v2 = 1,
};

// What an entry must be to be taken from a producer.
struct entry_rules {
  bool keys_required = false;  // compacted logs
  bool open_records = false;   // walk the records even where the head would do (opens compression)
  std::size_t bytes_max = 0;   // of the payload
};

// How the records inside an entry are compressed. The numbers are stored, and are Kafka's.
enum class compression_kind : std::uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };
struct compression_choice {
  compression_kind kind = compression_kind::none;
  std::int32_t level = 0;  // as Kafka's compression.*.level counts them; none and snappy have none
};

// What the head of a checked entry says.
struct entry_facts {
  std::uint32_t count = 0;             // offsets that it takes
  std::int64_t min_timestamp_ms = -1;  // exact only with open_records, else the head's base timestamp
  std::int64_t max_timestamp_ms = -1;
  compression_kind compression = compression_kind::none;
};

// One record inside an entry. Views live as long as the call that shows them.
struct record_view {
  offset at{};
  std::int64_t timestamp_ms = -1;
  std::optional<bytes> key;
  std::optional<bytes> value;  // nullopt: a tombstone where the log is compacted
};

// What an idempotent or transactional producer wrote on an entry. producer_id -1: none.
struct producer_facts {
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t first_sequence = -1;
  std::int32_t last_sequence = -1;
  bool transactional = false;
  bool control = false;
};

struct found_record {
  offset at{};
  std::int64_t timestamp_ms = -1;
};

class entry_format {
 public:
  entry_format() = default;
  entry_format(const entry_format&) = delete;
  entry_format& operator=(const entry_format&) = delete;
  virtual ~entry_format() = default;

  // Checks an entry from a producer: structure, checksum, counts, and what `rules` ask. Faults: corrupt
  // (checksum or structure), invalid (well-formed but not allowed; text says why), unsupported (version or
  // compression), out_of_range (larger than bytes_max).
  [[nodiscard]] virtual result<entry_facts> inspect(bytes payload, const entry_rules& rules) const = 0;

  // The head of the entry as it must be stored: base offset and leader epoch in place, and, with
  // `append_time_ms`, the log append time as the timestamp of all records. Writes at most `head.size()` (>=
  // stamp_bytes_max) bytes and returns how many of the payload's first bytes they replace. The payload was
  // inspected.
  static constexpr std::size_t stamp_bytes_max = 64;
  [[nodiscard]] virtual std::size_t stamp(bytes payload, offset base, epoch leader_epoch,
                                          std::optional<std::int64_t> append_time_ms, mutable_bytes head) const = 0;

  // Calls `visit` for each record in order until it returns false. Opens compression, within the named
  // limits.
  [[nodiscard]] virtual result<void> for_each(bytes payload,
                                              const std::function<bool(const record_view&)>& visit) const = 0;

  // The first record with timestamp >= `from_ms`; nullopt when the entry has none.
  [[nodiscard]] virtual result<std::optional<found_record>> find_time(bytes payload, std::int64_t from_ms) const = 0;

  // The entry with only the records for which `keep` is true; offsets, first and last sequence stay as they
  // were. When nothing is left the entry may be empty (it still covers its offsets), and `out` says so with
  // records_left = 0.
  struct filtered {
    byte_vector payload;
    std::uint32_t records_left = 0;
    std::int64_t max_timestamp_ms = -1;
  };
  [[nodiscard]] virtual result<filtered> filter(bytes payload,
                                                const std::function<bool(const record_view&)>& keep) const = 0;

  // The entry with its records compressed as `how` says; everything else that the producer wrote stays. The payload was
  // inspected; here every record is opened and checked, so the facts are exact. Faults: as for inspect, and unsupported
  // from a format that does not compress.
  struct recompressed {
    byte_vector payload;
    entry_facts facts;
  };
  [[nodiscard]] virtual result<recompressed> recompress(bytes payload, const compression_choice& how) const {
    (void)payload;
    (void)how;
    return fault(errc::unsupported, "this format does not compress");
  }

  // Facts in the entry's own head; cheap (no decompression).
  [[nodiscard]] virtual result<producer_facts> producer(bytes payload) const = 0;
};

}  // namespace weir::model
