// The stored state of groups: what must survive a crash. Pure data; apply() is its only mutator, and decides
// nothing.
//
// Owner: one group_coordinator. Byte layouts of records and snapshots are in records.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/ids.h"

namespace weir::broker::groups {

// A group's place in every map: vhost, NUL, name. A vhost's name has no NUL, so the first one divides.
[[nodiscard]] std::string make_key(std::string_view vhost, std::string_view name);
[[nodiscard]] std::string_view vhost_of(std::string_view key);
[[nodiscard]] std::string_view name_of(std::string_view key);

struct stored_member {
  std::string id;
  std::optional<std::string> instance;
  std::string client_id;
  std::string host;
  std::int32_t session_timeout_ms = 0;
  std::int32_t rebalance_timeout_ms = 0;
  byte_vector metadata;  // for the chosen protocol
  byte_vector assignment;
};

// The last generation that was complete: every member had its assignment, or there was no member.
struct stored_generation {
  std::int32_t number = 0;
  std::string protocol_type;
  std::optional<std::string> protocol;
  std::string leader;
  std::int64_t changed_ms = 0;  // wall time at which the group came into this state
  std::vector<stored_member> members;
};

struct committed_offset {
  std::int32_t partition = 0;
  model::epoch leader_epoch{-1};
  model::offset at{};
  std::int64_t commit_ms = 0;
  std::int64_t expire_ms = -1;  // as the client asked (OffsetCommit v2-v4); -1: by the settings
  std::string metadata{};
};
using partition_offsets = std::vector<committed_offset>;  // by rising partition

struct stored_group {
  model::shard_id shard{};
  std::optional<stored_generation> generation{};  // none: it only ever had offsets
  std::map<model::uuid, partition_offsets> offsets{};

  [[nodiscard]] const committed_offset* find(const model::uuid& topic, std::int32_t partition) const;
};

class group_table {
 public:
  using map = std::map<std::string, stored_group, std::less<>>;

  group_table() = default;
  group_table(const group_table&) = delete;
  group_table& operator=(const group_table&) = delete;

  [[nodiscard]] result<void> apply(model::shard_id shard, std::uint16_t kind, std::uint8_t version, bytes state);
  void snapshot(model::shard_id shard, byte_vector& out) const;
  [[nodiscard]] result<void> restore(model::shard_id shard, bytes snapshot);

  [[nodiscard]] const stored_group* find(std::string_view key) const;
  [[nodiscard]] const map& all() const { return groups_; }
  // Topics that any group has offsets of, with the keys of those groups.
  using holders = std::map<model::uuid, std::set<std::string_view>>;
  [[nodiscard]] const holders& topics() const { return holders_; }

  // What all of it takes in memory, about; a sum of the three below, kept while it changes.
  [[nodiscard]] std::size_t stored_bytes() const { return bytes_; }
  [[nodiscard]] static std::size_t bytes_of_group(std::string_view key) { return sizeof(map::value_type) + key.size(); }
  [[nodiscard]] static std::size_t bytes_of_offset(std::size_t metadata_bytes) {
    return sizeof(committed_offset) + metadata_bytes;
  }
  [[nodiscard]] static std::size_t bytes_of_topic() { return 2 * sizeof(model::uuid) + sizeof(partition_offsets); }

 private:
  using place = map::iterator;
  [[nodiscard]] place at(model::shard_id shard, std::string_view key);
  [[nodiscard]] bool apply_metadata(model::shard_id shard, byte_reader& in);
  [[nodiscard]] bool apply_offsets(model::shard_id shard, byte_reader& in);
  [[nodiscard]] bool apply_offsets_removed(byte_reader& in);
  [[nodiscard]] bool apply_group_removed(byte_reader& in);
  [[nodiscard]] bool apply_topic_forgotten(model::shard_id shard, byte_reader& in);
  [[nodiscard]] bool take_group(byte_reader& in, place g);
  [[nodiscard]] bool take_topic(byte_reader& in, place g);
  [[nodiscard]] partition_offsets& offsets_of(place g, const model::uuid& topic);
  void set_generation(place g, stored_generation&& what);
  void drop_topic(place g, std::map<model::uuid, partition_offsets>::iterator t);
  place drop(place g);

  map groups_;
  holders holders_;  // views of the keys in groups_
  std::size_t bytes_ = 0;
};

}  // namespace weir::broker::groups
