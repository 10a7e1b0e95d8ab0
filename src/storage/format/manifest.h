// The manifest: an append-only file of edits that says which files, extents, logs and shard snapshots make up the store.
// Whatever it names is durable before the edit is written. Twin: docs/formats/manifest.md.
//
//   file header (64 bytes): u32 magic "WMAN", u32 crc of bytes 8..64, u16 version, zeros, u64 store id at 16
//   edit: u32 crc (of the rest), u32 body bytes, u64 seq (from 1 in each file), body
//   body: sections {u8 tag, u32 count, items}; a section with an unknown tag refuses to open
//
// The first edit of a file holds everything; a rewrite makes a new file and renames it over the old one.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/ids.h"
#include "storage/format/data_file.h"

namespace weir::storage {

inline constexpr std::size_t manifest_header_bytes = 64;
inline constexpr std::size_t manifest_edit_header_bytes = 16;

struct manifest_file {
  std::uint64_t id = 0;
  data_file_kind kind = data_file_kind::own;
  bool sealed = false;
  model::log_id log{};  // own files
  std::int64_t created_ms = 0;
  std::uint64_t length = 0;  // the durable frontier: entries end here (sealed: the footer follows)
};
struct manifest_log {
  model::log_id log{};
  model::shard_id shard{};
  model::offset start{};
  model::offset end{};
};
// A run of entries of one log inside one file, in offset order. `end` is one past its last offset; offsets between two
// extents, or inside one, that no entry has were removed by compaction.
struct manifest_extent {
  model::log_id log{};
  std::uint64_t file = 0;
  std::uint64_t position = 0;
  std::uint64_t length = 0;
  model::offset base{};
  model::offset end{};
  std::int64_t max_timestamp_ms = -1;
};
// All extents of `log` that begin in [from, to) are replaced by the ones that this edit adds.
struct manifest_cut {
  model::log_id log{};
  model::offset from{};
  model::offset to{};
};
// How far compaction of `log` has been, storage's clean_state.
struct manifest_cleaned {
  model::log_id log{};
  model::offset to{};
  model::offset tombstones_to{};
  std::int64_t tombstones_ms = 0;
  bool tombstones = false;
};
struct manifest_shard {
  model::shard_id shard{};
  model::lsn covered{};
  byte_vector snapshot;
};
struct manifest_wal {
  std::uint64_t replay_from_seq = 1;  // blocks before it are covered
  std::uint64_t durable_seq = 0;      // known durable when the edit was written
  std::uint64_t incarnation = 0;      // of the writer: blocks from replay_from_seq on are its own or a later one's
};

struct manifest_edit {
  std::uint64_t seq = 0;
  std::uint64_t next_file_id = 1;
  manifest_wal wal;
  std::vector<manifest_file> files;  // new ones, and new lengths of known ones
  std::vector<std::uint64_t> removed_files;
  std::vector<manifest_log> logs;  // new ones, and new bounds of known ones
  std::vector<model::log_id> removed_logs;
  std::vector<manifest_cut> cuts;  // before `extents`
  std::vector<manifest_extent> extents;
  std::vector<manifest_cleaned> cleaned;
  std::vector<manifest_shard> shards;
};

[[nodiscard]] byte_vector encode_manifest_header(std::uint64_t store_id);
[[nodiscard]] result<std::uint64_t> decode_manifest_header(bytes in);  // the store id

// The whole edit with its header.
[[nodiscard]] byte_vector encode_manifest_edit(const manifest_edit& e);
// The edit at the start of `in`; `used` is how many bytes it took. Faults: torn (cut short or checksum), corrupt (whole
// but nonsense), unsupported.
[[nodiscard]] result<manifest_edit> decode_manifest_edit(bytes in, std::size_t& used);

}  // namespace weir::storage
