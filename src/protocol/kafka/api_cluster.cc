// Who is there and what it speaks: ApiVersions, Metadata, FindCoordinator, DescribeCluster,
// DescribeTopicPartitions.
#include <algorithm>

#include "protocol/kafka/api.h"
#include "protocol/kafka/gen/cluster.h"
#include "protocol/kafka/gen/groups.h"

namespace weir::kafka::api {
namespace {

// Bit n stands for the operation with code n. Whoever sees a resource at all may do everything with it: there
// are no finer rules yet, and the one allow() of the core has already been asked.
constexpr std::int32_t topic_operations = 0b1101'1111'1000;      // read .. describe, describe and alter configs
constexpr std::int32_t cluster_operations = 0b1'1111'1010'0000;  // create, alter .. idempotent write

bool is_name_character(char c, bool inner) {
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return letter || (inner && (c == '-' || c == '.'));
}

// KIP-511: letters and digits, with dots and dashes inside.
bool is_software_text(std::string_view s) {
  if (s.empty() || !is_name_character(s.front(), false) || !is_name_character(s.back(), false)) return false;
  return std::all_of(s.begin(), s.end(), [](char c) { return is_name_character(c, true); });
}

}  // namespace

void api_versions(session& s, const inbound& q) {
  const auto r = s.read<api_versions_request>(q);
  if (!r) return;
  api_versions_response out;
  if (q.version >= 3 && !(is_software_text(r->client_software_name) && is_software_text(r->client_software_version))) {
    out.error_code = error_code::invalid_request;
    return s.answer(q, out);
  }
  if (q.version >= 3) s.set_software(r->client_software_name, r->client_software_version);
  for (const api_info& a : api_table)
    if (handler_of(a.key) != nullptr) out.api_keys.push_back({static_cast<std::int16_t>(a.key), a.advertise, a.max});
  out.finalized_features_epoch = 0;
  s.answer(q, out);
}

namespace {

metadata_response::topic topic_of(const model::topic_description& t, std::int32_t node, bool operations) {
  metadata_response::topic out;
  out.error_code = to_error(t.error);
  out.name = optional_text(t.name);
  out.topic_id = t.id;
  out.is_internal = t.internal;
  if (operations && t.error == model::refusal::none) out.topic_authorized_operations = topic_operations;
  out.partitions.reserve(static_cast<std::size_t>(t.partitions));
  for (std::int32_t i = 0; i < t.partitions; ++i) {
    auto& p = out.partitions.emplace_back();
    p.index = i;
    p.leader_id = node;
    p.leader_epoch = t.leader_epoch.raw();
    p.replica_nodes = {node};
    p.isr_nodes = {node};
  }
  return out;
}

void answer_metadata(session& s, const inbound& q, const model::topics_described& found, bool cluster_ops,
                     bool topic_ops) {
  metadata_response out;
  const auto& node = s.node();
  out.brokers.push_back({node.id, s.address().host, s.address().port, optional_text(s.options().rack)});
  out.cluster_id = node.cluster_id;
  out.controller_id = node.id;
  if (cluster_ops) out.cluster_authorized_operations = cluster_operations;
  out.topics.reserve(found.topics.size());
  for (const auto& t : found.topics) out.topics.push_back(topic_of(t, node.id, topic_ops));
  s.answer(q, out);
}

}  // namespace

void metadata(session& s, const inbound& q) {
  const auto r = s.read<metadata_request>(q);
  if (!r) return;
  model::describe_topics c;
  // Version 0 has no null: there an empty list means all.
  const bool all = !r->topics || (q.version == 0 && r->topics->empty());
  if (!all) {
    auto& wanted = c.topics.emplace();
    first_times first;
    for (const auto& t : *r->topics) {
      const std::string_view name = t.name.value_or(std::string_view{});
      if (first(name, t.topic_id)) wanted.push_back(ref_of(name, t.topic_id));
    }
  }
  c.auto_create = s.options().auto_create && (q.version < 4 || r->allow_auto_topic_creation);
  const bool cluster_ops = r->include_cluster_authorized_operations;
  const bool topic_ops = r->include_topic_authorized_operations;
  s.ask(q, std::move(c), [cluster_ops, topic_ops](session& to, const inbound& of, model::event&& e) {
    answer_metadata(to, of, std::get<model::topics_described>(e), cluster_ops, topic_ops);
  });
}

// Every group is coordinated here. Key type 1 (transactions) is answered when transactions are.
void find_coordinator(session& s, const inbound& q) {
  const auto r = s.read<find_coordinator_request>(q);
  if (!r) return;
  constexpr std::int8_t group_key = 0;
  const bool fine = r->key_type == group_key;
  const error_code error = fine ? error_code::none : error_code::invalid_request;
  const auto refusal = fine ? std::optional<std::string_view>{} : "only groups have coordinators on this broker";
  find_coordinator_response out;
  const std::int32_t node = fine ? s.node().id : -1;
  const std::string_view host = fine ? std::string_view(s.address().host) : std::string_view{};
  const std::int32_t port = fine ? s.address().port : -1;
  if (q.version < 4) {
    out.error_code = error;
    out.error_message = refusal;
    out.node_id = node;
    out.host = host;
    out.port = port;
  } else {
    for (const std::string_view key : r->coordinator_keys)
      out.coordinators.push_back({key, node, host, port, error, refusal});
  }
  s.answer(q, out);
}

void describe_cluster(session& s, const inbound& q) {
  const auto r = s.read<describe_cluster_request>(q);
  if (!r) return;
  describe_cluster_response out;
  out.endpoint_type = r->endpoint_type;
  constexpr std::int8_t brokers = 1;
  if (r->endpoint_type != brokers) {
    out.error_code =
        r->endpoint_type == 2 ? error_code::mismatched_endpoint_type : error_code::unsupported_endpoint_type;
    out.error_message = "this listener serves brokers (endpoint type 1)";
    return s.answer(q, out);
  }
  const auto& node = s.node();
  out.cluster_id = node.cluster_id;
  out.controller_id = node.id;
  out.brokers.push_back({node.id, s.address().host, s.address().port, optional_text(s.options().rack), false});
  if (r->include_cluster_authorized_operations) out.cluster_authorized_operations = cluster_operations;
  s.answer(q, out);
}

namespace {

// KIP-966: topics sorted by name, from the cursor on, at most `limit` partitions; the rest behind the next
// cursor.
void answer_partitions(session& s, const inbound& q, model::topics_described& found, const std::string& from_topic,
                       std::int32_t from_partition, std::int32_t limit) {
  describe_topic_partitions_response out;
  const std::int32_t node = s.node().id;
  std::sort(found.topics.begin(), found.topics.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (const auto& t : found.topics) {
    if (t.name < from_topic) continue;
    if (limit <= 0) {
      out.next_cursor = {.topic_name = t.name, .partition_index = 0};
      break;
    }
    auto& topic = out.topics.emplace_back();
    topic.error_code = to_error(t.error);
    topic.name = t.name;
    topic.topic_id = t.id;
    topic.is_internal = t.internal;
    if (t.error == model::refusal::none) topic.topic_authorized_operations = topic_operations;
    // The cursor is the peer's: any number.
    const std::int32_t first = t.name == from_topic ? std::min(from_partition, t.partitions) : 0;
    const std::int32_t last = first + std::min(limit, t.partitions - first);
    for (std::int32_t i = first; i < last; ++i) {
      auto& p = topic.partitions.emplace_back();
      p.index = i;
      p.leader_id = node;
      p.leader_epoch = t.leader_epoch.raw();
      p.replica_nodes = {node};
      p.isr_nodes = {node};
    }
    limit -= last - first;
    if (last < t.partitions) {
      out.next_cursor = {.topic_name = t.name, .partition_index = last};
      break;
    }
  }
  s.answer(q, out);
}

}  // namespace

void describe_topic_partitions(session& s, const inbound& q) {
  const auto r = s.read<describe_topic_partitions_request>(q);
  if (!r) return;
  constexpr std::int32_t partitions_max = 2000;
  model::describe_topics c;
  if (!r->topics.empty()) {
    auto& wanted = c.topics.emplace();
    first_times first;
    for (const auto& t : r->topics)
      if (first(t.name)) wanted.push_back({t.name, {}});
  }
  std::string from = r->cursor ? std::string(r->cursor->topic_name) : std::string{};
  const std::int32_t first = r->cursor ? std::max(0, r->cursor->partition_index) : 0;
  const std::int32_t limit = std::clamp(r->response_partition_limit, 1, partitions_max);
  s.ask(q, std::move(c), [from = std::move(from), first, limit](session& to, const inbound& of, model::event&& e) {
    answer_partitions(to, of, std::get<model::topics_described>(e), from, first, limit);
  });
}

void describe_log_dirs(session& s, const inbound& q) {
  const auto r = s.read<describe_log_dirs_request>(q);
  if (!r) return;
  model::describe_log_dirs c;
  if (r->topics) {
    auto& items = c.items.emplace();
    for (const auto& t : *r->topics)
      for (const std::int32_t p : t.partitions) items.push_back({t.name, p});
  }
  s.ask(q, std::move(c), [](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::log_dirs_described>(e);
    describe_log_dirs_response out;
    out.error_code = to_error(done.error);
    if (done.error == model::refusal::none) {
      auto& dir = out.results.emplace_back();
      dir.path = done.folder;
      dir.total_bytes = done.total_bytes;
      dir.usable_bytes = done.usable_bytes;
      for (const auto& p : done.partitions) {
        if (dir.topics.empty() || dir.topics.back().name != p.topic) dir.topics.emplace_back().name = p.topic;
        auto& one = dir.topics.back().partitions.emplace_back();
        one.index = p.partition;
        one.size = p.size_bytes;
      }
    }
    to.answer(of, out);
  });
}

namespace {

// The answers to questions about replicas, which a single node has one of: every partition that exists is led
// here.
using partition_verdict = std::function<void(session&, const inbound&, const std::vector<asked_topic>&,
                                             const std::vector<std::vector<error_code>>&)>;

void with_partitions(session& s, const inbound& q, std::vector<asked_topic> topics, error_code when_there,
                     partition_verdict then) {
  model::describe_topics c;
  auto& wanted = c.topics.emplace();
  for (const auto& t : topics) wanted.push_back({t.name, {}});
  auto kept = std::make_shared<std::vector<asked_topic>>(std::move(topics));
  s.ask(q, std::move(c), [kept, when_there, then = std::move(then)](session& to, const inbound& of, model::event&& e) {
    const auto& found = std::get<model::topics_described>(e);
    std::vector<std::vector<error_code>> errors;
    for (std::size_t i = 0; i < kept->size(); ++i) {
      auto& row = errors.emplace_back();
      const auto& t = found.topics[i];
      for (const std::int32_t p : (*kept)[i].partitions) {
        const bool there = t.error == model::refusal::none && p >= 0 && p < t.partitions;
        row.push_back(there                             ? when_there
                      : t.error == model::refusal::none ? error_code::unknown_topic_or_partition
                                                        : to_error(t.error));
      }
    }
    then(to, of, *kept, errors);
  });
}

}  // namespace

void elect_leaders(session& s, const inbound& q) {
  const auto r = s.read<elect_leaders_request>(q);
  if (!r) return;
  if (!r->topics) return s.answer(q, elect_leaders_response{});  // all: those that need none are left out
  std::vector<asked_topic> topics;
  for (const auto& t : *r->topics) topics.push_back({std::string(t.name), {}, t.partitions});
  with_partitions(s, q, std::move(topics), error_code::election_not_needed,
                  [](session& to, const inbound& of, const auto& asked, const auto& errors) {
                    elect_leaders_response out;
                    for (std::size_t i = 0; i < asked.size(); ++i) {
                      auto& t = out.topics.emplace_back();
                      t.name = asked[i].name;
                      for (std::size_t k = 0; k < asked[i].partitions.size(); ++k)
                        t.partitions.push_back({asked[i].partitions[k], errors[i][k], std::nullopt});
                    }
                    to.answer(of, out);
                  });
}

void alter_partition_reassignments(session& s, const inbound& q) {
  const auto r = s.read<alter_partition_reassignments_request>(q);
  if (!r) return;
  const std::int32_t node = s.node().id;
  std::vector<asked_topic> topics;
  auto fine = std::make_shared<std::vector<error_code>>();  // of those partitions that exist
  for (const auto& t : r->topics) {
    auto& a = topics.emplace_back(asked_topic{std::string(t.name), {}, {}});
    for (const auto& p : t.partitions) {
      a.partitions.push_back(p.index);
      // Cancelling needs one in progress; the only possible target is where the partition is already.
      const bool here = p.replicas && p.replicas->size() == 1 && p.replicas->front() == node;
      fine->push_back(!p.replicas ? error_code::no_reassignment_in_progress
                      : here      ? error_code::none
                                  : error_code::invalid_replica_assignment);
    }
  }
  const bool allow_change = r->allow_replication_factor_change;
  with_partitions(s, q, std::move(topics), error_code::none,
                  [fine, allow_change](session& to, const inbound& of, const auto& asked, const auto& errors) {
                    alter_partition_reassignments_response out;
                    out.allow_replication_factor_change = allow_change;
                    std::size_t next = 0;
                    for (std::size_t i = 0; i < asked.size(); ++i) {
                      auto& t = out.topics.emplace_back();
                      t.name = asked[i].name;
                      for (std::size_t k = 0; k < asked[i].partitions.size(); ++k) {
                        const error_code mine = (*fine)[next++];
                        const error_code e = errors[i][k] == error_code::none ? mine : errors[i][k];
                        t.partitions.push_back({asked[i].partitions[k], e, std::nullopt});
                      }
                    }
                    to.answer(of, out);
                  });
}

void list_partition_reassignments(session& s, const inbound& q) {
  if (s.read<list_partition_reassignments_request>(q)) s.answer(q, list_partition_reassignments_response{});
}

}  // namespace weir::kafka::api
