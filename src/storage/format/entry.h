// The entry: what one append stored under consecutive offsets of one log. The same bytes stand in WAL records and in
// data files, so their checksum is computed once. Twin: docs/formats/entry.md.
//
//   0 u32 crc       crc32c of bytes 4..end (header rest, extension, payload)
//   4 u32 payload bytes
//   8 u64 log
//  16 i64 base offset
//  24 u32 count     offsets that it takes, >= 1
//  28 u16 format    model::format_tag
//  30 u8  kind      entry_kind
//  31 u8  extension bytes / 8: facts (type, length, value) that the target of the log needs; unknown ones are skipped
//  32 i64 max timestamp, ms
//  40 i32 leader epoch
//  44 u32 flags     unknown bits in the low half must be understood, else the entry is unsupported
//  48 extension, then payload
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "model/entry_format.h"
#include "model/ids.h"

namespace weir::storage {

enum class entry_kind : std::uint8_t {
  inline_payload = 1,
  body_reference = 2,  // payload: {u64 log, i64 offset} of the entry that holds the bytes, then bytes of its own
  hole = 3,            // offsets that compaction or a crash left empty
};

inline constexpr std::size_t entry_header_bytes = 48;
inline constexpr std::uint32_t entry_flags_must_understand = 0x0000ffff;

struct entry_header {
  std::uint32_t crc = 0;
  std::uint32_t payload_bytes = 0;
  model::log_id log{};
  model::offset base{};
  std::uint32_t count = 0;
  model::format_tag format = model::format_tag::none;
  entry_kind kind = entry_kind::inline_payload;
  std::uint8_t extension_words = 0;
  std::int64_t max_timestamp_ms = -1;
  model::epoch leader_epoch{-1};
  std::uint32_t flags = 0;

  [[nodiscard]] std::size_t extension_bytes() const { return std::size_t{extension_words} * 8; }
  [[nodiscard]] std::size_t total_bytes() const { return entry_header_bytes + extension_bytes() + payload_bytes; }
  [[nodiscard]] model::offset end() const { return base + static_cast<std::int64_t>(count); }
};

// Writes the header at `out` (entry_header_bytes) without its crc, which seal_entry fills in when the rest stands.
inline void put_entry_header(std::byte* out, const entry_header& h) {
  store_le<std::uint32_t>(out, 0);
  store_le(out + 4, h.payload_bytes);
  store_le(out + 8, h.log.raw());
  store_le(out + 16, h.base.raw());
  store_le(out + 24, h.count);
  store_le(out + 28, static_cast<std::uint16_t>(h.format));
  store_le(out + 30, static_cast<std::uint8_t>(h.kind));
  store_le(out + 31, h.extension_words);
  store_le(out + 32, h.max_timestamp_ms);
  store_le(out + 40, h.leader_epoch.raw());
  store_le(out + 44, h.flags);
}

// Reads a header from at least entry_header_bytes of memory; checks nothing.
[[nodiscard]] inline entry_header load_entry_header(const std::byte* in) {
  entry_header h;
  h.crc = load_le<std::uint32_t>(in);
  h.payload_bytes = load_le<std::uint32_t>(in + 4);
  h.log = model::log_id(load_le<std::uint64_t>(in + 8));
  h.base = model::offset(load_le<std::int64_t>(in + 16));
  h.count = load_le<std::uint32_t>(in + 24);
  h.format = static_cast<model::format_tag>(load_le<std::uint16_t>(in + 28));
  h.kind = static_cast<entry_kind>(load_le<std::uint8_t>(in + 30));
  h.extension_words = load_le<std::uint8_t>(in + 31);
  h.max_timestamp_ms = load_le<std::int64_t>(in + 32);
  h.leader_epoch = model::epoch(load_le<std::int32_t>(in + 40));
  h.flags = load_le<std::uint32_t>(in + 44);
  return h;
}

// Computes and stores the checksum of the whole entry (header, extension, payload) that stands in `entry`; returns it.
std::uint32_t seal_entry(mutable_bytes entry);

// Takes the first entry of `in`. Faults: out_of_range when `in` ends before it does (needed bytes: total_bytes() of the
// header when that much is there), corrupt, unsupported. `check` false skips the checksum, never the bounds.
struct parsed_entry {
  entry_header header;
  bytes extension;
  bytes payload;
};
[[nodiscard]] result<parsed_entry> parse_entry(bytes in, bool check = true);

// How many bytes the entry at the start of `in` takes; 0 when fewer than a header are there or they cannot be one.
[[nodiscard]] std::size_t entry_size_at(bytes in);

// The payload of a body reference.
struct body_reference {
  model::log_id log{};
  model::offset at{};
};
inline constexpr std::size_t body_reference_bytes = 16;
[[nodiscard]] result<body_reference> parse_body_reference(bytes payload);
void put_body_reference(std::byte* out, const body_reference& r);

}  // namespace weir::storage
