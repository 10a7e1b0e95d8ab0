// The store's named limits. Every figure has its unit in its name; the defaults are for a server, tests shrink them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "platform/disk.h"
#include "storage/planted_fault.h"

namespace weir::storage {

// How far recovery is, for people who wait. Bytes of WAL; `total` is an upper bound.
struct recovery_progress {
  const char* stage = "";
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;
};

struct store_options {
  // ---- write-ahead log
  std::uint64_t wal_file_bytes = 64ULL << 20;
  std::uint64_t wal_first_file_bytes = 8ULL << 20;  // made before open_store returns; the others in the background
  std::uint32_t wal_files_min = 2;                  // kept when idle
  std::uint32_t wal_files_max = 12;                 // then appends wait for a checkpoint
  std::uint32_t wal_writes_in_flight = 4;
  std::uint32_t wal_write_bytes_max = 1U << 20;  // also the size of a memory chunk
  std::uint64_t record_bytes_max = 32ULL << 20;  // one new_record with everything in it; appending more is a bug

  // ---- memory
  std::uint64_t ring_bytes_max = 256ULL << 20;  // data that is not yet in segments; then bulk is refused with busy
  std::uint64_t cache_bytes_max = 64ULL << 20;  // recent chunks kept after they went to segments
  // Buffers of disk reads that somebody still holds, then read says busy; writes of data files may have half of it.
  std::uint64_t read_bytes_max = 128ULL << 20;
  std::uint64_t index_bytes_max = 32ULL << 20;       // sparse indexes of data files in memory
  std::uint64_t compaction_bytes_max = 64ULL << 20;  // keys that one compaction pass remembers
  std::uint32_t open_files_max = 512;                // data files open at a time
  // How chunks and large reads get their memory; null: aligned operator new. The server gives huge pages under heavy load.
  std::function<void*(std::size_t)> chunk_allocate;
  std::function<void(void*, std::size_t)> chunk_release;
  // Whether memory of the common size that is free again is worth keeping for the next use; null: always.
  std::function<bool(const void*)> chunk_worth_keeping;

  // ---- checkpoints and data files
  std::uint64_t checkpoint_bytes = 64ULL << 20;      // un-checkpointed data that starts a checkpoint
  std::uint64_t segment_flush_bytes = 256ULL << 10;  // a log with at least this much gets a data file of its own
  std::uint64_t small_file_bytes_max = 32ULL << 20;  // a shared file of small logs; a bigger checkpoint writes several
  std::uint32_t small_extents_max = 64;              // pieces of one log in shared files before they are merged
  std::uint32_t index_span_bytes = 32U << 10;        // one sparse index entry per so many bytes
  // The largest single read, unless one entry is larger. With an index span and a block more its memory is 1 MiB: a chunk's.
  std::uint32_t read_ahead_bytes = 988U << 10;
  // Of data files, on the disk at a time: a write of the WAL waits behind them.
  std::uint64_t reads_in_flight_bytes = 16ULL << 20;
  std::uint64_t reads_beside_writes_bytes = 1ULL << 20;               // while there are appends
  std::uint32_t block_read_bytes = platform::past_cache_least_bytes;  // from so much on a read takes whole blocks
  std::uint32_t data_write_bytes = 1U << 20;                          // the largest single write, in a hurry
  std::uint32_t gentle_write_bytes = 128U << 10;                      // and when there is time
  std::uint32_t data_writes_in_flight = 8;                            // metering: writes of a checkpoint at a time
  std::uint32_t data_syncs_in_flight = 32;                            // many: the file system commits them together
  std::int64_t checkpoint_spread_ms = 5'000;                          // and at most so long, if nothing waits for it
  // Entries of at least this size are not written a second time when most of a checkpoint is such: the WAL's file is kept
  // as a data file. 0: never.
  std::uint32_t keep_entry_bytes = 256U << 10;
  std::uint32_t keep_percent_min = 75;         // of a checkpoint's bytes
  std::uint64_t keep_bytes_min = 16ULL << 20;  // and so many, for it to be worth it
  std::uint32_t keep_extents_max = 200'000;    // then they are copied: each is an extent in memory
  std::uint64_t manifest_rewrite_bytes = 32ULL << 20;
  std::int64_t quiet_ms = 1000;                  // without an append for so long: checkpoint, if it is worth it,
  std::uint64_t quiet_bytes = 1ULL << 20;        // that is from so much on;
  std::int64_t quiet_small_ms = 10'000;          // less than that waits so long, for a trickle not to make many files
  std::int64_t checkpoint_interval_ms = 60'000;  // at the latest
  std::int64_t idle_release_ms = 10'000;         // without an append for so long: drop caches
  std::int64_t tick_ms = 250;                    // how often all of this is looked at
  std::int64_t clean_interval_ms = 15'000;       // retention and compaction

  // ---- disk space
  std::uint64_t critical_free_bytes = 512ULL << 20;  // below: bulk is refused with no_space; must exceed ring_bytes_max
  std::uint64_t resume_free_bytes = 576ULL << 20;    // above: bulk is taken again
  std::int64_t space_poll_ms = 2'000;
  // Kept in a file and given up when the disk is full to the last byte: for a start, a checkpoint, the removal of files.
  std::uint64_t reserve_bytes = 32ULL << 20;

  std::function<void(const recovery_progress&)> on_progress;
  planted_fault planted = planted_fault::none;
};

}  // namespace weir::storage
