// Start-up: from what a crash left to the tables and the state machine as they were at the last durable record.
//
// Order: superblock, manifest (files, extents, bounds, snapshots), cut growing files to what the manifest says,
// restore(), WAL records behind each shard's covered lsn through the same apply as at run time, then removal of files
// that nothing names. Nothing on disk is changed before the WAL was read to its end. Blocking.
#pragma once

#include <unordered_map>

#include "storage/core.h"
#include "storage/format/record.h"
#include "storage/format/superblock.h"
#include "storage/manifest_store.h"
#include "storage/space_reserve.h"
#include "storage/wal_reader.h"

namespace weir::storage {

class recovery {
 public:
  recovery(core& c, manifest_store& manifest, wal_files& files, space_reserve& reserve, recovery_report& report)
      : core_(c), manifest_(manifest), files_(files), reserve_(reserve), report_(report) {}

  [[nodiscard]] result<void> run();

  // After run: where the WAL goes on.
  [[nodiscard]] std::uint64_t next_block_seq() const { return next_block_seq_; }
  [[nodiscard]] ring_position durable_place() const { return durable_place_; }

 private:
  [[nodiscard]] result<void> create();
  [[nodiscard]] result<void> load_manifest();
  [[nodiscard]] result<void> take_edit(const manifest_edit& e);
  [[nodiscard]] result<void> take_extents(const manifest_edit& e);
  void settle_extents();
  [[nodiscard]] result<void> check_files();
  [[nodiscard]] result<void> check_cover() const;
  [[nodiscard]] result<void> restore_shards();
  [[nodiscard]] result<void> replay_block(bytes block);
  [[nodiscard]] result<void> replay_record(const parsed_record& r, std::uint32_t position);
  [[nodiscard]] result<void> check_change(const model::log_change& change, model::shard_id shard) const;
  void note_wal_files();
  [[nodiscard]] result<void> cut_files();
  [[nodiscard]] result<void> remove_orphans();
  chunk& chunk_for(std::size_t bytes);

  core& core_;
  manifest_store& manifest_;
  wal_files& files_;
  space_reserve& reserve_;
  recovery_report& report_;
  superblock block_;
  manifest_wal wal_position_;
  std::unordered_map<std::uint64_t, manifest_shard> shards_;
  std::unordered_map<std::uint64_t, model::lsn> covered_;
  std::vector<std::uint64_t> overlong_;  // files to cut
  chunk_ptr chunk_;
  std::uint64_t next_block_seq_ = 1;
  ring_position durable_place_;
  model::applied_record applied_;
};

}  // namespace weir::storage
