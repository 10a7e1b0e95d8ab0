#include "broker/broker_config.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "broker/config_table.h"
#include "broker/topic_config_kept.h"

namespace weir::broker {
namespace {

using config_table::built_in;
using config_table::entry_of;
using config_table::wanted;

using type = model::config_entry::type;
using source = model::config_entry::source;

// The broker's keys that are always shown. Those that are defaults of topics may be set while the node runs.
struct broker_key {
  std::string_view name;
  type kind;
  std::string (*text)(const settings&);
  std::string_view documentation;
};
std::string yes_no(bool b) { return b ? "true" : "false"; }

constexpr std::array broker_table{
    broker_key{"auto.create.topics.enable", type::boolean,
               [](const settings& s) { return yes_no(s.auto_create_topics); },
               "Whether naming a missing topic creates it."},
    broker_key{"broker.id", type::int32, [](const settings& s) { return std::to_string(s.node_id); },
               "This node's number."},
    broker_key{"compression.gzip.level", type::int32, [](const settings&) { return std::string("-1"); },
               "Default of compression.gzip.level."},
    broker_key{"compression.lz4.level", type::int32, [](const settings&) { return std::string("9"); },
               "Default of compression.lz4.level."},
    broker_key{"compression.type", type::text, [](const settings& s) { return s.log.compression_type; },
               "Default of compression.type."},
    broker_key{"compression.zstd.level", type::int32, [](const settings&) { return std::string("3"); },
               "Default of compression.zstd.level."},
    broker_key{"default.replication.factor", type::int32,
               [](const settings& s) { return std::to_string(s.default_replication_factor); },
               "Replicas of a topic that names no number."},
    broker_key{"delete.topic.enable", type::boolean, [](const settings& s) { return yes_no(s.delete_topics_enabled); },
               "Whether topics may be deleted."},
    broker_key{"fetch.max.bytes", type::int32, [](const settings& s) { return std::to_string(s.fetch_max_bytes); },
               "The most bytes that one fetch answer holds."},
    broker_key{"group.initial.rebalance.delay.ms", type::int32,
               [](const settings& s) { return std::to_string(s.groups.initial_rebalance_delay_ms); },
               "How long a new group waits for further members."},
    broker_key{"group.max.session.timeout.ms", type::int32,
               [](const settings& s) { return std::to_string(s.groups.session_timeout_max_ms); },
               "The longest session timeout of a group member."},
    broker_key{"group.max.size", type::int32, [](const settings& s) { return std::to_string(s.groups.members_max); },
               "The most members of one group."},
    broker_key{"group.min.session.timeout.ms", type::int32,
               [](const settings& s) { return std::to_string(s.groups.session_timeout_min_ms); },
               "The shortest session timeout of a group member."},
    broker_key{"log.cleaner.delete.retention.ms", type::int64,
               [](const settings& s) { return std::to_string(s.log.delete_retention_ms); },
               "Default of delete.retention.ms."},
    broker_key{"log.cleaner.max.compaction.lag.ms", type::int64,
               [](const settings& s) { return std::to_string(s.log.max_compaction_lag_ms); },
               "Default of max.compaction.lag.ms."},
    broker_key{"log.cleaner.min.cleanable.ratio", type::real,
               [](const settings& s) { return find_topic_config("min.cleanable.dirty.ratio")->default_text(s); },
               "Default of min.cleanable.dirty.ratio."},
    broker_key{"log.cleaner.min.compaction.lag.ms", type::int64,
               [](const settings& s) { return std::to_string(s.log.min_compaction_lag_ms); },
               "Default of min.compaction.lag.ms."},
    broker_key{"log.cleanup.policy", type::list, [](const settings& s) { return s.log.cleanup_policy; },
               "Default of cleanup.policy."},
    broker_key{"log.dirs", type::text, [](const settings& s) { return s.data_folder; }, "The data folder."},
    broker_key{"log.message.timestamp.after.max.ms", type::int64,
               [](const settings& s) { return std::to_string(s.log.timestamp_after_max_ms); },
               "Default of message.timestamp.after.max.ms."},
    broker_key{"log.message.timestamp.before.max.ms", type::int64,
               [](const settings& s) { return std::to_string(s.log.timestamp_before_max_ms); },
               "Default of message.timestamp.before.max.ms."},
    broker_key{"log.message.timestamp.type", type::text, [](const settings& s) { return s.log.timestamp_type; },
               "Default of message.timestamp.type."},
    broker_key{"log.retention.bytes", type::int64,
               [](const settings& s) { return std::to_string(s.log.retention_bytes); }, "Default of retention.bytes."},
    broker_key{
        "log.retention.hours", type::int32,
        [](const settings& s) { return std::to_string(s.log.retention_ms < 0 ? -1 : s.log.retention_ms / 3'600'000); },
        "log.retention.ms of the configuration file, in hours."},
    broker_key{
        "log.retention.minutes", type::int32,
        [](const settings& s) { return std::to_string(s.log.retention_ms < 0 ? -1 : s.log.retention_ms / 60'000); },
        "log.retention.ms of the configuration file, in minutes."},
    broker_key{"log.retention.ms", type::int64, [](const settings& s) { return std::to_string(s.log.retention_ms); },
               "Default of retention.ms."},
    broker_key{"log.roll.hours", type::int32,
               [](const settings& s) { return std::to_string(s.log.segment_ms / 3'600'000); },
               "log.roll.ms of the configuration file, in hours."},
    broker_key{"log.roll.ms", type::int64, [](const settings& s) { return std::to_string(s.log.segment_ms); },
               "Default of segment.ms."},
    broker_key{"log.segment.bytes", type::int32, [](const settings& s) { return std::to_string(s.log.segment_bytes); },
               "Default of segment.bytes."},
    broker_key{"message.max.bytes", type::int32, [](const settings& s) { return std::to_string(s.message_max_bytes); },
               "Default of max.message.bytes."},
    broker_key{"min.insync.replicas", type::int32, [](const settings&) { return std::string("1"); },
               "This node keeps one replica of each partition."},
    broker_key{"node.id", type::int32, [](const settings& s) { return std::to_string(s.node_id); },
               "This node's number."},
    broker_key{"num.partitions", type::int32, [](const settings& s) { return std::to_string(s.num_partitions); },
               "Partitions of a topic that names no number."},
    broker_key{"offset.metadata.max.bytes", type::int32,
               [](const settings& s) { return std::to_string(s.groups.offset_metadata_max); },
               "The longest text that a group may keep with a committed offset."},
    broker_key{"offsets.retention.minutes", type::int64,
               [](const settings& s) {
                 return std::to_string(s.groups.offset_retention_ms < 0 ? -1 : s.groups.offset_retention_ms / 60'000);
               },
               "How long the offsets of an empty group are kept; -1: for ever."},
    broker_key{"producer.id.expiration.ms", type::int32,
               [](const settings& s) { return std::to_string(s.producer_id_expiration_ms); },
               "How long an idle idempotent producer is remembered."},
    broker_key{"weir.durability", type::text, [](const settings& s) { return s.log.durability; },
               "Default of weir.durability."},
};

// ---- what is kept -----------------------------------------------------------------------------------------------------

template<std::int64_t Low, std::int64_t High>
result<void> number(std::string_view text) {
  const auto v =
      config_table::number(text, Low, High, "a number from " + std::to_string(Low) + " to " + std::to_string(High));
  if (!v) return v.error();
  return {};
}

result<void> part_of_one(std::string_view text) {
  const auto v = config_table::part_of_one(text);
  if (!v) return v.error();
  return {};
}

result<void> any_text(std::string_view) { return {}; }

// The broker's name of a topic's kept name: the same check.
template<std::size_t N>
struct literal {
  char text[N];
  constexpr literal(const char (&t)[N]) { std::copy_n(t, N, text); }  // NOLINT: a template argument in quotes
};
template<literal TopicName>
result<void> as_topic(std::string_view text) {
  return find_kept_config(TopicName.text)->check(text);
}

constexpr std::string_view no_replication = "Kept: with one replica there is no replication to throttle.";
constexpr std::string_view own_threads = "Without effect: the number of threads is threads.reactors, whatever they do.";
constexpr std::string_view no_kerberos = "Without effect: there is no Kerberos here that it would be for.";
constexpr std::string_view synced = "Kept: what is acknowledged is on disk already, unless weir.durability is async.";
constexpr std::string_view as_the_topics = "Kept: see the topic configuration of the same meaning.";

constexpr std::int64_t most32 = INT32_MAX;
constexpr std::int64_t most64 = INT64_MAX;

constexpr std::array kept_table{
    kept_broker_config{"background.threads", type::int32, own_threads, false, number<1, most32>},
    kept_broker_config{"follower.replication.throttled.rate", type::int64, no_replication, false, number<0, most64>},
    kept_broker_config{"leader.replication.throttled.rate", type::int64, no_replication, false, number<0, most64>},
    kept_broker_config{"log.cleaner.threads", type::int32, own_threads, false, number<0, most32>},
    kept_broker_config{"log.flush.interval.messages", type::int64, synced, false, as_topic<"flush.messages">},
    kept_broker_config{"log.flush.interval.ms", type::int64, synced, false, as_topic<"flush.ms">},
    kept_broker_config{"log.index.interval.bytes", type::int32, as_the_topics, false, as_topic<"index.interval.bytes">},
    kept_broker_config{"log.index.size.max.bytes", type::int32, as_the_topics, false, as_topic<"segment.index.bytes">},
    kept_broker_config{"log.local.retention.bytes", type::int64, as_the_topics, false,
                       as_topic<"local.retention.bytes">},
    kept_broker_config{"log.local.retention.ms", type::int64, as_the_topics, false, as_topic<"local.retention.ms">},
    kept_broker_config{"log.preallocate", type::boolean, as_the_topics, false, as_topic<"preallocate">},
    kept_broker_config{"log.roll.jitter.ms", type::int64, as_the_topics, false, as_topic<"segment.jitter.ms">},
    kept_broker_config{"log.segment.delete.delay.ms", type::int64, as_the_topics, false,
                       as_topic<"file.delete.delay.ms">},
    kept_broker_config{"num.io.threads", type::int32, own_threads, false, number<1, most32>},
    kept_broker_config{"num.network.threads", type::int32, own_threads, false, number<1, most32>},
    kept_broker_config{"num.recovery.threads.per.data.dir", type::int32, own_threads, false, number<1, most32>},
    kept_broker_config{"num.replica.fetchers", type::int32, "Kept: with one replica nothing is fetched from others.",
                       false, number<1, most32>},
    kept_broker_config{"replica.alter.log.dirs.io.max.bytes.per.second", type::int64,
                       "Kept: there is one data folder, so nothing is moved between folders.", false,
                       number<0, most64>},
    kept_broker_config{"sasl.kerberos.kinit.cmd", type::text, no_kerberos, true, any_text},
    kept_broker_config{"sasl.kerberos.min.time.before.relogin", type::int64, no_kerberos, true,
                       number<INT64_MIN, most64>},
    kept_broker_config{"sasl.kerberos.principal.to.local.rules", type::list, no_kerberos, true, any_text},
    kept_broker_config{"sasl.kerberos.service.name", type::text, no_kerberos, true, any_text},
    kept_broker_config{"sasl.kerberos.ticket.renew.jitter", type::real, no_kerberos, true, part_of_one},
    kept_broker_config{"sasl.kerberos.ticket.renew.window.factor", type::real, no_kerberos, true, part_of_one},
    kept_broker_config{"unclean.leader.election.enable", type::boolean, as_the_topics, false,
                       as_topic<"unclean.leader.election.enable">},
};

// Kafka changes these while it runs; here their promise would be broken, so they are refused with what to do.
struct refused_name {
  std::string_view name;
  std::string_view instead;
};
constexpr std::array refused_table{
    refused_name{"log.cleaner.backoff.ms", "storage.clean_interval in the configuration file is the like of it"},
    refused_name{"log.cleaner.io.max.bytes.per.second", "compaction has no throttle here"},
    refused_name{"max.connection.creation.rate", "there is no such limit here"},
    refused_name{"max.connections", "limits.connections in the configuration file is the like of it"},
    refused_name{"max.connections.per.ip",
                 "limits.connections_per_address in the configuration file is the like of it"},
    refused_name{"producer.id.expiration.ms",
                 "kafka.producer_id_expiration in the configuration file is the like of it"},
};

}  // namespace

std::span<const kept_broker_config> kept_broker_configs() { return kept_table; }

const kept_broker_config* find_kept_broker_config(std::string_view name) {
  return config_table::find(kept_table, name);
}

result<type> changeable_broker_config(std::string_view name, bool all_nodes) {
  if (const topic_config_key* key = find_topic_default(name)) return key->kind;
  if (const kept_broker_config* kept = find_kept_broker_config(name)) {
    if (!all_nodes || !kept->one_node_only) return kept->kind;
    return fault(errc::unsupported, std::string(name) + " can be set for a node, not for all nodes at once");
  }
  const std::string cannot = std::string(name) + " cannot be changed while the broker runs";
  if (const refused_name* r = config_table::find(refused_table, name)) {
    return fault(errc::unsupported, cannot + ": " + std::string(r->instead));
  }
  if (config_table::find(broker_table, name) != nullptr) {
    return fault(errc::unsupported, cannot + ": set it in the configuration file");
  }
  return fault(errc::not_found, "unknown broker config name: " + std::string(name.substr(0, 256)));
}

result<void> check_broker_config(std::string_view name, std::string_view value) {
  if (auto short_enough = check_config_length(name, value); !short_enough) return short_enough;
  topic_settings scratch;
  const topic_config_key* key = find_topic_default(name);
  const kept_broker_config* kept = find_kept_broker_config(name);
  if (key == nullptr && kept == nullptr) return fault(errc::invalid, "unknown broker config name");
  const auto ok = key != nullptr ? key->apply(value, scratch) : kept->check(value);
  if (!ok) return fault(errc::invalid, std::string(name) + ": " + ok.error().text);
  return {};
}

std::vector<model::config_entry> describe_broker_config(const broker_values& broker,
                                                        const std::optional<std::vector<std::string_view>>& keys,
                                                        bool documentation) {
  std::vector<model::config_entry> out;
  for (const broker_key& key : broker_table) {
    if (!wanted(keys, key.name)) continue;
    model::config_entry e = entry_of(key, documentation);
    e.read_only = !is_topic_default(key.name);
    broker.finish(e, key.name, key.text(broker.config), key.text(built_in()));
    out.push_back(std::move(e));
  }
  for (const kept_broker_config& kept : kept_table) {
    if (broker.find(kept.name) == nullptr || !wanted(keys, kept.name)) continue;
    model::config_entry e = entry_of(kept, documentation);
    broker.finish_kept(e);
    out.push_back(std::move(e));
  }
  return out;
}

std::vector<model::config_entry> describe_common_config(const dynamic_configs& set,
                                                        const std::optional<std::vector<std::string_view>>& keys,
                                                        bool documentation) {
  std::vector<model::config_entry> out;
  const model::config_map* values = set.of(dynamic_configs::all_nodes);
  if (values == nullptr) return out;
  for (const auto& [name, value] : *values) {
    if (!wanted(keys, name)) continue;
    const topic_config_key* key = find_topic_default(name);
    const kept_broker_config* kept = find_kept_broker_config(name);
    if (key == nullptr && kept == nullptr) continue;  // of another version
    model::config_entry e = key != nullptr ? entry_of(*key, documentation) : entry_of(*kept, documentation);
    e.name = name;  // the broker's, also where the line is the topics'
    e.value = value;
    e.from = source::cluster_set;
    e.synonyms.push_back({name, value, source::cluster_set});
    out.push_back(std::move(e));
  }
  return out;
}

}  // namespace weir::broker
