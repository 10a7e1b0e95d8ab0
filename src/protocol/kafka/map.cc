#include "protocol/kafka/map.h"

namespace weir::kafka {

error_code to_error(model::refusal r) noexcept {
  using model::refusal;
  using e = error_code;
  switch (r) {
    case refusal::none: return e::none;
    case refusal::invalid_request: return e::invalid_request;
    case refusal::denied_cluster: return e::cluster_authorization_failed;
    case refusal::denied_topic: return e::topic_authorization_failed;
    case refusal::denied_group: return e::group_authorization_failed;
    case refusal::timed_out: return e::request_timed_out;
    case refusal::busy: return e::request_timed_out;  // retriable, and no client gives up on it
    case refusal::unsupported: return e::unsupported_version;
    case refusal::internal: return e::unknown_server_error;
    case refusal::unknown_topic_or_partition: return e::unknown_topic_or_partition;
    case refusal::unknown_topic_id: return e::unknown_topic_id;
    case refusal::inconsistent_topic_id: return e::inconsistent_topic_id;
    case refusal::invalid_topic: return e::invalid_topic;
    case refusal::topic_exists: return e::topic_already_exists;
    case refusal::invalid_partitions: return e::invalid_partitions;
    case refusal::invalid_replication_factor: return e::invalid_replication_factor;
    case refusal::invalid_replica_assignment: return e::invalid_replica_assignment;
    case refusal::invalid_config: return e::invalid_config;
    case refusal::policy_violation: return e::policy_violation;
    case refusal::leader_not_available: return e::leader_not_available;
    case refusal::not_leader: return e::not_leader_or_follower;
    case refusal::fenced_leader_epoch: return e::fenced_leader_epoch;
    case refusal::unknown_leader_epoch: return e::unknown_leader_epoch;
    case refusal::election_not_needed: return e::election_not_needed;
    case refusal::no_reassignment_in_progress: return e::no_reassignment_in_progress;
    case refusal::corrupt_message: return e::corrupt_message;
    case refusal::message_too_large: return e::message_too_large;
    case refusal::batch_too_large: return e::record_list_too_large;
    case refusal::invalid_record: return e::invalid_record;
    case refusal::invalid_timestamp: return e::invalid_timestamp;
    case refusal::invalid_acks: return e::invalid_required_acks;
    case refusal::unsupported_compression: return e::unsupported_compression_type;
    case refusal::offset_out_of_range: return e::offset_out_of_range;
    case refusal::storage_failed: return e::kafka_storage_error;
    case refusal::disk_full: return e::kafka_storage_error;
    case refusal::out_of_order_sequence: return e::out_of_order_sequence_number;
    case refusal::duplicate_sequence: return e::duplicate_sequence_number;
    case refusal::invalid_producer_epoch: return e::invalid_producer_epoch;
    case refusal::unknown_producer: return e::unknown_producer_id;
    case refusal::invalid_group: return e::invalid_group_id;
    case refusal::group_not_found: return e::group_id_not_found;
    case refusal::group_not_empty: return e::non_empty_group;
    case refusal::group_full: return e::group_max_size_reached;
    case refusal::group_subscribed: return e::group_subscribed_to_topic;
    case refusal::illegal_generation: return e::illegal_generation;
    case refusal::unknown_member: return e::unknown_member_id;
    case refusal::member_id_required: return e::member_id_required;
    case refusal::fenced_instance: return e::fenced_instance_id;
    case refusal::inconsistent_protocol: return e::inconsistent_group_protocol;
    case refusal::invalid_session_timeout: return e::invalid_session_timeout;
    case refusal::rebalance_in_progress: return e::rebalance_in_progress;
    case refusal::coordinator_not_available: return e::coordinator_not_available;
    case refusal::coordinator_loading: return e::coordinator_load_in_progress;
    case refusal::offset_metadata_too_large: return e::offset_metadata_too_large;
  }
  return e::unknown_server_error;
}

}  // namespace weir::kafka
