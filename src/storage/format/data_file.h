// Data files: entries back to back. One format for a log's own files, which grow until they are sealed, and for shared
// files of many small logs, which are written once. Twin: docs/formats/data-file.md.
//
//   header (64 bytes), entries (format/entry.h), and when sealed: footer, trailer (32 bytes)
//
// Header:                                        Trailer (the last 32 bytes):
//   0 u32 magic "WDAT"  4 u32 crc of bytes 8..64    0 u64 footer position = end of the entries
//   8 u16 version  10 u8 kind  11..15 zero          8 u32 footer bytes  12 u32 footer crc
//  16 u64 store id     24 u64 file id              16 u64 zero
//  32 u64 log (own)    40 i64 created, ms          24 u32 crc of bytes 0..24   28 u32 magic "WEND"
//  48 zero
//
// Footer of an own file: sparse index {i64 base offset, u64 position, i64 max timestamp} for about every 32 KiB, the
// timestamp being the largest from that entry to the next index entry.
// Footer of a shared file: one {u64 log, i64 base, i64 end, u64 position, u64 bytes, i64 max timestamp} per run of a log.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/ids.h"

namespace weir::storage {

inline constexpr std::size_t data_header_bytes = 64;
inline constexpr std::size_t data_trailer_bytes = 32;

// `wal`: a file of the WAL that was kept because large entries in it are referred to where they stand; its format is
// format/wal_block.h, and its name stays.
enum class data_file_kind : std::uint8_t { own = 1, shared = 2, wal = 3 };

// Ids of kept WAL files: this bit and the number in the file's name. Other data files are numbered from 1.
inline constexpr std::uint64_t kept_wal_bit = 1ULL << 63;

struct data_file_header {
  data_file_kind kind = data_file_kind::own;
  std::uint64_t store_id = 0;
  std::uint64_t file_id = 0;
  model::log_id log{};
  std::int64_t created_ms = 0;
};
[[nodiscard]] byte_vector encode_data_header(const data_file_header& h);
[[nodiscard]] result<data_file_header> decode_data_header(bytes in);

struct index_entry {
  model::offset base{};
  std::uint64_t position = 0;
  std::int64_t max_timestamp_ms = -1;
  friend bool operator==(const index_entry&, const index_entry&) = default;
};
struct shared_run {
  model::log_id log{};
  model::offset base{};
  model::offset end{};
  std::uint64_t position = 0;
  std::uint64_t length = 0;
  std::int64_t max_timestamp_ms = -1;
  friend bool operator==(const shared_run&, const shared_run&) = default;
};

// Footer and trailer, to be written at `position` (the end of the entries).
[[nodiscard]] byte_vector encode_index_footer(const std::vector<index_entry>& index, std::uint64_t position);
[[nodiscard]] byte_vector encode_shared_footer(const std::vector<shared_run>& runs, std::uint64_t position);

struct data_trailer {
  std::uint64_t footer_position = 0;
  std::uint32_t footer_bytes = 0;
  std::uint32_t footer_crc = 0;
};
[[nodiscard]] result<data_trailer> decode_data_trailer(bytes in);
[[nodiscard]] result<std::vector<index_entry>> decode_index_footer(bytes in, const data_trailer& t);
[[nodiscard]] result<std::vector<shared_run>> decode_shared_footer(bytes in, const data_trailer& t);

// Builds the sparse index as entries are written or scanned in order.
class index_builder {
 public:
  explicit index_builder(std::uint32_t span_bytes) : span_bytes_(span_bytes) {}
  void add(model::offset base, std::uint64_t position, std::int64_t max_timestamp_ms) {
    if (index_.empty() || position >= index_.back().position + span_bytes_) {
      index_.push_back({base, position, max_timestamp_ms});
    } else if (max_timestamp_ms > index_.back().max_timestamp_ms) {
      index_.back().max_timestamp_ms = max_timestamp_ms;
    }
  }
  [[nodiscard]] const std::vector<index_entry>& index() const { return index_; }
  [[nodiscard]] std::vector<index_entry> take() { return std::move(index_); }

 private:
  std::uint32_t span_bytes_;
  std::vector<index_entry> index_;
};

}  // namespace weir::storage
