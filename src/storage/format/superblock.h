// The superblock: which store this folder is, and its incarnation. A file of one page, replaced by rename. Twin:
// docs/formats/superblock.md.
//
//   0 u32 magic "WEIR"   4 u32 crc of bytes 8..48   8 u16 format version   10 u16 feature level   12 u32 zero
//  16 u64 store id      24 u64 incarnation         32 i64 created, ms     40 u64 zero
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace weir::storage {

inline constexpr std::size_t superblock_bytes = 4096;
inline constexpr std::uint32_t superblock_magic = 0x52494557;  // "WEIR"
inline constexpr std::uint16_t superblock_version = 1;

struct superblock {
  std::uint16_t feature_level = 1;
  std::uint64_t store_id = 0;
  std::uint64_t incarnation = 0;  // of the store that wrote it; raised durably before its first append
  std::int64_t created_ms = 0;
};

[[nodiscard]] byte_vector encode_superblock(const superblock& s);
// Faults: corrupt, unsupported.
[[nodiscard]] result<superblock> decode_superblock(bytes in);

}  // namespace weir::storage
