#include "broker/dynamic_configs.h"

#include <utility>

namespace weir::broker {

const model::config_map* dynamic_configs::of(std::int32_t node) const {
  const auto at = by_node.find(node);
  return at == by_node.end() ? nullptr : &at->second;
}

const std::string* dynamic_configs::find(std::int32_t node, std::string_view name) const {
  const model::config_map* values = of(node);
  if (values == nullptr) return nullptr;
  const auto at = values->find(name);
  return at == values->end() ? nullptr : &at->second;
}

void dynamic_configs::put(std::int32_t node, model::config_map&& values) {
  if (values.empty()) {
    by_node.erase(node);
  } else {
    by_node.insert_or_assign(node, std::move(values));
  }
}

const std::string* broker_values::find(std::string_view name) const {
  const std::string* own = set.find(config.node_id, name);
  return own != nullptr ? own : set.find(dynamic_configs::all_nodes, name);
}

namespace {

using source = model::config_entry::source;

void add_set(model::config_entry& e, const broker_values& broker, std::string_view name) {
  const std::string* own = broker.set.find(broker.config.node_id, name);
  const std::string* common = broker.set.find(dynamic_configs::all_nodes, name);
  if (own != nullptr) e.synonyms.push_back({std::string(name), *own, source::node_set});
  if (common != nullptr) e.synonyms.push_back({std::string(name), *common, source::cluster_set});
}

void take_first(model::config_entry& e) {
  if (e.synonyms.empty()) return;
  e.value = e.synonyms.front().value;
  e.from = e.synonyms.front().from;
}

}  // namespace

void broker_values::finish(model::config_entry& e, std::string_view name, const std::string& standard,
                           const std::string& original) const {
  add_set(e, *this, name);
  if (standard != original) e.synonyms.push_back({std::string(name), standard, source::broker_file});
  e.synonyms.push_back({std::string(name), original, source::default_value});
  take_first(e);
}

void broker_values::finish_kept(model::config_entry& e) const {
  add_set(e, *this, e.name);
  take_first(e);
}

}  // namespace weir::broker
