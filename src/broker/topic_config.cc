#include "broker/topic_config.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "broker/config_table.h"
#include "broker/topic_config_kept.h"

namespace weir::broker {
namespace {

using config_table::built_in;
using config_table::entry_of;
using config_table::number;
using config_table::wanted;
using config_table::wrong;
using type = model::config_entry::type;

std::string real_text(double v) {
  std::array<char, 32> buffer{};
  const auto [end, ec] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), v);
  return ec == std::errc{} ? std::string(buffer.data(), end) : std::string("0");
}

// Numbers differ only in their place and range, so one template makes their setters.
template<class Field>
result<void> put(Field& field, std::string_view text, std::int64_t low, std::int64_t high, std::string_view want) {
  const auto v = number<std::int64_t>(text, low, high, want);
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
  const auto v = config_table::part_of_one(text);
  if (!v) return v.error();
  out.policy.min_cleanable_ratio = *v;
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
  const auto v = number<std::int64_t>(text, 1, INT16_MAX, "1");
  if (!v) return v.error();
  if (*v != 1) return fault(errc::invalid, "only 1 can be met: this node keeps one replica of each partition");
  return {};
}

result<void> put_durability(std::string_view text, topic_settings& out) {
  if (text == "sync") {
    out.durability = durability_level::sync;
  } else if (text == "replicated") {
    out.durability = durability_level::replicated;
  } else if (text == "async") {
    out.durability = durability_level::async;
  } else {
    return wrong(text, "sync, replicated or async");
  }
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
    topic_config_key{
        "weir.durability", "weir.durability", type::text,
        "When a produce is answered: 'sync' when it is on disk, 'replicated' when all in-sync replicas have "
        "it (with one replica the same), 'async' from memory: a crash may lose the last records.",
        [](const settings& s) { return s.log.durability; }, put_durability},
};

using source = model::config_entry::source;

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

const topic_config_key* find_topic_config(std::string_view name) { return config_table::find(table, name); }

const topic_config_key* find_topic_default(std::string_view broker_name) {
  const auto at = std::find_if(table.begin(), table.end(), [&](const auto& k) { return k.broker_name == broker_name; });
  return at == table.end() ? nullptr : &*at;
}

result<void> check_config_length(std::string_view name, std::string_view value) {
  if (value.size() <= config_value_bytes_max) return {};
  return fault(errc::invalid, std::string(name) + ": longer than " + std::to_string(config_value_bytes_max) + " bytes");
}

result<void> check_topic_config(std::string_view name, std::string_view value) {
  const topic_config_key* key = find_topic_config(name);
  const kept_config* kept = find_kept_config(name);
  if (key == nullptr && kept == nullptr) {
    return fault(errc::not_found, "unknown topic config name: " + std::string(name));
  }
  if (auto short_enough = check_config_length(name, value); !short_enough) return short_enough;
  topic_settings scratch;
  auto r = key != nullptr ? key->apply(value, scratch) : kept->check(value);
  if (!r) return fault(errc::invalid, std::string(name) + ": " + r.error().text);
  return {};
}

topic_settings default_topic_settings(const settings& config, const dynamic_configs& set) {
  const broker_values now{config, set};
  topic_settings out;
  for (const topic_config_key& key : table) {
    (void)key.apply(key.default_text(config), out);
    // Checked when it was set, so one that does not parse is of another version; the file's value stays then.
    if (const std::string* text = now.find(key.broker_name)) (void)key.apply(*text, out);
  }
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

std::vector<model::config_entry> describe_topic_config(const model::config_map& overrides, const broker_values& broker,
                                                       const std::optional<std::vector<std::string_view>>& keys,
                                                       bool documentation) {
  std::vector<model::config_entry> out;
  for (const topic_config_key& key : table) {
    if (!wanted(keys, key.name)) continue;
    model::config_entry e = entry_of(key, documentation);
    const auto at = overrides.find(key.name);
    if (at != overrides.end()) e.synonyms.push_back({e.name, at->second, source::topic_override});
    broker.finish(e, key.broker_name, key.default_text(broker.config), key.default_text(built_in()));
    out.push_back(std::move(e));
  }
  for (const kept_config& kept : kept_configs()) {
    const auto at = overrides.find(kept.name);
    if (at == overrides.end() || !wanted(keys, kept.name)) continue;
    model::config_entry e = entry_of(kept, documentation);
    e.value = at->second;
    e.from = source::topic_override;
    e.synonyms.push_back({e.name, e.value, source::topic_override});
    out.push_back(std::move(e));
  }
  return out;
}

}  // namespace weir::broker
