// The broker's own configuration as tools see and change it: one table of names that are shown, and which names may be
// set while the node runs.
//
// Set while it runs may be: what topics without a value of their own get (topic_config.h; it acts at once), and names of
// Kafka's whose promise holds whatever they say on one node (the kept ones: checked, stored, shown where they were set,
// read by nobody). All else is refused, so nothing that is shown as set is without its meaning. The reasons are in
// docs/semantics.md, the rule in docs/decisions/0005-topic-configs.md. Thread: pure functions; the tables are constant.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "broker/dynamic_configs.h"
#include "broker/topic_config.h"

namespace weir::broker {

// A name that is kept and read by nobody.
struct kept_broker_config {
  std::string_view name;
  model::config_entry::type kind;
  std::string_view documentation;
  bool one_node_only;  // as in Kafka: not for all nodes at once
  // A fault's text says what would be right.
  result<void> (*check)(std::string_view text);
};
[[nodiscard]] std::span<const kept_broker_config> kept_broker_configs();
[[nodiscard]] const kept_broker_config* find_kept_broker_config(std::string_view name);

// The type of a name that may be set while the node runs. Faults: not_found (no such name), unsupported (it cannot be
// changed, or not for all nodes; the text says why and what to do).
[[nodiscard]] result<model::config_entry::type> changeable_broker_config(std::string_view name, bool all_nodes);
// Checks a value of such a name. Fault: invalid (the text says why).
[[nodiscard]] result<void> check_broker_config(std::string_view name, std::string_view value);
// Whether a change of this name changes what topics get.
[[nodiscard]] inline bool is_topic_default(std::string_view name) { return find_topic_default(name) != nullptr; }

// For DescribeConfigs: this node's entries, all or those of `keys`.
[[nodiscard]] std::vector<model::config_entry> describe_broker_config(
    const broker_values& broker, const std::optional<std::vector<std::string_view>>& keys, bool documentation);
// The same of what is set for all nodes, and nothing else.
[[nodiscard]] std::vector<model::config_entry> describe_common_config(
    const dynamic_configs& set, const std::optional<std::vector<std::string_view>>& keys, bool documentation);

}  // namespace weir::broker
