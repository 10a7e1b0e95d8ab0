// Settings of the broker core: everything that the server's configuration fills in. Plain data, immutable after start,
// read by every reactor.
//
// Names in comments are the configuration keys; where Kafka has a broker key of the same meaning, its name is given too,
// because DescribeConfigs shows the value under that name. Times are milliseconds, -1 means "never" or "no limit".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "broker/groups/settings.h"

namespace weir::broker {

// Defaults of topics that do not override them: the broker-level half of the topic configuration table.
struct log_defaults {
  std::string cleanup_policy = "delete";               // log.cleanup.policy
  std::string compression_type = "producer";           // compression.type
  std::int64_t retention_ms = 7LL * 24 * 3600 * 1000;  // log.retention.ms (also shown as log.retention.hours, .minutes)
  std::int64_t retention_bytes = -1;                   // log.retention.bytes
  std::int64_t segment_bytes = 1LL << 30;              // log.segment.bytes
  std::int64_t segment_ms = 7LL * 24 * 3600 * 1000;    // log.roll.ms (also shown as log.roll.hours)
  std::string timestamp_type = "CreateTime";           // log.message.timestamp.type
  std::int64_t timestamp_before_max_ms = INT64_MAX;    // log.message.timestamp.before.max.ms
  std::int64_t timestamp_after_max_ms = 3600LL * 1000;    // log.message.timestamp.after.max.ms
  std::int64_t delete_retention_ms = 24LL * 3600 * 1000;  // log.cleaner.delete.retention.ms
  std::int64_t min_compaction_lag_ms = 0;                 // log.cleaner.min.compaction.lag.ms
  std::int64_t max_compaction_lag_ms = INT64_MAX;         // log.cleaner.max.compaction.lag.ms
  double min_cleanable_ratio = 0.5;                       // log.cleaner.min.cleanable.ratio
  std::string durability = "sync";                        // weir.durability, in both tables; not one of Kafka's names
};

// Memory and outstanding work of one reactor. Past a limit there is one named refusal, `busy` unless said otherwise.
struct core_limits {
  std::size_t waiting_produce_bytes = 64U << 20;     // produce commands that wait for room in the store
  std::size_t forwarded_bytes = 64U << 20;           // copies of commands for other reactors; past it publishers pause
  std::size_t fetches_waiting = 200'000;             // long polls; past it a fetch answers at once with what there is
  std::size_t fetch_partitions_waiting = 2'000'000;  // partitions in all of them; the same
  std::size_t producers_per_partition = 10'000;      // idempotent producers remembered; the longest idle are forgotten
  std::size_t topics = 1'000'000;                    // refused with policy_violation
  std::size_t topics_per_request = 10'000;      // created, or configurations described; refused with policy_violation
  std::int32_t partitions_per_topic = 100'000;  // refused with invalid_partitions
  std::size_t partitions = 1'000'000;           // of the node; refused with policy_violation
  // What goes into one record of the store; below its own limit. A larger entry is refused with message_too_large.
  std::size_t record_bytes = 24U << 20;
};

struct settings {
  std::int32_t node_id = 1;  // node.id, broker.id
  std::string cluster_id;    // 22 characters of base64 as Kafka's cluster ids; made once per data folder by the server
  std::string data_folder;   // log.dirs: shown by describe_log_dirs, not opened here

  bool auto_create_topics = true;               // auto.create.topics.enable
  std::int32_t num_partitions = 1;              // num.partitions
  std::int32_t default_replication_factor = 1;  // default.replication.factor
  bool clamp_replication_factor =
      false;  // kafka.clamp_replication_factor: 3 asked on one node becomes 1, not a refusal
  std::int32_t message_max_bytes = 1'048'588;                     // message.max.bytes: default of max.message.bytes
  std::int64_t fetch_max_bytes = 8LL << 20;                       // fetch.max.bytes: cap of one fetch answer
  std::int64_t producer_id_expiration_ms = 24LL * 3600 * 1000;    // producer.id.expiration.ms
  std::int64_t producer_id_check_interval_ms = 10LL * 60 * 1000;  // how often idle producer state is swept
  bool delete_topics_enabled = true;                              // delete.topic.enable
  bool allow_all = false;  // --dev on an open address: every principal may do everything

  log_defaults log;
  group_settings groups;
  core_limits limits;
};

}  // namespace weir::broker
