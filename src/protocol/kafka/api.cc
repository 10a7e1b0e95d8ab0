#include "protocol/kafka/api.h"

namespace weir::kafka {

handler handler_of(api_key key) {
  switch (key) {
    case api_key::produce:
      return api::produce;
    case api_key::fetch:
      return api::fetch;
    case api_key::list_offsets:
      return api::list_offsets;
    case api_key::metadata:
      return api::metadata;
    case api_key::offset_commit:
      return api::offset_commit;
    case api_key::offset_fetch:
      return api::offset_fetch;
    case api_key::find_coordinator:
      return api::find_coordinator;
    case api_key::join_group:
      return api::join_group;
    case api_key::heartbeat:
      return api::heartbeat;
    case api_key::leave_group:
      return api::leave_group;
    case api_key::sync_group:
      return api::sync_group;
    case api_key::describe_groups:
      return api::describe_groups;
    case api_key::list_groups:
      return api::list_groups;
    case api_key::api_versions:
      return api::api_versions;
    case api_key::create_topics:
      return api::create_topics;
    case api_key::delete_topics:
      return api::delete_topics;
    case api_key::delete_records:
      return api::delete_records;
    case api_key::init_producer_id:
      return api::init_producer_id;
    case api_key::offset_for_leader_epoch:
      return api::offset_for_leader_epoch;
    case api_key::describe_configs:
      return api::describe_configs;
    case api_key::alter_configs:
      return api::alter_configs;
    case api_key::describe_log_dirs:
      return api::describe_log_dirs;
    case api_key::create_partitions:
      return api::create_partitions;
    case api_key::delete_groups:
      return api::delete_groups;
    case api_key::elect_leaders:
      return api::elect_leaders;
    case api_key::incremental_alter_configs:
      return api::incremental_alter_configs;
    case api_key::alter_partition_reassignments:
      return api::alter_partition_reassignments;
    case api_key::list_partition_reassignments:
      return api::list_partition_reassignments;
    case api_key::offset_delete:
      return api::offset_delete;
    case api_key::describe_cluster:
      return api::describe_cluster;
    case api_key::describe_producers:
      return api::describe_producers;
    case api_key::describe_topic_partitions:
      return api::describe_topic_partitions;
    // Authentication is not built yet: neither served nor advertised.
    case api_key::sasl_handshake:
    case api_key::sasl_authenticate:
      return nullptr;
  }
  return nullptr;
}

}  // namespace weir::kafka
