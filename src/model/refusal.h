// Why the broker core says no, in neutral words; each protocol maps them to its own error codes.
#pragma once

#include <cstdint>

namespace weir::model {

enum class refusal : std::uint8_t {
  none = 0,
  // requests in general
  invalid_request,
  denied_cluster,
  denied_topic,
  denied_group,
  timed_out,
  busy,  // memory or outstanding work at its limit: try again
  unsupported,
  internal,
  // topics and partitions
  unknown_topic_or_partition,
  unknown_topic_id,
  inconsistent_topic_id,
  invalid_topic,
  topic_exists,
  invalid_partitions,
  invalid_replication_factor,
  invalid_replica_assignment,
  invalid_config,
  policy_violation,
  leader_not_available,
  not_leader,
  fenced_leader_epoch,
  unknown_leader_epoch,
  election_not_needed,
  no_reassignment_in_progress,
  // data
  corrupt_message,
  message_too_large,
  batch_too_large,  // the whole request part is larger than a segment
  invalid_record,
  invalid_timestamp,
  invalid_acks,
  unsupported_compression,
  offset_out_of_range,
  storage_failed,  // the shard is fenced or the stored bytes are damaged
  disk_full,
  // producers
  out_of_order_sequence,
  duplicate_sequence,
  invalid_producer_epoch,
  unknown_producer,
  // groups
  invalid_group,
  group_not_found,
  group_not_empty,
  group_full,
  group_subscribed,  // offsets of a topic that the group reads cannot be deleted
  illegal_generation,
  unknown_member,
  member_id_required,
  fenced_instance,
  inconsistent_protocol,
  invalid_session_timeout,
  rebalance_in_progress,
  coordinator_not_available,
  coordinator_loading,
  offset_metadata_too_large,
  commit_too_large,  // more than one record of the store holds
};

}  // namespace weir::model
