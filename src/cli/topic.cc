// weir topic create|list|describe|delete|alter
#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iostream>
#include <memory>

#include "cli/client_commands.h"
#include "cli/topic_offsets.h"

namespace weir::cli {
namespace {

namespace json = boost::json;

constexpr std::int32_t patience_ms = 30'000;
constexpr std::int8_t topic_resource = 2;
constexpr std::int16_t newest_delete_by_name = 5;

struct topic_flags {
  std::string brokers;
  output_format form = output_format::table;
  std::vector<std::string> names;
  std::vector<std::string> set;    // key=value
  std::vector<std::string> unset;  // key
  std::int32_t partitions = -1;
  std::int32_t replication = -1;
  bool if_missing = false;
  bool internal = false;
  bool dry_run = false;
};

result<std::pair<std::string_view, std::string_view>> split_setting(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0)
    return fault(errc::invalid, "\"" + std::string(text) + "\": a setting is written as name=value");
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

// One row for each topic that was asked for; the exit code is 1 when one of them failed.
int print_outcomes(const topic_flags& f, const json::array& rows) {
  print(std::cout, f.form, rows, {"topic", "outcome"});
  for (const json::value& row : rows)
    if (row.at("ok").as_bool() == false) return 1;
  return 0;
}

json::object outcome(std::string_view topic, kafka::error_code code, std::string_view text, const char* done) {
  const bool ok = code == kafka::error_code::none;
  return {{"topic", topic}, {"ok", ok}, {"outcome", ok ? std::string(done) : explain(code, text)}};
}

int create(const topic_flags& f) {
  auto client = connect_to(f.brokers);
  if (!client) return complain(client.error());
  kafka::create_topics_request r;
  r.timeout_ms = patience_ms;
  r.validate_only = f.dry_run;
  for (const std::string& name : f.names) {
    auto& t = r.topics.emplace_back();
    t.name = name;
    t.num_partitions = f.partitions;
    t.replication_factor = static_cast<std::int16_t>(f.replication);
    for (const std::string& s : f.set) {
      const auto setting = split_setting(s);
      if (!setting) return complain(setting.error().text, 2);
      t.configs.push_back({.name = setting->first, .value = setting->second});
    }
  }
  const auto a = (*client)->call<kafka::create_topics_response>(r, r.max_version, patience_ms);
  if (!a) return complain(a.error());
  json::array rows;
  for (const auto& t : a->message.topics) {
    const bool there = f.if_missing && t.error_code == kafka::error_code::topic_already_exists;
    rows.push_back(there ? outcome(t.name, kafka::error_code::none, "", "was there already")
                         : outcome(t.name, t.error_code, t.error_message.value_or(""),
                                   f.dry_run ? "could be created" : "created"));
  }
  return print_outcomes(f, rows);
}

std::string text_of_id(const kafka::uuid& id) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t b : id.data) {
    out.push_back(digits[b >> 4]);
    out.push_back(digits[b & 15]);
  }
  return out;
}

int list(const topic_flags& f) {
  auto client = connect_to(f.brokers);
  if (!client) return complain(client.error());
  const auto a = (*client)->call<kafka::metadata_response>(kafka::metadata_request{});
  if (!a) return complain(a.error());
  json::array rows;
  for (const auto& t : a->message.topics) {
    if (t.is_internal && !f.internal) continue;
    rows.push_back(json::object{{"topic", t.name.value_or("")},
                                {"partitions", t.partitions.size()},
                                {"replicas", t.partitions.empty() ? 0 : t.partitions[0].replica_nodes.size()},
                                {"internal", t.is_internal},
                                {"id", text_of_id(t.topic_id)}});
  }
  print(std::cout, f.form, rows, {"topic", "partitions", "replicas"});
  return 0;
}

result<json::array> settings_of(kafka_client& client, const std::string& topic) {
  kafka::describe_configs_request r;
  r.resources.push_back({.resource_type = topic_resource, .resource_name = topic, .configuration_keys = {}});
  const auto a = client.call<kafka::describe_configs_response>(r);
  if (!a) return a.error();
  constexpr std::int8_t of_the_topic = 1;
  json::array out;
  for (const auto& resource : a->message.results) {
    if (resource.error_code != kafka::error_code::none)
      return fault(errc::not_found, topic + ": " + explain(resource.error_code, resource.error_message.value_or("")));
    for (const auto& c : resource.configs)
      out.push_back(json::object{{"name", c.name},
                                 {"value", c.value ? json::value(*c.value) : json::value(nullptr)},
                                 {"default", c.config_source != of_the_topic}});
  }
  return out;
}

result<json::object> describe_one(kafka_client& client, const std::string& topic) {
  kafka::metadata_request ask;
  ask.topics.emplace().push_back({.topic_id = {}, .name = topic});
  ask.allow_auto_topic_creation = false;
  const auto a = client.call<kafka::metadata_response>(ask);
  if (!a) return a.error();
  if (a->message.topics.empty()) return fault(errc::not_found, "there is no topic " + topic);
  const auto& t = a->message.topics.front();
  if (t.error_code != kafka::error_code::none)
    return fault(errc::not_found, "topic " + topic + ": " + explain(t.error_code));
  const auto count = static_cast<std::int32_t>(t.partitions.size());
  const auto begin = list_offsets(client, topic, all_partitions(count), earliest_offset);
  if (!begin) return begin.error();
  const auto end = list_offsets(client, topic, all_partitions(count), latest_offset);
  if (!end) return end.error();
  auto settings = settings_of(client, topic);
  if (!settings) return settings.error();
  json::array partitions;
  for (const auto& p : t.partitions) {
    const auto first = begin->find(p.index);
    const auto last = end->find(p.index);
    partitions.push_back(json::object{{"partition", p.index},
                                      {"leader", p.leader_id},
                                      {"epoch", p.leader_epoch},
                                      {"earliest", first != begin->end() ? first->second.offset : -1},
                                      {"latest", last != end->end() ? last->second.offset : -1}});
  }
  return json::object{{"topic", topic},
                      {"id", text_of_id(t.topic_id)},
                      {"internal", t.is_internal},
                      {"partitions", std::move(partitions)},
                      {"settings", std::move(*settings)}};
}

int describe(const topic_flags& f) {
  auto client = connect_to(f.brokers);
  if (!client) return complain(client.error());
  json::array all;
  for (const std::string& name : f.names) {
    auto one = describe_one(**client, name);
    if (!one) return complain(one.error());
    all.push_back(std::move(*one));
  }
  if (f.form != output_format::table) {
    print(std::cout, f.form, all);
    return 0;
  }
  for (const json::value& t : all) {
    std::cout << t.at("topic").as_string().c_str() << "  id " << t.at("id").as_string().c_str() << "\n";
    print(std::cout, f.form, t.at("partitions"), {"partition", "leader", "epoch", "earliest", "latest"});
    json::array own;
    for (const json::value& s : t.at("settings").as_array())
      if (!s.at("default").as_bool()) own.push_back(s);
    if (!own.empty()) print(std::cout, f.form, own, {"name", "value"});
  }
  return 0;
}

int remove(const topic_flags& f) {
  auto client = connect_to(f.brokers);
  if (!client) return complain(client.error());
  kafka::delete_topics_request r;
  r.timeout_ms = patience_ms;
  for (const std::string& name : f.names) r.topic_names.push_back(name);
  const auto a = (*client)->call<kafka::delete_topics_response>(r, newest_delete_by_name, patience_ms);
  if (!a) return complain(a.error());
  json::array rows;
  for (const auto& t : a->message.responses)
    rows.push_back(outcome(t.name.value_or(""), t.error_code, t.error_message.value_or(""), "deleted"));
  return print_outcomes(f, rows);
}

result<json::object> grow(kafka_client& client, const topic_flags& f) {
  kafka::create_partitions_request r;
  r.timeout_ms = patience_ms;
  r.validate_only = f.dry_run;
  r.topics.push_back({.name = f.names.front(), .count = f.partitions, .assignments = {}});
  const auto a = client.call<kafka::create_partitions_response>(r, r.max_version, patience_ms);
  if (!a) return a.error();
  if (a->message.results.empty()) return fault(errc::invalid, "the broker said nothing about the partitions");
  const auto& t = a->message.results.front();
  return outcome(t.name, t.error_code, t.error_message.value_or(""), "partitions added");
}

result<json::object> change_settings(kafka_client& client, const topic_flags& f) {
  constexpr std::int8_t set = 0;
  constexpr std::int8_t remove_setting = 1;
  kafka::incremental_alter_configs_request r;
  r.validate_only = f.dry_run;
  auto& resource = r.resources.emplace_back();
  resource.resource_type = topic_resource;
  resource.resource_name = f.names.front();
  for (const std::string& s : f.set) {
    const auto setting = split_setting(s);
    if (!setting) return setting.error();
    resource.configs.push_back({.name = setting->first, .config_operation = set, .value = setting->second});
  }
  for (const std::string& s : f.unset)
    resource.configs.push_back({.name = s, .config_operation = remove_setting, .value = {}});
  const auto a = client.call<kafka::incremental_alter_configs_response>(r);
  if (!a) return a.error();
  if (a->message.responses.empty()) return fault(errc::invalid, "the broker said nothing about the settings");
  const auto& t = a->message.responses.front();
  return outcome(t.resource_name, t.error_code, t.error_message.value_or(""), "settings changed");
}

int alter(const topic_flags& f) {
  if (f.partitions < 0 && f.set.empty() && f.unset.empty())
    return complain("nothing to change: give --partitions, --set or --unset", 2);
  auto client = connect_to(f.brokers);
  if (!client) return complain(client.error());
  json::array rows;
  if (f.partitions >= 0) {
    auto row = grow(**client, f);
    if (!row) return complain(row.error());
    rows.push_back(std::move(*row));
  }
  if (!f.set.empty() || !f.unset.empty()) {
    auto row = change_settings(**client, f);
    if (!row) return complain(row.error());
    rows.push_back(std::move(*row));
  }
  return print_outcomes(f, rows);
}

using topic_action = int (*)(const topic_flags&);

struct topic_command {
  CLI::App& app;
  std::shared_ptr<topic_flags> flags;
};
topic_command add(CLI::App& group, run_state& run, const char* name, const char* what, topic_action action) {
  auto flags = std::make_shared<topic_flags>();
  CLI::App& c = *group.add_subcommand(name, what);
  add_brokers_flag(c, flags->brokers);
  add_output_flag(c, flags->form);
  c.callback([&run, flags, action] { run.action = [flags, action] { return action(*flags); }; });
  return {c, flags};
}

}  // namespace

void add_topic_commands(CLI::App& app, run_state& run) {
  CLI::App& group = command_group(app, "topic", "create, list, describe, change and delete topics");
  const topic_command c = add(group, run, "create", "create topics", create);
  c.app.add_option("names", c.flags->names, "names of the topics")->required()->type_name("NAME...");
  c.app.add_option("-p,--partitions", c.flags->partitions, "partitions (the broker's default otherwise)");
  c.app.add_option("--replication", c.flags->replication, "replication factor (the broker's default otherwise)");
  c.app.add_option("-c,--set", c.flags->set, "a setting; may be given several times")->type_name("NAME=VALUE");
  c.app.add_flag("--if-not-exists", c.flags->if_missing, "a topic that is there already is no error");
  c.app.add_flag("--dry-run", c.flags->dry_run, "only check");

  const topic_command l = add(group, run, "list", "list topics", list);
  l.app.add_flag("--internal", l.flags->internal, "internal topics, too");

  const topic_command d = add(group, run, "describe", "partitions, offsets and settings", describe);
  d.app.add_option("names", d.flags->names, "names of the topics")->required()->type_name("NAME...");

  const topic_command r = add(group, run, "delete", "delete topics with all that is in them", remove);
  r.app.add_option("names", r.flags->names, "names of the topics")->required()->type_name("NAME...");

  const topic_command a = add(group, run, "alter", "add partitions, change settings", alter);
  a.app.add_option("name", a.flags->names, "name of the topic")->required()->expected(1)->type_name("NAME");
  a.app.add_option("-p,--partitions", a.flags->partitions, "the new number of partitions");
  a.app.add_option("-c,--set", a.flags->set, "a setting; may be given several times")->type_name("NAME=VALUE");
  a.app.add_option("--unset", a.flags->unset, "a setting that goes back to its default")->type_name("NAME");
  a.app.add_flag("--dry-run", a.flags->dry_run, "only check");
}

}  // namespace weir::cli
