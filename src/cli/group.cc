// weir group list|describe|reset|delete
#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iostream>
#include <memory>
#include <set>

#include "cli/client_commands.h"
#include "cli/group_offsets.h"
#include "cli/topic_offsets.h"

namespace weir::cli {
namespace {

namespace json = boost::json;

struct group_flags {
  std::string brokers;
  output_format form = output_format::table;
  std::vector<std::string> names;
  std::vector<std::string> states;
  std::vector<std::string> topics;
  std::vector<std::int32_t> partitions;
  bool to_earliest = false;
  bool to_latest = false;
  std::optional<std::int64_t> to_offset;
  std::string to_time;
  std::optional<std::int64_t> shift_by;
  bool execute = false;
};

int list(const group_flags& f) {
  auto client = connect_to(f.brokers);
  if (!client) return complain(client.error());
  kafka::list_groups_request r;
  for (const std::string& s : f.states) r.states_filter.push_back(s);
  const auto a = (*client)->call<kafka::list_groups_response>(r);
  if (!a) return complain(a.error());
  if (a->message.error_code != kafka::error_code::none) return complain(explain(a->message.error_code));
  json::array rows;
  for (const auto& g : a->message.groups)
    rows.push_back(json::object{
        {"group", g.group_id}, {"state", g.group_state}, {"protocol_type", g.protocol_type}, {"type", g.group_type}});
  print(std::cout, f.form, rows, {"group", "state", "protocol_type"});
  return 0;
}

// "t:0,1,2 u:0" from a consumer's assignment; empty when it is none.
std::string text_of_assignment(bytes data) {
  if (data.size() < 2) return {};
  const auto version = load_be<std::int16_t>(data.data());
  const auto a = kafka::decode<kafka::consumer_assignment>(data.subspan(2), std::min<std::int16_t>(version, 3));
  if (!a) return {};
  std::string out;
  for (const auto& t : a->assigned_partitions) {
    out.append(out.empty() ? "" : " ").append(t.topic).append(":");
    for (std::size_t i = 0; i < t.partitions.size(); ++i)
      out.append(i == 0 ? "" : ",").append(std::to_string(t.partitions[i]));
  }
  return out;
}

// Commits with the end of their partition and how far behind they are.
result<json::array> lags(kafka_client& client, const group_offsets& commits) {
  json::array rows;
  for (const auto& [topic, partitions] : commits) {
    std::vector<std::int32_t> all;
    for (const auto& [partition, c] : partitions) all.push_back(partition);
    const auto ends = list_offsets(client, topic, all, latest_offset);
    if (!ends) return ends.error();
    for (const auto& [partition, c] : partitions) {
      const auto end = ends->find(partition);
      const std::int64_t latest = end != ends->end() ? end->second.offset : -1;
      rows.push_back(json::object{{"topic", topic},
                                  {"partition", partition},
                                  {"committed", c.offset},
                                  {"latest", latest},
                                  {"lag", std::max<std::int64_t>(latest - c.offset, 0)},
                                  {"metadata", c.metadata}});
    }
  }
  return rows;
}

result<json::object> describe_one(kafka_client& client, const std::string& name) {
  kafka::describe_groups_request r;
  r.groups.push_back(name);
  const auto a = client.call<kafka::describe_groups_response>(r);
  if (!a) return a.error();
  if (a->message.groups.empty()) return fault(errc::not_found, "there is no group " + name);
  const auto& g = a->message.groups.front();
  if (g.error_code != kafka::error_code::none)
    return fault(errc::not_found, "group " + name + ": " + explain(g.error_code, g.error_message.value_or("")));
  if (g.group_state == "Dead") return fault(errc::not_found, "there is no group " + name + "; see: weir group list");
  json::array members;
  for (const auto& m : g.members)
    members.push_back(json::object{{"member", m.member_id},
                                   {"instance", m.group_instance_id.value_or("")},
                                   {"client", m.client_id},
                                   {"host", m.client_host},
                                   {"assignment", text_of_assignment(m.member_assignment)}});
  const auto commits = committed_offsets(client, name);
  if (!commits) return commits.error();
  auto behind = lags(client, *commits);
  if (!behind) return behind.error();
  return json::object{{"group", name},
                      {"state", g.group_state},
                      {"protocol_type", g.protocol_type},
                      {"protocol", g.protocol_data},
                      {"members", std::move(members)},
                      {"offsets", std::move(*behind)}};
}

int describe(const group_flags& f) {
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
  for (const json::value& g : all) {
    std::cout << g.at("group").as_string().c_str() << "  " << g.at("state").as_string().c_str() << "  "
              << g.at("protocol").as_string().c_str() << "\n";
    if (!g.at("members").as_array().empty())
      print(std::cout, f.form, g.at("members"), {"member", "instance", "client", "host", "assignment"});
    print(std::cout, f.form, g.at("offsets"), {"topic", "partition", "committed", "latest", "lag", "metadata"});
  }
  return 0;
}

int remove(const group_flags& f) {
  auto client = connect_to(f.brokers);
  if (!client) return complain(client.error());
  kafka::delete_groups_request r;
  for (const std::string& name : f.names) r.groups_names.push_back(name);
  const auto a = (*client)->call<kafka::delete_groups_response>(r);
  if (!a) return complain(a.error());
  json::array rows;
  bool all_ok = true;
  for (const auto& g : a->message.results) {
    const bool ok = g.error_code == kafka::error_code::none;
    all_ok = all_ok && ok;
    rows.push_back(
        json::object{{"group", g.group_id}, {"ok", ok}, {"outcome", ok ? "deleted" : explain(g.error_code)}});
  }
  print(std::cout, f.form, rows, {"group", "outcome"});
  return all_ok ? 0 : 1;
}

// ---- reset

struct target {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t now = -1;  // committed; -1: nothing
  std::int64_t then = -1;
};

// Where one partition goes, within what the log has.
std::int64_t place(const group_flags& f, std::int64_t committed, std::int64_t first, std::int64_t last,
                   std::int64_t at_time) {
  std::int64_t to = last;
  if (f.to_earliest) to = first;
  if (f.to_offset) to = *f.to_offset;
  if (f.shift_by) to = (committed < 0 ? first : committed) + *f.shift_by;
  if (!f.to_time.empty()) to = at_time < 0 ? last : at_time;  // nothing so late: what comes next
  return std::clamp(to, first, last);
}

result<void> plan_topic(kafka_client& client, const group_flags& f, const std::string& topic,
                        const group_offsets& commits, std::vector<target>& out) {
  const auto count = partitions_of(client, topic);
  if (!count) return count.error();
  std::vector<std::int32_t> wanted = f.partitions.empty() ? all_partitions(*count) : f.partitions;
  const auto first = list_offsets(client, topic, wanted, earliest_offset);
  if (!first) return first.error();
  const auto last = list_offsets(client, topic, wanted, latest_offset);
  if (!last) return last.error();
  std::map<std::int32_t, listed_offset> at_time;
  if (!f.to_time.empty()) {
    const auto ms = parse_time(f.to_time, wall_clock_ms());
    if (!ms) return ms.error();
    auto found = list_offsets(client, topic, wanted, *ms);
    if (!found) return found.error();
    at_time = std::move(*found);
  }
  const auto known = commits.find(topic);
  for (const std::int32_t p : wanted) {
    target t{topic, p, -1, -1};
    if (known != commits.end())
      if (const auto c = known->second.find(p); c != known->second.end()) t.now = c->second.offset;
    t.then = place(f, t.now, first->at(p).offset, last->at(p).offset, f.to_time.empty() ? -1 : at_time.at(p).offset);
    out.push_back(std::move(t));
  }
  return {};
}

result<std::vector<target>> plan(kafka_client& client, const group_flags& f) {
  const auto commits = committed_offsets(client, f.names.front());
  if (!commits) return commits.error();
  std::set<std::string> topics(f.topics.begin(), f.topics.end());
  if (topics.empty())
    for (const auto& [topic, partitions] : *commits) topics.insert(topic);
  if (topics.empty())
    return fault(errc::not_found, "group " + f.names.front() + " has committed nothing; name the topics with --topic");
  std::vector<target> out;
  for (const std::string& topic : topics)
    if (auto done = plan_topic(client, f, topic, *commits, out); !done) return done.error();
  return out;
}

int reset(const group_flags& f) {
  const int ways = int{f.to_earliest} + int{f.to_latest} + int{f.to_offset.has_value()} + int{!f.to_time.empty()} +
                   int{f.shift_by.has_value()};
  if (ways != 1)
    return complain("say where to: one of --to-earliest, --to-latest, --to-offset, --to-time, --shift-by", 2);
  auto client = connect_to(f.brokers);
  if (!client) return complain(client.error());
  const auto targets = plan(**client, f);
  if (!targets) return complain(targets.error());
  std::map<std::pair<std::string, std::int32_t>, std::string> outcomes;
  if (f.execute) {
    group_offsets wanted;
    for (const target& t : *targets) wanted[t.topic][t.partition].offset = t.then;
    auto done = commit_offsets(**client, f.names.front(), wanted);
    if (!done) return complain(done.error());
    outcomes = std::move(*done);
  }
  json::array rows;
  bool all_ok = true;
  for (const target& t : *targets) {
    const auto failed = outcomes.find({t.topic, t.partition});
    all_ok = all_ok && failed == outcomes.end();
    rows.push_back(json::object{{"topic", t.topic},
                                {"partition", t.partition},
                                {"committed", t.now},
                                {"new", t.then},
                                {"outcome", failed != outcomes.end() ? failed->second
                                            : f.execute              ? "reset"
                                                                     : "preview"}});
  }
  print(std::cout, f.form, rows, {"topic", "partition", "committed", "new", "outcome"});
  if (!f.execute) std::cerr << "This was a preview, nothing is changed. Add --execute to do it.\n";
  return all_ok ? 0 : 1;
}

using group_action = int (*)(const group_flags&);

struct group_command {
  CLI::App& app;
  std::shared_ptr<group_flags> flags;
};
group_command add(CLI::App& group, run_state& run, const char* name, const char* what, group_action action) {
  auto flags = std::make_shared<group_flags>();
  CLI::App& c = *group.add_subcommand(name, what);
  add_brokers_flag(c, flags->brokers);
  add_output_flag(c, flags->form);
  c.callback([&run, flags, action] { run.action = [flags, action] { return action(*flags); }; });
  return {c, flags};
}

}  // namespace

void add_group_commands(CLI::App& app, run_state& run) {
  CLI::App& group = command_group(app, "group", "list, describe, reset and delete consumer groups");
  const group_command l = add(group, run, "list", "list groups", list);
  l.app.add_option("--state", l.flags->states, "only groups in this state")->type_name("STATE");

  const group_command d = add(group, run, "describe", "members, committed offsets and lag", describe);
  d.app.add_option("names", d.flags->names, "names of the groups")->required()->type_name("NAME...");

  const group_command x = add(group, run, "delete", "delete groups with their committed offsets", remove);
  x.app.add_option("names", x.flags->names, "names of the groups")->required()->type_name("NAME...");

  const group_command r =
      add(group, run, "reset", "move a group's committed offsets; a preview unless --execute", reset);
  r.app.add_option("name", r.flags->names, "name of the group")->required()->expected(1)->type_name("NAME");
  r.app.add_option("-t,--topic", r.flags->topics, "only this topic (default: all that the group has committed)");
  r.app.add_option("--partition", r.flags->partitions, "only this partition");
  r.app.add_flag("--to-earliest", r.flags->to_earliest, "to the first record");
  r.app.add_flag("--to-latest", r.flags->to_latest, "behind the last record");
  r.app.add_option("--to-offset", r.flags->to_offset, "to this offset")->type_name("N");
  r.app.add_option("--to-time", r.flags->to_time,
                   "to the first record at or after a time: 2026-11-20T13:00Z, 15m, 2h, 3d");
  r.app.add_option("--shift-by", r.flags->shift_by, "forward by N records, back by -N")->type_name("N");
  r.app.add_flag("--execute", r.flags->execute, "do it");
}

}  // namespace weir::cli
