// Topic configuration: one table of names, and what the values mean for a topic.
//
// A name is in the table only if some code reads it, and is always shown. What nothing here needs to read is in
// topic_config_kept.h and shown only where a topic sets it. Values are kept as the text that the user gave (overrides)
// and resolved once into `topic_settings`, which the produce path and the store read. The names are Kafka's.
// Thread: pure functions; the table is constant.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "broker/dynamic_configs.h"
#include "broker/settings.h"
#include "model/commands.h"
#include "model/log_port.h"

namespace weir::broker {

// compression.type and the levels.
struct compression_rules {
  std::optional<model::compression_kind> kind;  // nullopt: as the producer chose
  std::int32_t gzip_level = 0;
  std::int32_t lz4_level = 0;
  std::int32_t zstd_level = 0;

  [[nodiscard]] std::int32_t level_of(model::compression_kind k) const;
};

// weir.durability: when a produce is answered, and up to where readers see (docs/semantics.md, decision 0007).
enum class durability_level : std::uint8_t {
  sync,        // on disk first, both
  replicated,  // in the memory of all in-sync replicas; with one replica that is sync
  async,       // appended is enough, both; the disk follows at once, without anybody waiting
};

struct topic_settings {
  model::log_policy policy;
  durability_level durability = durability_level::sync;
  compression_rules compression;
  std::int32_t max_message_bytes = 0;
  bool append_time = false;  // message.timestamp.type = LogAppendTime
  std::int64_t timestamp_before_max_ms = INT64_MAX;
  std::int64_t timestamp_after_max_ms = INT64_MAX;
};

// One line of the table.
struct topic_config_key {
  using type = model::config_entry::type;
  std::string_view name;         // retention.ms
  std::string_view broker_name;  // log.retention.ms: where the default comes from; never empty
  type kind;
  std::string_view documentation;
  // The text of the default under these settings.
  std::string (*default_text)(const settings&);
  // Puts a value into the settings of a topic; a fault's text says what would be right.
  result<void> (*apply)(std::string_view text, topic_settings& out);
};

[[nodiscard]] std::span<const topic_config_key> topic_config_table();
[[nodiscard]] const topic_config_key* find_topic_config(std::string_view name);
// The key whose default the broker's key `broker_name` is. Null: none.
[[nodiscard]] const topic_config_key* find_topic_default(std::string_view broker_name);

// A value that is taken is kept in memory and shown to whoever asks: longer ones are refused, of brokers' names too.
inline constexpr std::size_t config_value_bytes_max = 4096;
// Fault invalid: it is longer.
[[nodiscard]] result<void> check_config_length(std::string_view name, std::string_view value);

// Checks one override. Faults: not_found (no such name), invalid (the text says why).
[[nodiscard]] result<void> check_topic_config(std::string_view name, std::string_view value);

// What a topic without overrides has. The defaults of `config` must be valid (check_defaults).
[[nodiscard]] topic_settings default_topic_settings(const settings& config, const dynamic_configs& set = {});
// Whether every default in `config` is one that a topic could have; the fault names the first that is not.
[[nodiscard]] result<void> check_defaults(const settings& config);
// Puts overrides over `base`. Those that do not parse (they were checked when they were set, so only another version
// could have written them) leave the value of `base` in place.
[[nodiscard]] topic_settings resolve_topic_config(const model::config_map& overrides, const topic_settings& base);

// For DescribeConfigs: the entries of a topic, all or those of `keys`.
[[nodiscard]] std::vector<model::config_entry> describe_topic_config(
    const model::config_map& overrides, const broker_values& broker,
    const std::optional<std::vector<std::string_view>>& keys, bool documentation);

}  // namespace weir::broker
