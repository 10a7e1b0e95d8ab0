// The configuration half of topic_admin: DescribeConfigs and both forms of AlterConfigs.
#include <algorithm>
#include <set>

#include "broker/topic_admin.h"
#include "broker/topic_config_kept.h"

namespace weir::broker {
namespace {

using model::refusal;
using security::operation;
using security::resource;
using op = model::alter_configs::op;

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    if (comma != 0) out.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return out;
}

std::string join_list(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& w : words) {
    if (!out.empty()) out += ',';
    out += w;
  }
  return out;
}

// A broker resource is named by the node's number; the empty name means all nodes' defaults.
bool names_this_node(std::string_view name, std::int32_t node_id) {
  return name.empty() || name == std::to_string(node_id);
}

}  // namespace

void topic_admin::describe_configs(const reply_to& to, const model::caller& who, const model::describe_configs& c) {
  model::configs_described out;
  for (const auto& in : c.items) {
    auto& o = out.items.emplace_back();
    o.kind = in.kind;
    o.name = in.name;
    if (out.items.size() > k_.config.limits.topics_per_request) {
      o.error = refusal::policy_violation;
      o.detail = "at most " + std::to_string(k_.config.limits.topics_per_request) + " resources in one request";
      continue;
    }
    if (in.kind == model::config_resource::broker) {
      if (!k_.door.allow(who, resource::cluster, {}, operation::describe_config)) {
        o.error = refusal::denied_cluster;
      } else if (!names_this_node(in.name, k_.config.node_id)) {
        o.error = refusal::invalid_request;
        o.detail = "this node is broker " + std::to_string(k_.config.node_id);
      } else if (!in.name.empty()) {
        o.configs = describe_broker_config(k_.config, in.keys, c.documentation);
      }
      continue;
    }
    const auto found = k_.locate(who, {in.name, {}}, operation::describe_config);
    o.error = in.name.empty() ? refusal::invalid_topic : found.error;
    if (o.error != refusal::none) continue;
    o.configs = describe_topic_config((*found.of)->overrides, k_.config, in.keys, c.documentation);
  }
  k_.answer(k_.control_ticket, to, std::move(out));
}

topic_admin::refused topic_admin::apply_change(const model::alter_configs::change& c,
                                               model::config_map& overrides) const {
  const std::string name(c.name);
  const topic_config_key* key = find_topic_config(name);
  const kept_config* kept = find_kept_config(name);
  if (key == nullptr && kept == nullptr) return {refusal::invalid_config, "unknown topic config name: " + name};
  if (c.how == op::remove) {
    overrides.erase(name);
    return {};
  }
  if (!c.value) return {refusal::invalid_request, "no value for " + name};
  std::string value(*c.value);
  if (c.how != op::set) {
    if ((key != nullptr ? key->kind : kept->kind) != model::config_entry::type::list) {
      return {refusal::invalid_config, name + " is no list: append and subtract do not apply"};
    }
    const auto now = overrides.find(name);
    const std::string standard = key != nullptr ? key->default_text(k_.config) : std::string();
    std::vector<std::string> words = split_list(now == overrides.end() ? standard : now->second);
    for (const std::string& w : split_list(value)) {
      const auto at = std::find(words.begin(), words.end(), w);
      if (c.how == op::append && at == words.end()) words.push_back(w);
      if (c.how == op::subtract && at != words.end()) words.erase(at);
    }
    value = join_list(words);
  }
  if (refused r = check_override(name, value); r.error != refusal::none) return r;
  overrides.insert_or_assign(name, std::move(value));
  return {};
}

topic_admin::refused topic_admin::plan_configs(const model::alter_configs::item& in, const topic& t,
                                               model::config_map& overrides) const {
  if (!in.replace_all) overrides = t.overrides;
  std::set<std::string_view> seen;
  for (const auto& change : in.changes) {
    if (!seen.insert(change.name).second) {
      return {refusal::invalid_request, std::string(change.name) + " is given twice"};
    }
    if (refused r = apply_change(change, overrides); r.error != refusal::none) return r;
  }
  return {};
}

void topic_admin::alter_configs(const reply_to& to, const model::caller& who, const model::alter_configs& c) {
  model::configs_altered out;
  std::vector<configuration> changed;
  std::map<std::pair<model::config_resource, std::string_view>, int> times;
  for (const auto& in : c.items) ++times[{in.kind, in.name}];
  for (const auto& in : c.items) {
    auto& o = out.items.emplace_back();
    o.kind = in.kind;
    o.name = in.name;
    const auto fail = [&](refusal why, std::string detail) {
      o.error = why;
      o.detail = std::move(detail);
    };
    if (times[{in.kind, in.name}] > 1) {
      fail(refusal::invalid_request, "the resource is in the request more than once");
      continue;
    }
    if (in.kind == model::config_resource::broker) {
      if (!k_.door.allow(who, resource::cluster, {}, operation::alter_config)) {
        fail(refusal::denied_cluster, {});
      } else if (in.replace_all || !std::ranges::all_of(in.changes, [](const auto& x) {
                   return x.how == model::alter_configs::op::remove;
                 })) {
        // To remove is allowed: nothing was set, and kafka-reassign-partitions removes throttles that it never set.
        fail(refusal::invalid_request,
             "the broker's keys cannot be changed while it runs: set them in its configuration file");
      }
      continue;
    }
    const auto found = k_.locate(who, {in.name, {}}, operation::alter_config);
    if (in.name.empty() || found.error != refusal::none) {
      fail(in.name.empty() ? refusal::invalid_topic : found.error, {});
      continue;
    }
    configuration next{(*found.of)->id, {}};
    refused r = plan_configs(in, **found.of, next.overrides);
    if (r.error != refusal::none) {
      fail(r.error, std::move(r.detail));
    } else if (!c.validate_only && next.overrides != (*found.of)->overrides) {
      changed.push_back(std::move(next));
    }
  }
  if (changed.empty()) return k_.answer(k_.control_ticket, to, std::move(out));
  const auto size = [](const configuration& item) {
    std::size_t n = 32;
    for (const auto& [name, value] : item.overrides) n += 8 + name.size() + value.size();
    return n;
  };
  const auto states = split_states(k_.config, changed, size, write_topic_configured);
  const auto answer = std::make_shared<late_reply>(k_, to, model::configs_altered(out));
  const auto committed =
      keeper_.commit({catalog_kind::topic_configured, states, model::log_store::write_class::essential},
                     [answer] { answer->ready(); });
  if (committed) return;
  for (auto& o : out.items) {
    if (o.error == refusal::none) o.error = refusal_of(committed.error());
  }
  answer->ready(std::move(out));
}

}  // namespace weir::broker
