// Topic configuration that nothing here reads: names of Kafka whose values hold already by how the broker works, or tune
// files of Kafka's that do not exist here and that no client sees.
//
// Such a value is checked, stored and shown for the topic that has it, and for no other: what no code reads has no
// default to show. A value that a client could see broken is refused. The reasons, name by name, are in docs/semantics.md, the
// rule in docs/decisions/0005-topic-configs.md. Thread: pure functions; the table is constant.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"
#include "model/commands.h"

namespace weir::broker {

struct kept_config {
  std::string_view name;
  model::config_entry::type kind;
  std::string_view documentation;
  // A fault's text says what would be right.
  result<void> (*check)(std::string_view text);
};

[[nodiscard]] std::span<const kept_config> kept_configs();
[[nodiscard]] const kept_config* find_kept_config(std::string_view name);

}  // namespace weir::broker
