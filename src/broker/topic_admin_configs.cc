// The configuration half of topic_admin: DescribeConfigs and both forms of AlterConfigs.
#include <algorithm>
#include <set>

#include "broker/broker_config.h"
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

// `now` with the words of `change` appended or taken away. Both are short: each word is looked for among all.
std::string edited_list(op how, std::string_view now, std::string_view change) {
  std::vector<std::string> words = split_list(now);
  for (const std::string& w : split_list(change)) {
    const auto at = std::find(words.begin(), words.end(), w);
    if (how == op::append && at == words.end()) words.push_back(w);
    if (how == op::subtract && at != words.end()) words.erase(at);
  }
  return join_list(words);
}

std::size_t bytes_of_map(const model::config_map& values) {
  std::size_t n = 32;
  for (const auto& [name, value] : values) n += 8 + name.size() + value.size();
  return n;
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
      } else if (in.name.empty()) {
        o.configs = describe_common_config(k_.topics.broker().set, in.keys, c.documentation);
      } else {
        o.configs = describe_broker_config(k_.topics.broker(), in.keys, c.documentation);
      }
      continue;
    }
    const auto found = k_.locate(who, {in.name, {}}, operation::describe_config);
    o.error = in.name.empty() ? refusal::invalid_topic : found.error;
    if (o.error != refusal::none) continue;
    o.configs = describe_topic_config((*found.of)->overrides, k_.topics.broker(), in.keys, c.documentation);
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
  if (const auto ok = check_config_length(name, *c.value); !ok) return {refusal::invalid_config, ok.error().text};
  std::string value(*c.value);
  if (c.how != op::set) {
    if ((key != nullptr ? key->kind : kept->kind) != model::config_entry::type::list) {
      return {refusal::invalid_config, name + " is no list: append and subtract do not apply"};
    }
    const auto now = overrides.find(name);
    const std::string standard = key != nullptr ? standard_text(*key) : std::string();
    value = edited_list(c.how, now == overrides.end() ? standard : now->second, value);
  }
  if (refused r = check_override(name, value); r.error != refusal::none) return r;
  overrides.insert_or_assign(name, std::move(value));
  return {};
}

std::string topic_admin::standard_text(const topic_config_key& key) const {
  const std::string* set = k_.topics.broker().find(key.broker_name);
  return set != nullptr ? *set : key.default_text(k_.config);
}

topic_admin::refused topic_admin::plan_configs(const model::alter_configs::item& in, const model::caller& who,
                                               std::vector<configuration>& changed) const {
  const auto found = k_.locate(who, {in.name, {}}, operation::alter_config);
  if (in.name.empty()) return {refusal::invalid_topic, {}};
  if (found.error != refusal::none) return {found.error, {}};
  const topic& t = **found.of;
  configuration next{t.id, {}};
  if (!in.replace_all) next.overrides = t.overrides;
  std::set<std::string_view> seen;
  for (const auto& change : in.changes) {
    if (!seen.insert(change.name).second) {
      return {refusal::invalid_request, std::string(change.name) + " is given twice"};
    }
    if (refused r = apply_change(change, next.overrides); r.error != refusal::none) return r;
  }
  if (next.overrides != t.overrides) changed.push_back(std::move(next));
  return {};
}

topic_admin::refused topic_admin::apply_broker_change(const model::alter_configs::change& c, std::int32_t node,
                                                      model::config_map& values) const {
  const std::string name(c.name);
  if (c.how == op::remove) {
    values.erase(name);  // whatever it is: kafka-reassign-partitions removes throttles that it never set
    return {};
  }
  const auto kind = changeable_broker_config(name, node == dynamic_configs::all_nodes);
  if (!kind) {
    const bool unknown = kind.error().code == errc::not_found;
    return {unknown ? refusal::invalid_config : refusal::invalid_request, kind.error().text};
  }
  if (!c.value) return {refusal::invalid_request, "no value for " + name};
  if (const auto ok = check_config_length(name, *c.value); !ok) return {refusal::invalid_config, ok.error().text};
  std::string value(*c.value);
  if (c.how != op::set) {
    if (*kind != model::config_entry::type::list) {
      return {refusal::invalid_config, name + " is no list: append and subtract do not apply"};
    }
    // The list that is there now: its own, for a node else that of all nodes, else the file's.
    const topic_config_key* key = find_topic_default(name);
    const auto own = values.find(name);
    const std::string* common = k_.topics.broker().set.find(dynamic_configs::all_nodes, name);
    std::string now = key != nullptr ? key->default_text(k_.config) : std::string();
    if (common != nullptr && node != dynamic_configs::all_nodes) now = *common;
    value = edited_list(c.how, own != values.end() ? own->second : now, value);
  }
  if (name == "min.insync.replicas") value = clamped_insync(std::move(value));
  const auto ok = check_broker_config(name, value);
  if (!ok) return {refusal::invalid_config, ok.error().text};
  values.insert_or_assign(name, std::move(value));
  return {};
}

topic_admin::refused topic_admin::plan_broker(const model::alter_configs::item& in, const model::caller& who,
                                              std::vector<broker_configuration>& changed) const {
  if (!k_.door.allow(who, resource::cluster, {}, operation::alter_config)) return {refusal::denied_cluster, {}};
  if (!names_this_node(in.name, k_.config.node_id)) {
    return {refusal::invalid_request, "this node is broker " + std::to_string(k_.config.node_id)};
  }
  const std::int32_t node = in.name.empty() ? dynamic_configs::all_nodes : k_.config.node_id;
  const model::config_map* now = k_.topics.broker().set.of(node);
  broker_configuration next{node, {}};
  if (!in.replace_all && now != nullptr) next.values = *now;
  std::set<std::string_view> seen;
  for (const auto& change : in.changes) {
    if (!seen.insert(change.name).second) {
      return {refusal::invalid_request, std::string(change.name) + " is given twice"};
    }
    if (refused r = apply_broker_change(change, node, next.values); r.error != refusal::none) return r;
  }
  if (next.values != (now != nullptr ? *now : model::config_map{})) changed.push_back(std::move(next));
  return {};
}

void topic_admin::alter_configs(const reply_to& to, const model::caller& who, const model::alter_configs& c) {
  model::configs_altered out;
  std::vector<configuration> topics;
  std::vector<broker_configuration> brokers;
  std::map<std::pair<model::config_resource, std::string_view>, int> times;
  for (const auto& in : c.items) ++times[{in.kind, in.name}];
  for (const auto& in : c.items) {
    refused r{refusal::invalid_request, "the resource is in the request more than once"};
    if (times[{in.kind, in.name}] == 1) {
      r = in.kind == model::config_resource::broker ? plan_broker(in, who, brokers) : plan_configs(in, who, topics);
    }
    auto& o = out.items.emplace_back();
    o.kind = in.kind;
    o.name = in.name;
    o.error = r.error;
    o.detail = std::move(r.detail);
  }
  if (c.validate_only || (topics.empty() && brokers.empty())) {
    return k_.answer(k_.control_ticket, to, std::move(out));
  }
  const auto topic_states = split_states(
      k_.config, topics, [](const configuration& x) { return bytes_of_map(x.overrides); }, write_topic_configured);
  const auto broker_states = split_states(
      k_.config, brokers, [](const broker_configuration& x) { return bytes_of_map(x.values); },
      write_broker_configured);
  commit_configs(to, std::move(out), topic_states, broker_states);
}

// The answer leaves when both have ended, each durable everywhere or refused.
void topic_admin::commit_configs(const reply_to& to, model::configs_altered&& out,
                                 const std::vector<byte_vector>& topic_states,
                                 const std::vector<byte_vector>& broker_states) {
  struct progress {
    model::configs_altered out;
    int open;
  };
  const auto answer = std::make_shared<late_reply>(k_, to, model::configs_altered(out));
  const auto state = std::make_shared<progress>(
      progress{std::move(out), (topic_states.empty() ? 0 : 1) + (broker_states.empty() ? 0 : 1)});
  const auto commit = [&](catalog_kind kind, const std::vector<byte_vector>& states, model::config_resource what) {
    if (states.empty()) return;
    // Once only: after a fault `done` still comes for states before it that were taken.
    const auto done = [answer, state, ended = std::make_shared<bool>(false)] {
      if (!std::exchange(*ended, true) && --state->open == 0) answer->ready(std::move(state->out));
    };
    const auto committed = keeper_.commit({kind, states, model::log_store::write_class::essential}, done);
    if (committed) return;
    for (auto& o : state->out.items) {
      if (o.kind == what && o.error == refusal::none) o.error = refusal_of(committed.error());
    }
    done();
  };
  commit(catalog_kind::topic_configured, topic_states, model::config_resource::topic);
  commit(catalog_kind::broker_configured, broker_states, model::config_resource::broker);
}

}  // namespace weir::broker
