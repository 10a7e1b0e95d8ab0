// The table of configuration keys: file, environment, flags, help, example file and documentation all come from it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/config.h"

namespace weir::server {

struct config_key {
  std::string name;  // "kafka.num_partitions"; in the file: section, then key
  std::string kind;  // for people: "bytes", "duration", "true|false", "auto|direct|buffered", ...
  std::string doc;   // one or two sentences
  // Parses, validates, stores. The fault's text says what is wrong with the value, without the name.
  std::function<result<void>(server_config&, const std::string&)> set;
  // The value as text, as the file would have it without quotes; lists are comma-separated.
  std::function<std::string(const server_config&)> get;
  bool is_list = false;
  bool bare = false;           // a number or a boolean: no quotes in the file
  bool takes_numbers = false;  // a bare number or boolean is right in the file: all of those, sizes and durations
};

[[nodiscard]] const std::vector<config_key>& config_keys();
// Asserts nothing: nullptr when there is no such key.
[[nodiscard]] const config_key* find_key(const std::string& name);
// "unknown key X; did you mean Y?"
[[nodiscard]] std::string unknown_key(const std::string& what, const std::string& name);
// WEIR_KAFKA_NUM_PARTITIONS
[[nodiscard]] std::string environment_name(const config_key& key);
// What the table cannot check key by key.
[[nodiscard]] result<void> validate(const server_config& config);

// The commented example file with every key at its default, and the same as a Markdown table.
[[nodiscard]] std::string example_file();
[[nodiscard]] std::string markdown_table();

}  // namespace weir::server
