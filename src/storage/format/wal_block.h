// WAL files: a header page, then blocks, each aligned to 4 KiB and written by one durable write. Twin: docs/formats/wal.md.
//
// File header (one page):          Block header (64 bytes, then records back to back, zeros to the next 4 KiB):
//   0 u32 magic "WWAL"               0 u32 magic "WBLK"
//   4 u32 crc of bytes 8..72         4 u32 crc: crc32c of bytes 8..64 continued from the crc over the records' crc fields
//   8 u16 version  10 u16 zero 12 u32 zero   8 u64 incarnation
//  16 u64 store id                  16 u64 seq          counts blocks of the store from 1, over all incarnations
//  24 u64 incarnation               24 u64 durable seq  all blocks <= it were durable when this one was submitted
//  32 u64 file seq                  32 u64 file seq
//  40 u64 first block seq           40 u32 length       header and records, without padding
//  48 u64 durable seq               44 u32 records
//  56 u64 file bytes                48 u64 zero, u64 zero
//  64 u64 zero
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace weir::storage {

inline constexpr std::size_t wal_page_bytes = 4096;
inline constexpr std::size_t wal_block_header_bytes = 64;
inline constexpr std::uint32_t wal_file_magic = 0x4c415757;   // "WWAL"
inline constexpr std::uint32_t wal_block_magic = 0x4b4c4257;  // "WBLK"
inline constexpr std::uint16_t wal_version = 1;

[[nodiscard]] constexpr std::uint64_t round_up_page(std::uint64_t n) {
  return (n + wal_page_bytes - 1) / wal_page_bytes * wal_page_bytes;
}

struct wal_file_header {
  std::uint64_t store_id = 0;
  std::uint64_t incarnation = 0;
  std::uint64_t file_seq = 0;
  std::uint64_t first_seq = 0;
  std::uint64_t durable_seq = 0;
  std::uint64_t file_bytes = 0;
};
void put_wal_file_header(std::byte* page, const wal_file_header& h);  // writes the whole page
// torn: not a header, or not a whole one. unsupported: a newer version.
[[nodiscard]] result<wal_file_header> parse_wal_file_header(bytes page);

struct wal_block_header {
  std::uint64_t incarnation = 0;
  std::uint64_t seq = 0;
  std::uint64_t durable_seq = 0;
  std::uint64_t file_seq = 0;
  std::uint32_t length = 0;
  std::uint32_t records = 0;
};
void put_wal_block_header(std::byte* out, const wal_block_header& h, std::uint32_t record_crcs);

// Whether a block may start at `in`: magic and file seq match. Cheap, proves nothing.
[[nodiscard]] bool may_be_block(bytes in, std::uint64_t file_seq);
// The header alone, bounds checked against `in` (the rest of the file). torn when it cannot be one.
[[nodiscard]] result<wal_block_header> peek_wal_block(bytes in);
// Checks the whole block: header, every record, every entry (with check_entries). torn: not a whole block.
[[nodiscard]] result<wal_block_header> parse_wal_block(bytes in, bool check_entries = true);

}  // namespace weir::storage
