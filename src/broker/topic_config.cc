#include "broker/topic_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "broker/topic_config_kept.h"

namespace weir::broker {
namespace {

using type = model::config_entry::type;

fault wrong(std::string_view text, std::string_view want) {
  return {errc::invalid, "'" + std::string(text) + "' is not valid: expected " + std::string(want)};
}

result<std::int64_t> number(std::string_view text, std::int64_t low, std::int64_t high, std::string_view want) {
  std::int64_t v = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (ec != std::errc{} || end != text.data() + text.size() || v < low || v > high) return wrong(text, want);
  return v;
}

std::string real_text(double v) {
  std::array<char, 32> buffer{};
  const auto [end, ec] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), v);
  return ec == std::errc{} ? std::string(buffer.data(), end) : std::string("0");
}

// Numbers differ only in their place and range, so one template makes their setters.
template<class Field>
result<void> put(Field& field, std::string_view text, std::int64_t low, std::int64_t high, std::string_view want) {
  const auto v = number(text, low, high, want);
  if (!v) return v.error();
  field = static_cast<Field>(*v);
  return {};
}

result<void> put_cleanup(std::string_view text, topic_settings& out) {
  bool remove = false;
  bool compact = false;
  while (!text.empty()) {
    const auto comma = text.find(',');
    std::string_view word = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    while (!word.empty() && word.front() == ' ') word.remove_prefix(1);
    while (!word.empty() && word.back() == ' ') word.remove_suffix(1);
    if (word == "delete") {
      remove = true;
    } else if (word == "compact") {
      compact = true;
    } else {
      return wrong(word, "a list of 'delete' and 'compact'");
    }
  }
  if (!remove && !compact) return wrong("", "a list of 'delete' and 'compact', at least one of them");
  out.policy.delete_old = remove;
  out.policy.compact = compact;
  return {};
}

result<void> put_ratio(std::string_view text, topic_settings& out) {
  double v = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (ec != std::errc{} || end != text.data() + text.size() || !(v >= 0.0 && v <= 1.0)) {
    return wrong(text, "a number from 0 to 1");
  }
  out.policy.min_cleanable_ratio = v;
  return {};
}

result<void> put_timestamp_type(std::string_view text, topic_settings& out) {
  if (text != "CreateTime" && text != "LogAppendTime") return wrong(text, "CreateTime or LogAppendTime");
  out.append_time = text == "LogAppendTime";
  return {};
}

result<void> put_compression(std::string_view text, topic_settings& out) {
  using kind = model::compression_kind;
  constexpr std::array<std::pair<std::string_view, kind>, 5> names{{{"uncompressed", kind::none},
                                                                    {"gzip", kind::gzip},
                                                                    {"snappy", kind::snappy},
                                                                    {"lz4", kind::lz4},
                                                                    {"zstd", kind::zstd}}};
  out.compression.kind.reset();
  if (text == "producer") return {};
  const auto at = std::find_if(names.begin(), names.end(), [&](const auto& n) { return n.first == text; });
  if (at == names.end()) return wrong(text, "producer, uncompressed, gzip, snappy, lz4 or zstd");
  out.compression.kind = at->second;
  return {};
}

result<void> put_gzip_level(std::string_view text, topic_settings& out) {
  constexpr std::string_view want = "a level from 1 to 9, or -1 for the usual one";
  if (text == "0") return wrong(text, want);
  return put(out.compression.gzip_level, text, -1, 9, want);
}

result<void> put_min_insync(std::string_view text, topic_settings&) {
  const auto v = number(text, 1, INT16_MAX, "1");
  if (!v) return v.error();
  if (*v != 1) return fault(errc::invalid, "only 1 can be met: this node keeps one replica of each partition");
  return {};
}

constexpr std::int64_t forever = INT64_MAX;

constexpr std::array table{
    topic_config_key{
        "cleanup.policy", "log.cleanup.policy", type::list,
        "What happens to old records: 'delete' by age and size, 'compact' keeps the last record of each key.",
        [](const settings& s) { return s.log.cleanup_policy; }, put_cleanup},
    topic_config_key{"compression.gzip.level", "compression.gzip.level", type::int32,
                     "How hard the broker tries where it compresses with gzip.",
                     [](const settings&) { return std::string("-1"); }, put_gzip_level},
    topic_config_key{"compression.lz4.level", "compression.lz4.level", type::int32,
                     "How hard the broker tries where it compresses with lz4; 9 is the fast mode.",
                     [](const settings&) { return std::string("9"); },
                     [](std::string_view t, topic_settings& o) {
                       return put(o.compression.lz4_level, t, 1, 17, "a level from 1 to 17");
                     }},
    topic_config_key{"compression.type", "compression.type", type::text,
                     "How batches are compressed in the log: 'producer' keeps what the producer chose, else the broker "
                     "compresses anew what came in another way.",
                     [](const settings& s) { return s.log.compression_type; }, put_compression},
    topic_config_key{"compression.zstd.level", "compression.zstd.level", type::int32,
                     "How hard the broker tries where it compresses with zstd.",
                     [](const settings&) { return std::string("3"); },
                     [](std::string_view t, topic_settings& o) {
                       return put(o.compression.zstd_level, t, -131072, 22, "a level from -131072 to 22");
                     }},
    topic_config_key{"delete.retention.ms", "log.cleaner.delete.retention.ms", type::int64,
                     "How long a tombstone stays readable in a compacted topic.",
                     [](const settings& s) { return std::to_string(s.log.delete_retention_ms); },
                     [](std::string_view t, topic_settings& o) {
                       return put(o.policy.delete_retention_ms, t, 0, forever, "a number of milliseconds, 0 or more");
                     }},
    topic_config_key{"max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms", type::int64,
                     "The longest time that a record may stay uncompacted.",
                     [](const settings& s) { return std::to_string(s.log.max_compaction_lag_ms); },
                     [](std::string_view t, topic_settings& o) {
                       return put(o.policy.max_compaction_lag_ms, t, 1, forever, "a number of milliseconds, 1 or more");
                     }},
    topic_config_key{"max.message.bytes", "message.max.bytes", type::int32,
                     "The largest record batch, as stored, that is taken.",
                     [](const settings& s) { return std::to_string(s.message_max_bytes); },
                     [](std::string_view t, topic_settings& o) {
                       return put(o.max_message_bytes, t, 0, INT32_MAX, "a number of bytes, 0 or more");
                     }},
    topic_config_key{"message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms", type::int64,
                     "How far a record's timestamp may lie in the future.",
                     [](const settings& s) { return std::to_string(s.log.timestamp_after_max_ms); },
                     [](std::string_view t, topic_settings& o) {
                       return put(o.timestamp_after_max_ms, t, 0, forever, "a number of milliseconds, 0 or more");
                     }},
    topic_config_key{"message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms", type::int64,
                     "How far a record's timestamp may lie in the past.",
                     [](const settings& s) { return std::to_string(s.log.timestamp_before_max_ms); },
                     [](std::string_view t, topic_settings& o) {
                       return put(o.timestamp_before_max_ms, t, 0, forever, "a number of milliseconds, 0 or more");
                     }},
    topic_config_key{"message.timestamp.type", "log.message.timestamp.type", type::text,
                     "CreateTime keeps the producer's timestamps, LogAppendTime replaces them by the broker's clock.",
                     [](const settings& s) { return s.log.timestamp_type; }, put_timestamp_type},
    topic_config_key{"min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio", type::real,
                     "Compaction starts when this part of the log is not compacted yet.",
                     [](const settings& s) { return real_text(s.log.min_cleanable_ratio); }, put_ratio},
    topic_config_key{"min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms", type::int64,
                     "How long a record stays as it is before compaction may remove it.",
                     [](const settings& s) { return std::to_string(s.log.min_compaction_lag_ms); },
                     [](std::string_view t, topic_settings& o) {
                       return put(o.policy.min_compaction_lag_ms, t, 0, forever, "a number of milliseconds, 0 or more");
                     }},
    topic_config_key{"min.insync.replicas", "min.insync.replicas", type::int32,
                     "Replicas that must have a record before acks=all is answered: 1, this node keeps one.",
                     [](const settings&) { return std::string("1"); }, put_min_insync},
    topic_config_key{"retention.bytes", "log.retention.bytes", type::int64,
                     "The size of a partition past which its oldest segments are deleted; -1: no limit.",
                     [](const settings& s) { return std::to_string(s.log.retention_bytes); },
                     [](std::string_view t, topic_settings& o) {
                       return put(o.policy.retention_bytes, t, -1, forever, "a number of bytes, or -1 for no limit");
                     }},
    topic_config_key{"retention.ms", "log.retention.ms", type::int64,
                     "The age past which records are deleted; -1: never.",
                     [](const settings& s) { return std::to_string(s.log.retention_ms); },
                     [](std::string_view t, topic_settings& o) {
                       return put(o.policy.retention_ms, t, -1, forever, "a number of milliseconds, or -1 for ever");
                     }},
    topic_config_key{"segment.bytes", "log.segment.bytes", type::int32,
                     "The size of a segment: retention and compaction work on whole closed segments.",
                     [](const settings& s) { return std::to_string(s.log.segment_bytes); },
                     [](std::string_view t, topic_settings& o) {
                       return put(o.policy.segment_bytes, t, 1 << 20, INT32_MAX,
                                  "a number of bytes from 1048576 to 2147483647");
                     }},
    topic_config_key{"segment.ms", "log.roll.ms", type::int64,
                     "The age after which a segment is closed even if it is not full.",
                     [](const settings& s) { return std::to_string(s.log.segment_ms); },
                     [](std::string_view t, topic_settings& o) {
                       return put(o.policy.segment_ms, t, 1, forever, "a number of milliseconds, 1 or more");
                     }},
};

// The broker's keys: shown, never changed while the node runs.
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
    broker_key{"compression.type", type::text, [](const settings& s) { return s.log.compression_type; },
               "Default of compression.type."},
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
               [](const settings& s) { return real_text(s.log.min_cleanable_ratio); },
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
        "log.retention.ms in hours."},
    broker_key{
        "log.retention.minutes", type::int32,
        [](const settings& s) { return std::to_string(s.log.retention_ms < 0 ? -1 : s.log.retention_ms / 60'000); },
        "log.retention.ms in minutes."},
    broker_key{"log.retention.ms", type::int64, [](const settings& s) { return std::to_string(s.log.retention_ms); },
               "Default of retention.ms."},
    broker_key{"log.roll.hours", type::int32,
               [](const settings& s) { return std::to_string(s.log.segment_ms / 3'600'000); }, "log.roll.ms in hours."},
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
};

using source = model::config_entry::source;

// A broker value that differs from the built-in one was configured.
source source_of(const std::string& now, const std::string& built_in) {
  return now == built_in ? source::default_value : source::broker_file;
}

bool wanted(const std::optional<std::vector<std::string_view>>& keys, std::string_view name) {
  return !keys || std::find(keys->begin(), keys->end(), name) != keys->end();
}

const settings& built_in() {
  static const settings s;
  return s;
}

}  // namespace

std::span<const topic_config_key> topic_config_table() { return table; }

std::int32_t compression_rules::level_of(model::compression_kind k) const {
  switch (k) {
    case model::compression_kind::gzip:
      return gzip_level;
    case model::compression_kind::lz4:
      return lz4_level;
    case model::compression_kind::zstd:
      return zstd_level;
    case model::compression_kind::none:
    case model::compression_kind::snappy:
      break;
  }
  return 0;
}

const topic_config_key* find_topic_config(std::string_view name) {
  const auto at = std::find_if(table.begin(), table.end(), [&](const auto& k) { return k.name == name; });
  return at == table.end() ? nullptr : &*at;
}

result<void> check_topic_config(std::string_view name, std::string_view value) {
  const topic_config_key* key = find_topic_config(name);
  const kept_config* kept = find_kept_config(name);
  if (key == nullptr && kept == nullptr) {
    return fault(errc::not_found, "unknown topic config name: " + std::string(name));
  }
  topic_settings scratch;
  auto r = key != nullptr ? key->apply(value, scratch) : kept->check(value);
  if (!r) return fault(errc::invalid, std::string(name) + ": " + r.error().text);
  return {};
}

topic_settings default_topic_settings(const settings& config) {
  topic_settings out;
  for (const topic_config_key& key : table) (void)key.apply(key.default_text(config), out);
  return out;
}

result<void> check_defaults(const settings& config) {
  topic_settings scratch;
  for (const topic_config_key& key : table) {
    auto r = key.apply(key.default_text(config), scratch);
    if (!r) return fault(errc::invalid, "default of " + std::string(key.name) + ": " + r.error().text);
  }
  return {};
}

topic_settings resolve_topic_config(const model::config_map& overrides, const topic_settings& base) {
  topic_settings out = base;
  for (const auto& [name, value] : overrides) {
    const topic_config_key* key = find_topic_config(name);
    if (key != nullptr) (void)key->apply(value, out);
  }
  return out;
}

std::vector<model::config_entry> describe_topic_config(const model::config_map& overrides, const settings& config,
                                                       const std::optional<std::vector<std::string_view>>& keys,
                                                       bool documentation) {
  std::vector<model::config_entry> out;
  for (const topic_config_key& key : table) {
    if (!wanted(keys, key.name)) continue;
    const std::string standard = key.default_text(config);
    const std::string original = key.default_text(built_in());
    const std::string_view broker_name = key.broker_name.empty() ? key.name : key.broker_name;
    model::config_entry e;
    e.name = key.name;
    e.kind = key.kind;
    if (documentation) e.documentation = key.documentation;
    e.value = standard;
    e.from = source_of(standard, original);
    const auto at = overrides.find(key.name);
    if (at != overrides.end()) {
      e.value = at->second;
      e.from = source::topic_override;
      e.synonyms.push_back({e.name, at->second, source::topic_override});
    }
    if (standard != original) e.synonyms.push_back({std::string(broker_name), standard, source::broker_file});
    e.synonyms.push_back({std::string(broker_name), original, source::default_value});
    out.push_back(std::move(e));
  }
  for (const kept_config& kept : kept_configs()) {
    const auto at = overrides.find(kept.name);
    if (at == overrides.end() || !wanted(keys, kept.name)) continue;
    model::config_entry e;
    e.name = kept.name;
    e.kind = kept.kind;
    e.value = at->second;
    e.from = source::topic_override;
    if (documentation) e.documentation = kept.documentation;
    e.synonyms.push_back({e.name, e.value, source::topic_override});
    out.push_back(std::move(e));
  }
  return out;
}

std::vector<model::config_entry> describe_broker_config(const settings& config,
                                                        const std::optional<std::vector<std::string_view>>& keys,
                                                        bool documentation) {
  std::vector<model::config_entry> out;
  for (const broker_key& key : broker_table) {
    if (!wanted(keys, key.name)) continue;
    model::config_entry e;
    e.name = key.name;
    e.kind = key.kind;
    e.read_only = true;
    if (documentation) e.documentation = key.documentation;
    const std::string original = key.text(built_in());
    e.value = key.text(config);
    e.from = source_of(*e.value, original);
    if (e.from == source::broker_file) e.synonyms.push_back({e.name, e.value, source::broker_file});
    e.synonyms.push_back({e.name, original, source::default_value});
    out.push_back(std::move(e));
  }
  return out;
}

bool is_broker_config(std::string_view name) {
  return std::any_of(broker_table.begin(), broker_table.end(), [&](const auto& k) { return k.name == name; });
}

}  // namespace weir::broker
