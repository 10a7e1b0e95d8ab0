#include "broker/catalog.h"

#include <algorithm>
#include <tuple>

namespace weir::broker {

void catalog_change::add(catalog_change&& later) {
  if (empty()) {
    *this = std::move(later);
    return;
  }
  put.insert(put.end(), later.put.begin(), later.put.end());
  removed.insert(removed.end(), later.removed.begin(), later.removed.end());
  if (later.node_epoch >= 0) node_epoch = later.node_epoch;
  if (later.next_log != 0) next_log = later.next_log;
  if (later.broker != nullptr) broker = std::move(later.broker);
}

catalog::catalog(const settings& config)
    : config_(config),
      broker_(std::make_shared<const dynamic_configs>()),
      defaults_(std::make_shared<const topic_settings>(default_topic_settings(config))) {}

const topic_ptr* catalog::find(std::string_view vhost, std::string_view name) const {
  const auto at = by_name_.find(key{vhost, name});
  return at == by_name_.end() ? nullptr : &at->second;
}

const topic_ptr* catalog::find(const model::uuid& id) const {
  const auto at = by_id_.find(id);
  return at == by_id_.end() ? nullptr : &at->second;
}

void catalog::for_each(const std::function<void(const topic_ptr&)>& visit) const {
  if (sorted_.empty()) {
    sorted_.reserve(by_id_.size());
    for (const auto& [id, t] : by_id_) sorted_.push_back(&t);
    std::sort(sorted_.begin(), sorted_.end(), [](const topic_ptr* a, const topic_ptr* b) {
      return std::tie((*a)->vhost, (*a)->name) < std::tie((*b)->vhost, (*b)->name);
    });
  }
  for (const topic_ptr* t : sorted_) visit(*t);
}

std::string catalog::collision_key(std::string_view vhost, std::string_view name) const {
  std::string k(vhost);
  k.push_back('\0');
  k.append(name);
  std::replace(k.begin() + static_cast<std::ptrdiff_t>(vhost.size()), k.end(), '.', '_');
  return k;
}

const topic_ptr* catalog::find_colliding(std::string_view vhost, std::string_view name) const {
  if (name.find_first_of("._") == std::string_view::npos) return nullptr;
  const auto [first, last] = with_dot_or_underscore_.equal_range(collision_key(vhost, name));
  for (auto at = first; at != last; ++at) {
    const topic_ptr* t = find(at->second);
    if (t != nullptr && (*t)->name != name) return t;
  }
  return nullptr;
}

std::shared_ptr<const topic_settings> catalog::resolve(const model::config_map& overrides) const {
  if (overrides.empty()) return defaults_;
  return std::make_shared<const topic_settings>(resolve_topic_config(overrides, *defaults_));
}

void catalog::plan_broker(dynamic_configs&& next, catalog_change& out) const {
  out.broker = std::make_shared<const dynamic_configs>(std::move(next));
  // Throttles and the like change no topic; a node with very many of them need not look at each then.
  const broker_values before{config_, *broker_};
  const broker_values after{config_, *out.broker};
  const auto differs = [&](const topic_config_key& k) {
    const std::string* was = before.find(k.broker_name);
    const std::string* is = after.find(k.broker_name);
    return was == nullptr || is == nullptr ? was != is : *was != *is;
  };
  const auto keys = topic_config_table();
  if (std::none_of(keys.begin(), keys.end(), differs)) return;
  const auto defaults = std::make_shared<const topic_settings>(default_topic_settings(config_, *out.broker));
  out.put.reserve(by_id_.size());
  for_each([&](const topic_ptr& t) {
    auto copy = std::make_shared<topic>(*t);
    copy->effective = t->overrides.empty()
                          ? defaults
                          : std::make_shared<const topic_settings>(resolve_topic_config(t->overrides, *defaults));
    out.put.push_back(std::move(copy));
  });
}

void catalog::put(const topic_ptr& t) {
  sorted_.clear();
  remove(t->id);
  by_id_.emplace(t->id, t);
  by_name_.insert_or_assign(key{t->vhost, t->name}, t);
  if (t->name.find_first_of("._") != std::string::npos) {
    with_dot_or_underscore_.emplace(collision_key(t->vhost, t->name), t->id);
  }
  partitions_ += t->partitions.size();
  for (const partition_place& p : t->partitions) next_log_ = std::max(next_log_, p.log.raw() + 1);
}

void catalog::remove(const model::uuid& id) {
  const auto at = by_id_.find(id);
  if (at == by_id_.end()) return;
  sorted_.clear();
  const topic_ptr old = at->second;
  partitions_ -= old->partitions.size();
  by_id_.erase(at);
  // The name may belong to a newer topic already.
  const auto named = by_name_.find(key{old->vhost, old->name});
  if (named != by_name_.end() && named->second->id == id) by_name_.erase(named);
  if (old->name.find_first_of("._") == std::string::npos) return;
  const auto [first, last] = with_dot_or_underscore_.equal_range(collision_key(old->vhost, old->name));
  for (auto c = first; c != last; ++c) {
    if (c->second == id) {
      with_dot_or_underscore_.erase(c);
      return;
    }
  }
}

void catalog::adopt(const catalog_change& change) {
  for (const topic_ptr& t : change.removed) remove(t->id);
  for (const topic_ptr& t : change.put) put(t);
  if (change.node_epoch >= 0) node_epoch_ = change.node_epoch;
  if (change.next_log != 0) next_log_ = std::max(next_log_, change.next_log);
  if (change.broker != nullptr) {
    broker_ = change.broker;
    defaults_ = std::make_shared<const topic_settings>(default_topic_settings(config_, *broker_));
  }
}

catalog_change catalog::all() const {
  catalog_change c;
  c.put.reserve(by_id_.size());
  for_each([&](const topic_ptr& t) { c.put.push_back(t); });
  c.node_epoch = node_epoch_;
  c.next_log = next_log_;
  c.broker = broker_;
  return c;
}

}  // namespace weir::broker
