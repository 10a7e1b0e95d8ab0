// Bugs that can be planted in the store on purpose, one at a time: the crash simulator must find each of them.
//
// A fault is one `if (options.planted == planted_fault::x)` at the place where a real engineer could have made that
// mistake. Production leaves `none`. Each comment says what is done wrong.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace weir::storage {

enum class planted_fault : std::uint8_t {
  none = 0,
  // WAL
  answer_before_sync,   // tickets are released when the write is submitted
  ticket_out_of_order,  // a completed write releases its tickets though an earlier one is still under way
  failed_sync_ignored,  // a failed WAL write counts as done
  wal_recycled_early,   // WAL files are reused when a checkpoint starts, not when its manifest edit is durable
  block_seq_skipped,    // a reopened store leaves one block number out
  // checkpoint
  folder_sync_skipped,        // new data files are not made durable by name
  data_sync_skipped,          // data files are not synced at all
  manifest_before_data_sync,  // the manifest edit is written before the data files are synced
  manifest_sync_skipped,      // the manifest edit is not synced before the WAL is recycled
  snapshot_misses_shard,      // one changed shard's snapshot is not written
  covered_lsn_too_high,       // one record more than the files and snapshots hold counts as covered
  covered_lsn_too_low,        // the last covered record is applied again after recovery
  trim_forgotten,             // log starts are not in the manifest
  removed_log_returns,        // removed logs are not in the manifest
  extent_short,               // the last entry of a flushed range is not written
  small_extent_shifted,       // extents in shared files are recorded one entry too far
  unlink_before_manifest,     // dead files are unlinked before the manifest says so
  chunk_released_early,       // memory is given back when the data file was written, before it was synced and recorded
  failed_data_sync_ignored,   // a failed sync of a data file counts as done
  kept_file_recycled,         // a WAL file is written to again though extents refer to it
  // recovery
  torn_tail_accepted,        // blocks are taken without checking the checksums of what is in them
  lost_block_taken_as_torn,  // a damaged block that was durable is taken for the end of the WAL
  offset_reused,             // a log's end comes from its files alone
  replay_skips_state,        // records without entries are not applied
  lsn_reused,                // the last lsn of a shard is given again
  // reading
  read_unchecked,      // entries read from disk are not verified
  read_limit_ignored,  // entries at and above `below` are returned
};

inline constexpr std::array<std::string_view, 28> planted_fault_names = {"none",
                                                                         "answer_before_sync",
                                                                         "ticket_out_of_order",
                                                                         "failed_sync_ignored",
                                                                         "wal_recycled_early",
                                                                         "block_seq_skipped",
                                                                         "folder_sync_skipped",
                                                                         "data_sync_skipped",
                                                                         "manifest_before_data_sync",
                                                                         "manifest_sync_skipped",
                                                                         "snapshot_misses_shard",
                                                                         "covered_lsn_too_high",
                                                                         "covered_lsn_too_low",
                                                                         "trim_forgotten",
                                                                         "removed_log_returns",
                                                                         "extent_short",
                                                                         "small_extent_shifted",
                                                                         "unlink_before_manifest",
                                                                         "chunk_released_early",
                                                                         "failed_data_sync_ignored",
                                                                         "kept_file_recycled",
                                                                         "torn_tail_accepted",
                                                                         "lost_block_taken_as_torn",
                                                                         "offset_reused",
                                                                         "replay_skips_state",
                                                                         "lsn_reused",
                                                                         "read_unchecked",
                                                                         "read_limit_ignored"};

[[nodiscard]] constexpr std::string_view to_string(planted_fault f) {
  return planted_fault_names[static_cast<std::size_t>(f)];
}

}  // namespace weir::storage
