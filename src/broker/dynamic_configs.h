// The broker's configuration as clients changed it while the node ran: for all nodes, and for one by its number.
//
// Part of the catalog (a record and the snapshot of shard 0 keep it), so that every reactor has the same. A value for the
// node goes before one for all nodes, and that before the configuration file. Which names and values there may be is
// decided before they are recorded (broker_config.h). Thread: immutable once it is shared.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "broker/settings.h"
#include "model/commands.h"

namespace weir::broker {

struct dynamic_configs {
  static constexpr std::int32_t all_nodes = -1;
  std::map<std::int32_t, model::config_map> by_node;  // node number or all_nodes; no empty maps

  // Null: not set there.
  [[nodiscard]] const std::string* find(std::int32_t node, std::string_view name) const;
  // Null: `node` has no values of its own.
  [[nodiscard]] const model::config_map* of(std::int32_t node) const;
  // All values of `node` (none: forgets it).
  void put(std::int32_t node, model::config_map&& values);

  friend bool operator==(const dynamic_configs&, const dynamic_configs&) = default;
};

// What this node's broker has under a name: the nearest of what was set while it ran, else what `config` says.
struct broker_values {
  const settings& config;
  const dynamic_configs& set;

  // Null: not set while the node ran.
  [[nodiscard]] const std::string* find(std::string_view name) const;
  // Ends `e.synonyms` with all that is known under the broker's name, nearest first: what was set while the node ran,
  // `standard` of the configuration file if it is another than `original`, which is built in. Then makes the first of
  // all synonyms the entry's value.
  void finish(model::config_entry& e, std::string_view name, const std::string& standard,
              const std::string& original) const;
  // The same for a name that has no default: `e.name` as it was set.
  void finish_kept(model::config_entry& e) const;
};

}  // namespace weir::broker
