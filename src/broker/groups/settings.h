// Settings of the classic group coordinator. Plain values; read once, at construction.
#pragma once

#include <cstdint>

namespace weir::broker {

struct group_settings {
  // A group that starts from empty waits this long for more members, and again after each arrival, up to the
  // longest rebalance timeout of its members.
  std::int32_t initial_rebalance_delay_ms = 500;
  // Bounds of what a member may ask for as its session timeout.
  std::int32_t session_timeout_min_ms = 6'000;
  std::int32_t session_timeout_max_ms = 1'800'000;
  // Members of one group, and groups of one reactor. A member beyond is refused with group_full.
  std::int32_t members_max = 10'000;
  std::int32_t groups_max = 200'000;
  // What all groups of one reactor keep: names, generations, offsets with their texts. Past it a join makes no group
  // (group_full) and no offset is kept that was not there (commit_too_large); those that are there move on.
  std::size_t stored_bytes_max = 256U << 20;
  // What members bring: names and metadata of the protocols of one member (more is refused with invalid_request), and of
  // all members of one reactor's groups together, with their names and the ids that were given out (group_full). A
  // group's generation must also fit one record of the store, else its sync is refused with `internal`, as Kafka does.
  std::size_t member_bytes_max = 1U << 20;
  std::size_t members_bytes_max = 256U << 20;
  // A member that is new must be answered within this time, else it is taken for gone even while its join is
  // parked.
  std::int32_t new_member_grace_ms = 300'000;
  // Longest text that goes with a committed offset, in bytes.
  std::int32_t offset_metadata_max = 4'096;
  // How long offsets outlive their use (KIP-211); -1: for ever. In a group with members only the offsets of
  // topics that nobody subscribes to are out of use; in an empty group all are.
  std::int64_t offset_retention_ms = -1;
  // How often expired offsets, and empty groups without offsets, are looked for.
  std::int64_t sweep_interval_ms = 600'000;
};

}  // namespace weir::broker
