// Bytes of the group records (version 1) and of one group inside a snapshot. Little-endian; text is a 32-bit
// length and its bytes; key is make_key's text; list counts are varints unless noted.
//
//   metadata        key, generation
//   generation      number i32, protocol type text, has protocol u8, protocol text, leader text, changed i64
//   (wall ms),
//                   members: {id text, is static u8, instance text, client id text, host text, session
//                   timeout i32, rebalance timeout i32, metadata text, assignment text}
//   offsets         key, commit time i64, expiry i64 (-1: none), then to the end of the record runs of one
//   topic:
//                   {topic id 16 bytes, count u32, {partition varint, offset i64, leader epoch i32,
//                   metadata}} where metadata is a varint length and its bytes
//   offsets_removed key, then to the end of the record runs: {topic id, count u32, {partition varint}}
//   group_removed   key
//   topic_forgotten topic id
//   snapshot        version u8 (1), groups: {key, has generation u8, [generation], topics: {topic id,
//   partitions:
//                   {partition varint, offset i64, leader epoch i32, commit time i64, expiry i64, metadata}}}
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "broker/groups/group_table.h"

namespace weir::broker::groups {

inline constexpr std::uint8_t record_version = 1;

void put_uuid(byte_writer& out, const model::uuid& id);
[[nodiscard]] model::uuid take_uuid(byte_reader& in);

void put_generation(byte_writer& out, const stored_generation& g);
// False: the bytes are not what put_generation writes.
[[nodiscard]] bool take_generation(byte_reader& in, stored_generation& g);

void write_metadata(byte_vector& out, std::string_view key, const stored_generation& g);

// Writes runs of items of one topic; each run's count is filled in when the next begins or at finish().
class run_writer {
 public:
  explicit run_writer(byte_vector& out) : out_(out) {}
  void topic(const model::uuid& id);  // starts a new run unless `id` is the current one
  void offset(std::int32_t partition, model::offset at, model::epoch leader_epoch, std::string_view metadata);
  void partition(std::int32_t partition);
  void finish();
  [[nodiscard]] std::size_t items() const { return items_; }

 private:
  byte_writer out_;
  model::uuid current_{};
  std::size_t count_place_ = 0;
  std::uint32_t count_ = 0;
  std::size_t items_ = 0;
};

void begin_offsets(byte_vector& out, std::string_view key, std::int64_t commit_ms, std::int64_t expire_ms);
void begin_offsets_removed(byte_vector& out, std::string_view key);

}  // namespace weir::broker::groups
