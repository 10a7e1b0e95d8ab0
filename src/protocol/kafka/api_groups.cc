// Classic consumer groups and their offsets.
#include "protocol/kafka/api.h"
#include "protocol/kafka/gen/groups.h"

namespace weir::kafka::api {
namespace {

constexpr std::int32_t group_operations = 0b1'0100'1000;  // read, delete, describe

}  // namespace

void join_group(session& s, const inbound& q) {
  const auto r = s.read<join_group_request>(q);
  if (!r) return;
  model::join_group c;
  c.group = r->group_id;
  c.member = r->member_id;
  c.instance = r->group_instance_id;
  c.client_id = q.client_id;
  c.protocol_type = r->protocol_type;
  c.session_timeout_ms = r->session_timeout_ms;
  c.rebalance_timeout_ms = r->rebalance_timeout_ms;
  c.member_id_required = q.version >= 4;
  c.skip_assignment_known = q.version >= 9;
  c.reason = r->reason.value_or(std::string_view{});
  for (const auto& p : r->protocols) c.protocols.push_back({p.name, p.metadata});
  s.ask(q, std::move(c), [](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::group_joined>(e);
    join_group_response out;
    out.error_code = to_error(done.error);
    out.generation_id = done.generation;
    out.protocol_type = view_of(done.protocol_type);
    out.protocol_name = view_of(done.protocol);
    if (of.version < 7 && !out.protocol_name) out.protocol_name = "";
    out.leader = done.leader;
    out.skip_assignment = done.skip_assignment;
    out.member_id = done.member_id;
    for (const auto& m : done.members) out.members.push_back({m.id, view_of(m.instance), m.metadata});
    to.answer(of, out);
  });
}

void sync_group(session& s, const inbound& q) {
  const auto r = s.read<sync_group_request>(q);
  if (!r) return;
  model::sync_group c;
  c.group = r->group_id;
  c.member = r->member_id;
  c.instance = r->group_instance_id;
  c.generation = r->generation_id;
  c.protocol_type = r->protocol_type;
  c.protocol = r->protocol_name;
  for (const auto& a : r->assignments) c.assignments.push_back({a.member_id, a.assignment});
  s.ask(q, std::move(c), [](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::group_synced>(e);
    sync_group_response out;
    out.error_code = to_error(done.error);
    out.protocol_type = view_of(done.protocol_type);
    out.protocol_name = view_of(done.protocol);
    out.assignment = done.assignment;
    to.answer(of, out);
  });
}

void heartbeat(session& s, const inbound& q) {
  const auto r = s.read<heartbeat_request>(q);
  if (!r) return;
  model::heartbeat c{r->group_id, r->member_id, r->group_instance_id, r->generation_id};
  s.ask(q, c, [](session& to, const inbound& of, model::event&& e) {
    heartbeat_response out;
    out.error_code = to_error(std::get<model::heartbeat_seen>(e).error);
    to.answer(of, out);
  });
}

void leave_group(session& s, const inbound& q) {
  const auto r = s.read<leave_group_request>(q);
  if (!r) return;
  model::leave_group c;
  c.group = r->group_id;
  if (q.version < 3) c.members.push_back({r->member_id, std::nullopt, {}});
  for (const auto& m : r->members)
    c.members.push_back({m.member_id, m.group_instance_id, m.reason.value_or(std::string_view{})});
  s.ask(q, std::move(c), [](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::group_left>(e);
    leave_group_response out;
    out.error_code = to_error(done.error);
    // Before version 3 the one member's error is the answer's.
    if (of.version < 3 && done.error == model::refusal::none && !done.members.empty())
      out.error_code = to_error(done.members.front().error);
    for (const auto& m : done.members) out.members.push_back({m.id, view_of(m.instance), to_error(m.error)});
    to.answer(of, out);
  });
}

void offset_commit(session& s, const inbound& q) {
  const auto r = s.read<offset_commit_request>(q);
  if (!r) return;
  model::commit_offsets c;
  c.group = r->group_id;
  c.member = r->member_id;
  c.instance = r->group_instance_id;
  c.generation = r->generation_id;
  c.retention_ms = r->retention_time_ms;
  std::vector<asked_topic> topics;
  for (const auto& t : r->topics) {
    auto& a = topics.emplace_back(asked_topic{std::string(t.name), t.topic_id, {}});
    for (const auto& p : t.partitions) {
      a.partitions.push_back(p.index);
      c.items.push_back({ref_of(t.name, t.topic_id), p.index, model::offset(p.committed_offset),
                         model::epoch(p.committed_leader_epoch), p.committed_metadata.value_or(std::string_view{})});
    }
  }
  s.ask(q, std::move(c), [topics = std::move(topics)](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::offsets_committed>(e);
    offset_commit_response out;
    std::size_t next = 0;
    for (const auto& t : topics) {
      auto& topic = out.topics.emplace_back();
      topic.name = t.name;
      topic.topic_id = t.id;
      for (const std::int32_t index : t.partitions) topic.partitions.push_back({index, to_error(done.items[next++])});
    }
    to.answer(of, out);
  });
}

namespace {

using fetched_partition = offset_fetch_response::partition;

fetched_partition partition_of(const model::offsets_fetched::item& item) {
  fetched_partition p;
  p.index = item.partition;
  p.committed_offset = item.at.raw();
  p.committed_leader_epoch = item.leader_epoch.raw();
  p.metadata = item.metadata;
  p.error_code = to_error(item.error);
  return p;
}

// Several groups may be asked in one request (version 8); their answers come one by one and leave together.
struct offset_fetch_gather {
  std::vector<std::string> groups;
  std::vector<model::offsets_fetched> answers;
};

void answer_groups(session& s, const inbound& q, const offset_fetch_gather& all) {
  offset_fetch_response out;
  for (std::size_t i = 0; i < all.groups.size(); ++i) {
    auto& g = out.groups.emplace_back();
    g.group_id = all.groups[i];
    g.error_code = to_error(all.answers[i].error);
    for (const auto& item : all.answers[i].items) {
      const uuid id = item.topic_id;
      const bool same =
          !g.topics.empty() && (q.version >= 10 ? g.topics.back().topic_id == id : g.topics.back().name == item.topic);
      if (!same) {
        auto& t = g.topics.emplace_back();
        t.name = item.topic;
        t.topic_id = id;
      }
      g.topics.back().partitions.push_back(partition_of(item));
    }
  }
  s.answer(q, out);
}

void answer_one_group(session& s, const inbound& q, const model::offsets_fetched& done) {
  offset_fetch_response out;
  out.error_code = to_error(done.error);
  for (const auto& item : done.items) {
    if (out.topics.empty() || out.topics.back().name != item.topic) out.topics.emplace_back().name = item.topic;
    auto& p = out.topics.back().partitions.emplace_back(partition_of(item));
    // Version 1 has no place for the group's own error: it goes to each partition, lest a client starts from
    // nothing.
    if (q.version < 2 && done.error != model::refusal::none) p.error_code = out.error_code;
  }
  s.answer(q, out);
}

// Each partition once, however often it is named.
template<class Topics>
void list_partitions(const Topics& topics, std::vector<model::fetch_offsets::item>& out) {
  first_times first;
  for (const auto& t : topics) {
    uuid id{};
    if constexpr (requires { t.topic_id; }) id = t.topic_id;
    for (const std::int32_t p : t.partition_indexes)
      if (first(t.name, id, p)) out.push_back({ref_of(t.name, id), p});
  }
}

void ask_groups(session& s, const inbound& q, const offset_fetch_request& r) {
  auto all = std::make_shared<offset_fetch_gather>();
  std::vector<model::command> commands;
  first_times first_group;
  for (const auto& g : r.groups) {
    if (!first_group(g.group_id)) continue;
    all->groups.emplace_back(g.group_id);
    model::fetch_offsets c;
    c.group = g.group_id;
    c.require_stable = r.require_stable;
    if (g.topics) list_partitions(*g.topics, c.items.emplace());
    commands.emplace_back(std::move(c));
  }
  if (commands.empty()) return answer_groups(s, q, *all);
  s.ask_all(q, std::move(commands), [all](session& to, const inbound& of, std::vector<model::event>&& events) {
    for (auto& e : events) all->answers.push_back(std::move(std::get<model::offsets_fetched>(e)));
    answer_groups(to, of, *all);
  });
}

}  // namespace

void offset_fetch(session& s, const inbound& q) {
  const auto r = s.read<offset_fetch_request>(q);
  if (!r) return;
  if (q.version >= 8) return ask_groups(s, q, *r);
  model::fetch_offsets c;
  c.group = r->group_id;
  c.require_stable = r->require_stable;
  if (r->topics) list_partitions(*r->topics, c.items.emplace());
  s.ask(q, std::move(c), [](session& to, const inbound& of, model::event&& e) {
    answer_one_group(to, of, std::get<model::offsets_fetched>(e));
  });
}

void describe_groups(session& s, const inbound& q) {
  const auto r = s.read<describe_groups_request>(q);
  if (!r) return;
  const bool operations = r->include_authorized_operations;
  model::describe_groups c;
  first_times first;
  for (const std::string_view name : r->groups)
    if (first(name)) c.groups.push_back(name);
  s.ask(q, std::move(c), [operations](session& to, const inbound& of, model::event&& e) {
    auto& done = std::get<model::groups_described>(e);
    describe_groups_response out;
    for (auto& g : done.groups) {
      auto& item = out.groups.emplace_back();
      // Before version 6 an unknown group is a dead one, without an error (KIP-1043).
      const bool unknown = g.error == model::refusal::group_not_found;
      item.error_code = unknown && of.version < 6 ? error_code::none : to_error(g.error);
      item.error_message = optional_text(g.detail);
      item.group_id = g.id;
      item.group_state = g.state;
      item.protocol_type = g.protocol_type;
      item.protocol_data = g.protocol;
      if (operations && g.error == model::refusal::none) item.authorized_operations = group_operations;
      for (auto& m : g.members) {
        m.host.insert(0, "/");  // Kafka shows a Java address, and tools print it as it comes
        item.members.push_back({m.id, view_of(m.instance), m.client_id, m.host, m.metadata, m.assignment});
      }
    }
    to.answer(of, out);
  });
}

void list_groups(session& s, const inbound& q) {
  const auto r = s.read<list_groups_request>(q);
  if (!r) return;
  s.ask(q, model::list_groups{r->states_filter, r->types_filter}, [](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::groups_listed>(e);
    list_groups_response out;
    out.error_code = to_error(done.error);
    for (const auto& g : done.groups) out.groups.push_back({g.id, g.protocol_type, g.state, g.type});
    to.answer(of, out);
  });
}

void delete_groups(session& s, const inbound& q) {
  const auto r = s.read<delete_groups_request>(q);
  if (!r) return;
  s.ask(q, model::delete_groups{r->groups_names}, [](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::groups_deleted>(e);
    delete_groups_response out;
    for (const auto& [id, error] : done.groups) out.results.push_back({id, to_error(error)});
    to.answer(of, out);
  });
}

void offset_delete(session& s, const inbound& q) {
  const auto r = s.read<offset_delete_request>(q);
  if (!r) return;
  model::delete_group_offsets c;
  c.group = r->group_id;
  std::vector<asked_topic> topics;
  for (const auto& t : r->topics) {
    auto& a = topics.emplace_back(asked_topic{std::string(t.name), {}, {}});
    for (const auto& p : t.partitions) {
      a.partitions.push_back(p.index);
      c.items.push_back({{t.name, {}}, p.index});
    }
  }
  s.ask(q, std::move(c), [topics = std::move(topics)](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::group_offsets_deleted>(e);
    offset_delete_response out;
    out.error_code = to_error(done.error);
    std::size_t next = 0;
    if (done.error == model::refusal::none) {
      for (const auto& t : topics) {
        auto& topic = out.topics.emplace_back();
        topic.name = t.name;
        for (const std::int32_t index : t.partitions) topic.partitions.push_back({index, to_error(done.items[next++])});
      }
    }
    to.answer(of, out);
  });
}

}  // namespace weir::kafka::api
