// The WAL record: one atomic change of a shard. Twin: docs/formats/wal.md.
//
//   0 u32 crc      crc32c of bytes 4..48, the changes, the state part, and the crc field of every entry in order
//   4 u32 length   of everything: header, changes, state, entries
//   8 u64 shard
//  16 u64 lsn
//  24 i32 epoch    of the shard's leadership; 0 on a single node
//  28 u16 state kind      30 u8 state version
//  31 u8  flags           unknown bits must be understood
//  32 u8  record kind (1: data)   33 u8 kind version (1)   34 u16 zero
//  36 u32 state bytes    40 u32 entries    44 u32 changes
//  48 changes: {u8 kind, 7 zero bytes, u64 log, i64 at} each; then the state part; then the entries (format/entry.h)
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/result.h"
#include "model/log_port.h"
#include "storage/format/entry.h"

namespace weir::storage {

inline constexpr std::size_t record_header_bytes = 48;
inline constexpr std::size_t record_change_bytes = 24;
inline constexpr std::uint8_t record_kind_data = 1;
inline constexpr std::uint8_t record_kind_version = 1;

struct record_header {
  std::uint32_t crc = 0;
  std::uint32_t length = 0;
  model::shard_id shard{};
  model::lsn at{};
  model::epoch leader_epoch{0};
  std::uint16_t state_kind = 0;
  std::uint8_t state_version = 0;
  std::uint8_t flags = 0;
  std::uint8_t kind = record_kind_data;
  std::uint8_t kind_version = record_kind_version;
  std::uint32_t state_bytes = 0;
  std::uint32_t entries = 0;
  std::uint32_t changes = 0;

  [[nodiscard]] std::size_t fixed_bytes() const {
    return record_header_bytes + std::size_t{changes} * record_change_bytes + state_bytes;
  }
};

// How many bytes the record will take.
[[nodiscard]] inline std::size_t record_size(const model::new_record& r) {
  std::size_t n = record_header_bytes + r.changes.size() * record_change_bytes + r.state.size();
  for (const auto& e : r.entries) {
    n += entry_header_bytes + (e.body_of ? body_reference_bytes : e.head.size() + e.body.size());
  }
  return n;
}

// Writes header, changes and state at `out`, all but the crc. The entries follow at out + fixed_bytes().
void put_record_head(std::byte* out, const record_header& h, const std::vector<model::log_change>& changes,
                     bytes state);
// Finishes the record with the checksums of its entries, `entry_crcs` being crc32c over their crc fields; returns the crc.
std::uint32_t seal_record(std::byte* record, std::size_t fixed_bytes, std::uint32_t entry_crcs);
// Continues the running checksum over entry checksums.
[[nodiscard]] inline std::uint32_t chain_crc(std::uint32_t next, std::uint32_t running) {
  return crc32c(bytes_of(next), running);
}

// A record that stands in memory. `entries` is the undecoded region.
struct parsed_record {
  record_header header;
  bytes changes;
  bytes state;
  bytes entries;
};
// Takes the first record of `in` and checks it and all its entries (with check_entries). Faults: corrupt, unsupported.
[[nodiscard]] result<parsed_record> parse_record(bytes in, bool check_entries = true);
// The i-th change; the record was parsed.
[[nodiscard]] model::log_change change_at(const parsed_record& r, std::size_t i);

}  // namespace weir::storage
