// The handlers of each API, by key. Internal to protocol/kafka.
#pragma once

#include "protocol/kafka/first_times.h"
#include "protocol/kafka/map.h"
#include "protocol/kafka/session.h"

namespace weir::kafka::api {

void produce(session& s, const inbound& q);
void fetch(session& s, const inbound& q);
void list_offsets(session& s, const inbound& q);
void offset_for_leader_epoch(session& s, const inbound& q);
void delete_records(session& s, const inbound& q);
void init_producer_id(session& s, const inbound& q);
void describe_producers(session& s, const inbound& q);

void api_versions(session& s, const inbound& q);
void metadata(session& s, const inbound& q);
void find_coordinator(session& s, const inbound& q);
void describe_cluster(session& s, const inbound& q);
void describe_topic_partitions(session& s, const inbound& q);
void describe_log_dirs(session& s, const inbound& q);
void elect_leaders(session& s, const inbound& q);
void alter_partition_reassignments(session& s, const inbound& q);
void list_partition_reassignments(session& s, const inbound& q);

void create_topics(session& s, const inbound& q);
void delete_topics(session& s, const inbound& q);
void create_partitions(session& s, const inbound& q);
void describe_configs(session& s, const inbound& q);
void alter_configs(session& s, const inbound& q);
void incremental_alter_configs(session& s, const inbound& q);

void join_group(session& s, const inbound& q);
void sync_group(session& s, const inbound& q);
void heartbeat(session& s, const inbound& q);
void leave_group(session& s, const inbound& q);
void offset_commit(session& s, const inbound& q);
void offset_fetch(session& s, const inbound& q);
void describe_groups(session& s, const inbound& q);
void list_groups(session& s, const inbound& q);
void delete_groups(session& s, const inbound& q);
void offset_delete(session& s, const inbound& q);

// What a handler remembers of a request until its answer: topics with their partitions, in the request's
// order.
struct asked_topic {
  std::string name;
  uuid id{};
  std::vector<std::int32_t> partitions;
};

// A topic of a request as the core wants it.
[[nodiscard]] inline model::topic_ref ref_of(std::string_view name, const uuid& id) { return {name, id}; }

}  // namespace weir::kafka::api
