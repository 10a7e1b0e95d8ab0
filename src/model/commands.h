// What sessions ask of the broker core, in plain data, and what the core answers: commands down, events up.
//
// Lifetime: a command's views (string_view, bytes) live until broker_port::submit returns; the core copies
// what it keeps. Events own their memory. Every command carries its caller and passes the one allow() in the
// core.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "model/entry_format.h"
#include "model/ids.h"
#include "model/log_port.h"
#include "model/refusal.h"

namespace weir::model {

// Who asks. One per connection, immutable after authentication.
struct caller {
  std::string principal = "anonymous";  // e.g. "loopback"
  std::string host;                     // peer address without port
  std::string vhost = "/";
  std::string client_name;  // as the client calls itself; for people and quotas only
  bool loopback = false;    // the peer's address is a loopback address
};

// A topic by name, or by id where the protocol gave one (then `name` is empty).
struct topic_ref {
  std::string_view name;
  uuid id{};
};

using config_map = std::map<std::string, std::string, std::less<>>;

// ---- describe_topics
// ------------------------------------------------------------------------------------------------
struct describe_topics {
  std::optional<std::vector<topic_ref>> topics;  // nullopt: all
  bool auto_create = false;  // create the named ones that are missing, where the configuration allows it
};
struct topic_description {
  refusal error = refusal::none;
  std::string name;
  uuid id{};
  bool internal = false;
  std::int32_t partitions = 0;  // indexes 0..partitions-1, all led by this node
  epoch leader_epoch{0};
};
struct topics_described {
  std::vector<topic_description> topics;  // in the order asked; all: sorted by name
};

// ---- create / delete / grow topics
// ----------------------------------------------------------------------------------
struct create_topic_item {
  std::string_view name;
  std::int32_t partitions = -1;          // -1: the configured default
  std::int32_t replication_factor = -1;  // -1: the configured default
  bool has_assignments = false;
  std::vector<std::pair<std::int32_t, std::vector<std::int32_t>>> assignments;  // partition -> broker ids
  std::vector<std::pair<std::string_view, std::optional<std::string_view>>> configs;
};
struct create_topics {
  std::vector<create_topic_item> topics;
  bool validate_only = false;
};
struct config_entry {
  // Nearest first: set for the topic, for the node while it ran, for all nodes while they ran, in the file, built in.
  enum class source : std::uint8_t { topic_override, node_set, cluster_set, broker_file, default_value };
  std::string name;
  std::optional<std::string> value;
  source from = source::default_value;
  bool read_only = false;
  bool sensitive = false;
  enum class type : std::uint8_t { boolean, text, int32, int16, int64, real, list, klass, password } kind = type::text;
  std::string documentation;
  // The chain of values behind this one, nearest first.
  struct synonym {
    std::string name;
    std::optional<std::string> value;
    source from = source::default_value;
  };
  std::vector<synonym> synonyms;
};
struct topic_result {
  refusal error = refusal::none;
  std::string detail;
  std::string name;
  uuid id{};
  std::int32_t partitions = -1;
  std::int32_t replication_factor = -1;
  std::vector<config_entry> configs;
};
struct topics_created {
  std::vector<topic_result> topics;
};
struct delete_topics {
  std::vector<topic_ref> topics;
};
struct topics_deleted {
  std::vector<topic_result> topics;
};
struct grow_topic_item {
  std::string_view name;
  std::int32_t partitions = 0;  // the new total
  std::optional<std::vector<std::vector<std::int32_t>>> assignments;
};
struct grow_topics {
  std::vector<grow_topic_item> topics;
  bool validate_only = false;
};
struct topics_grown {
  std::vector<topic_result> topics;
};

// ---- configuration
// --------------------------------------------------------------------------------------------------
enum class config_resource : std::uint8_t { topic, broker };
struct describe_configs {
  struct item {
    config_resource kind{};
    std::string_view name;
    std::optional<std::vector<std::string_view>> keys;  // nullopt: all
  };
  std::vector<item> items;
  bool documentation = false;
};
struct configs_described {
  struct item {
    refusal error = refusal::none;
    std::string detail;
    config_resource kind{};
    std::string name;
    std::vector<config_entry> configs;
  };
  std::vector<item> items;
};
struct alter_configs {
  enum class op : std::uint8_t { set, remove, append, subtract };
  struct change {
    std::string_view name;
    op how = op::set;
    std::optional<std::string_view> value;
  };
  struct item {
    config_resource kind{};
    std::string_view name;
    std::vector<change> changes;
    bool replace_all = false;  // the old, non-incremental form: what is not named goes back to its default
  };
  std::vector<item> items;
  bool validate_only = false;
};
struct configs_altered {
  struct item {
    refusal error = refusal::none;
    std::string detail;
    config_resource kind{};
    std::string name;
  };
  std::vector<item> items;
};

// ---- produce
// --------------------------------------------------------------------------------------------------------
struct produce {
  struct item {
    topic_ref topic;
    std::int32_t partition = 0;
    format_tag format = format_tag::kafka_batch_v2;
    bytes entry;  // exactly one entry as the producer wrote it
  };
  std::vector<item> items;
  enum class acks : std::uint8_t {
    none,
    leader,
    all
  } wait = acks::all;  // none: no event comes; errors close the session
  std::int32_t timeout_ms = 0;
  bool zstd_allowed = true;
  // Within the broker, of a produce in parts without acknowledgement: answered all the same, before it is on disk, so
  // that whoever puts the parts together knows when there is no more to come.
  bool always_answered = false;
};
struct produced {
  struct record_problem {
    std::int32_t index = 0;
    std::string text;
  };
  struct item {
    refusal error = refusal::none;
    std::string detail;
    offset base{-1};
    std::int64_t append_time_ms = -1;  // -1: the producer's timestamps stand
    offset log_start{-1};
    epoch current_epoch{-1};  // with not_leader / fenced epochs
    std::vector<record_problem> records;
  };
  std::vector<item> items;  // in the order of the command
};

// ---- fetch
// ----------------------------------------------------------------------------------------------------------
struct fetch {
  struct item {
    topic_ref topic;
    std::int32_t partition = 0;
    offset from{};
    epoch current_epoch{-1};  // what the client believes; -1: do not check
    epoch last_epoch{-1};     // epoch of the last record that it read; -1: unknown
    std::int64_t bytes_max = 0;
  };
  std::vector<item> items;
  std::int32_t wait_ms = 0;
  std::int64_t bytes_min = 0;
  std::int64_t bytes_max = 0;
  bool committed_only = false;
  bool zstd_allowed = true;
  // Within the broker, of a fetch in parts: how much this part has before it tells whoever puts them together. 0: none.
  std::int64_t bytes_share = 0;
};
struct fetched {
  struct item {
    refusal error = refusal::none;
    offset high_watermark{-1};
    offset last_stable{-1};
    offset log_start{-1};
    // Set when the client's log diverged from ours: where its last epoch ends here.
    std::optional<std::pair<epoch, offset>> diverging;
    epoch current_epoch{-1};
    read_batch data;
  };
  std::vector<item> items;  // in the order of the command
};

// ---- offsets of logs
// --------------------------------------------------------------------------------------------------
enum class offset_spec : std::uint8_t { earliest, latest, max_timestamp, earliest_local, latest_tiered, at_time };
struct list_offsets {
  struct item {
    topic_ref topic;
    std::int32_t partition = 0;
    epoch current_epoch{-1};
    offset_spec what{};
    std::int64_t time_ms = 0;
  };
  std::vector<item> items;
  bool committed_only = false;
};
struct offsets_listed {
  struct item {
    refusal error = refusal::none;
    offset at{-1};
    std::int64_t timestamp_ms = -1;
    epoch leader_epoch{-1};
  };
  std::vector<item> items;
};
struct epoch_ends {
  struct item {
    topic_ref topic;
    std::int32_t partition = 0;
    epoch current_epoch{-1};
    epoch asked{-1};
  };
  std::vector<item> items;
};
struct epoch_ends_found {
  struct item {
    refusal error = refusal::none;
    epoch found{-1};
    offset end{-1};
  };
  std::vector<item> items;
};
struct delete_records {
  struct item {
    topic_ref topic;
    std::int32_t partition = 0;
    offset before{};  // -1: the high watermark
  };
  std::vector<item> items;
};
struct records_deleted {
  struct item {
    refusal error = refusal::none;
    offset low_watermark{-1};
  };
  std::vector<item> items;
};

// ---- producers, folders
// -----------------------------------------------------------------------------------------------
struct init_producer {
  std::optional<std::string_view> transactional_id;
  std::int32_t timeout_ms = 0;
  std::int64_t producer_id = -1;  // with an epoch: bump it (KIP-360)
  std::int16_t producer_epoch = -1;
};
struct producer_ready {
  refusal error = refusal::none;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
};
struct describe_producers {
  struct item {
    topic_ref topic;
    std::int32_t partition = 0;
  };
  std::vector<item> items;
};
struct producers_described {
  struct producer {
    producer_facts last;
    std::int64_t last_timestamp_ms = -1;
    std::int32_t coordinator_epoch = -1;
    offset txn_start{-1};
  };
  struct item {
    refusal error = refusal::none;
    std::string detail;
    std::vector<producer> producers;
  };
  std::vector<item> items;
};
struct describe_log_dirs {
  struct item {
    std::string_view topic;
    std::int32_t partition = 0;
  };
  std::optional<std::vector<item>> items;  // nullopt: all
};
struct log_dirs_described {
  struct partition {
    std::string topic;
    std::int32_t partition = 0;
    std::int64_t size_bytes = 0;
  };
  refusal error = refusal::none;
  std::string folder;
  std::int64_t total_bytes = -1;
  std::int64_t usable_bytes = -1;
  std::vector<partition> partitions;
};

// ---- groups (classic protocol)
// ------------------------------------------------------------------------------------------
struct join_group {
  struct protocol {
    std::string_view name;
    bytes metadata;
  };
  std::string_view group;
  std::string_view member;                   // empty: a new one
  std::optional<std::string_view> instance;  // static membership (KIP-345)
  std::string_view client_id;
  std::string_view protocol_type;
  std::vector<protocol> protocols;
  std::int32_t session_timeout_ms = 0;
  std::int32_t rebalance_timeout_ms = -1;  // -1: the session timeout (JoinGroup v0)
  bool member_id_required = false;         // the client can take member_id_required (v4+)
  bool skip_assignment_known = false;      // v9: a static leader may be told to skip assigning
  std::string_view reason;
};
struct group_joined {
  struct member {
    std::string id;
    std::optional<std::string> instance;
    byte_vector metadata;
  };
  refusal error = refusal::none;
  std::int32_t generation = -1;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol;
  std::string leader;
  std::string member_id;
  bool skip_assignment = false;
  std::vector<member> members;  // for the leader only
};
struct sync_group {
  struct assignment {
    std::string_view member;
    bytes data;
  };
  std::string_view group;
  std::string_view member;
  std::optional<std::string_view> instance;
  std::int32_t generation = -1;
  std::optional<std::string_view> protocol_type;
  std::optional<std::string_view> protocol;
  std::vector<assignment> assignments;  // the leader's
};
struct group_synced {
  refusal error = refusal::none;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol;
  byte_vector assignment;
};
struct heartbeat {
  std::string_view group;
  std::string_view member;
  std::optional<std::string_view> instance;
  std::int32_t generation = -1;
};
struct heartbeat_seen {
  refusal error = refusal::none;
};
struct leave_group {
  struct member {
    std::string_view id;
    std::optional<std::string_view> instance;
    std::string_view reason;
  };
  std::string_view group;
  std::vector<member> members;
};
struct group_left {
  struct member {
    std::string id;
    std::optional<std::string> instance;
    refusal error = refusal::none;
  };
  refusal error = refusal::none;
  std::vector<member> members;
};
struct commit_offsets {
  struct item {
    topic_ref topic;
    std::int32_t partition = 0;
    offset at{};
    epoch leader_epoch{-1};
    std::string_view metadata;
  };
  std::string_view group;
  std::string_view member;
  std::optional<std::string_view> instance;
  std::int32_t generation = -1;
  std::int64_t retention_ms = -1;  // v2-v4; -1: the configured rule
  std::vector<item> items;
};
struct offsets_committed {
  std::vector<refusal> items;  // in the order of the command
};
struct fetch_offsets {
  struct item {
    topic_ref topic;
    std::int32_t partition = 0;
  };
  std::string_view group;
  std::optional<std::vector<item>> items;  // nullopt: all that the group committed
  bool require_stable = false;
};
struct offsets_fetched {
  struct item {
    refusal error = refusal::none;
    std::string topic;
    uuid topic_id{};
    std::int32_t partition = 0;
    offset at{-1};
    epoch leader_epoch{-1};
    std::string metadata;
  };
  refusal error = refusal::none;
  std::vector<item> items;
};
struct describe_groups {
  std::vector<std::string_view> groups;
};
struct groups_described {
  struct member {
    std::string id;
    std::optional<std::string> instance;
    std::string client_id;
    std::string host;
    byte_vector metadata;
    byte_vector assignment;
  };
  struct group {
    refusal error = refusal::none;
    std::string detail;
    std::string id;
    std::string state;  // Empty, PreparingRebalance, CompletingRebalance, Stable, Dead
    std::string protocol_type;
    std::string protocol;
    std::vector<member> members;
  };
  std::vector<group> groups;
};
struct list_groups {
  std::vector<std::string_view> states;  // empty: all
  std::vector<std::string_view> types;   // empty: all; "classic"
};
struct groups_listed {
  struct group {
    std::string id;
    std::string protocol_type;
    std::string state;
    std::string type;
  };
  refusal error = refusal::none;
  std::vector<group> groups;
};
struct delete_groups {
  std::vector<std::string_view> groups;
};
struct groups_deleted {
  std::vector<std::pair<std::string, refusal>> groups;
};
struct delete_group_offsets {
  struct item {
    topic_ref topic;
    std::int32_t partition = 0;
  };
  std::string_view group;
  std::vector<item> items;
};
struct group_offsets_deleted {
  refusal error = refusal::none;
  std::vector<refusal> items;
};

using command =
    std::variant<describe_topics, create_topics, delete_topics, grow_topics, describe_configs, alter_configs, produce,
                 fetch, list_offsets, epoch_ends, delete_records, init_producer, describe_producers, describe_log_dirs,
                 join_group, sync_group, heartbeat, leave_group, commit_offsets, fetch_offsets, describe_groups,
                 list_groups, delete_groups, delete_group_offsets>;

using event = std::variant<topics_described, topics_created, topics_deleted, topics_grown, configs_described,
                           configs_altered, produced, fetched, offsets_listed, epoch_ends_found, records_deleted,
                           producer_ready, producers_described, log_dirs_described, group_joined, group_synced,
                           heartbeat_seen, group_left, offsets_committed, offsets_fetched, groups_described,
                           groups_listed, groups_deleted, group_offsets_deleted>;

}  // namespace weir::model
