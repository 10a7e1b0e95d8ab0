#include "broker/topic_admin.h"

#include <algorithm>
#include <set>

namespace weir::broker {
namespace {

using model::refusal;
using security::operation;
using security::resource;

constexpr std::size_t name_bytes_max = 249;

bool legal_name(std::string_view name) {
  if (name.empty() || name.size() > name_bytes_max || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

// Names that Kafka's own brokers keep state under; clients and tools treat them as internal.
bool internal_name(std::string_view name) {
  return name == "__consumer_offsets" || name == "__transaction_state" || name == "__share_group_state" ||
         name == "__cluster_metadata";
}

std::size_t bytes_of_topic(const topic& t) {
  std::size_t n = 64 + t.vhost.size() + t.name.size() + t.partitions.size() * 16;
  for (const auto& [name, value] : t.overrides) n += 8 + name.size() + value.size();
  return n;
}

template<class Results>
void fail_successes(Results& out, const fault& f) {
  for (auto& r : out) {
    if (r.error != refusal::none) continue;
    r.error = refusal_of(f);
    r.detail = f.text;
  }
}

}  // namespace

// ---- describe ---------------------------------------------------------------------------------------------------------

void topic_admin::fill(const topic& t, model::topic_description& out) const {
  out.name = t.name;
  out.id = t.id;
  out.internal = internal_name(t.name);
  out.partitions = static_cast<std::int32_t>(t.partitions.size());
  out.leader_epoch = k_.topics.leader_epoch(t);
}

void topic_admin::describe_one(const model::caller& who, const model::topic_ref& ref,
                               model::topic_description& out) const {
  out.name = ref.name;
  out.id = ref.id;
  const auto found = k_.locate(who, ref, operation::describe);
  out.error = found.error;
  if (found.error == refusal::none) return fill(**found.of, out);
  if (out.error == refusal::unknown_topic_or_partition && !legal_name(ref.name)) out.error = refusal::invalid_topic;
}

bool topic_admin::creatable(const model::caller& who, const model::topic_ref& ref, bool auto_create) const {
  if (!auto_create || !k_.config.auto_create_topics || ref.name.empty()) return false;
  return k_.topics.find(who.vhost, ref.name) == nullptr && check_new_name(who, ref.name).error == refusal::none;
}

bool topic_admin::needs_creation(const model::caller& who, const model::describe_topics& c) const {
  if (!c.topics || !c.auto_create) return false;
  return std::any_of(c.topics->begin(), c.topics->end(), [&](const auto& t) { return creatable(who, t, true); });
}

void topic_admin::describe(const reply_to& to, const model::caller& who, const model::describe_topics& c) {
  if (k_.where.reactor == 0 && needs_creation(who, c)) return auto_create(to, who, c);
  model::topics_described out;
  if (c.topics) {
    out.topics.resize(c.topics->size());
    for (std::size_t i = 0; i < c.topics->size(); ++i) describe_one(who, (*c.topics)[i], out.topics[i]);
  } else {
    k_.topics.for_each([&](const topic_ptr& t) {
      if (t->vhost != who.vhost || !k_.door.allow(who, resource::topic, t->name, operation::describe)) return;
      fill(*t, out.topics.emplace_back());
    });
  }
  k_.answer(k_.control_ticket, to, std::move(out));
}

void topic_admin::auto_create(const reply_to& to, const model::caller& who, const model::describe_topics& c) {
  planned so_far{k_.topics.next_log()};
  std::vector<topic_ptr> fresh;
  std::set<std::string_view> seen;
  for (const model::topic_ref& ref : *c.topics) {
    // The others are shown as unknown: a client that wants them asks again.
    if (fresh.size() == k_.config.limits.topics_per_request) break;
    if (!creatable(who, ref, true) || !seen.insert(ref.name).second) continue;
    model::create_topic_item item;
    item.name = ref.name;
    model::topic_result ignored;
    auto t = plan_topic(who, item, so_far, ignored);
    if (t != nullptr) fresh.push_back(std::move(t));
  }
  if (!fresh.empty()) {
    model::topics_described shell;
    for (const auto& ref : *c.topics) shell.topics.emplace_back().name = ref.name;
    const auto answer = std::make_shared<late_reply>(k_, to, std::move(shell));
    std::vector<std::pair<std::string, model::uuid>> asked;
    for (const auto& ref : *c.topics) asked.emplace_back(ref.name, ref.id);
    const auto states = split_states(
        k_.config, fresh, [](const topic_ptr& t) { return bytes_of_topic(*t); }, write_topics_created);
    auto done = [this, answer, asked = std::move(asked), who] {
      model::topics_described out;
      out.topics.resize(asked.size());
      for (std::size_t i = 0; i < asked.size(); ++i) {
        describe_one(who, {asked[i].first, asked[i].second}, out.topics[i]);
      }
      answer->ready(std::move(out));
    };
    const auto committed =
        keeper_.commit({catalog_kind::topics_created, states, model::log_store::write_class::bulk}, done);
    if (!committed) done();  // shows them as unknown
    return;
  }
  model::describe_topics plain = c;
  plain.auto_create = false;
  describe(to, who, plain);
}

// ---- create -----------------------------------------------------------------------------------------------------------

topic_admin::refused topic_admin::check_new_name(const model::caller& who, std::string_view name) const {
  if (!legal_name(name)) {
    return {refusal::invalid_topic,
            "'" + std::string(name.substr(0, name_bytes_max)) +
                "' is no topic name: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-', not '.' or '..'"};
  }
  if (!k_.door.allow(who, resource::cluster, {}, operation::create) &&
      !k_.door.allow(who, resource::topic, name, operation::create)) {
    return {refusal::denied_topic, {}};
  }
  if (internal_name(name)) return {refusal::invalid_topic, "'" + std::string(name) + "' is an internal name"};
  if (k_.topics.find(who.vhost, name) != nullptr) {
    return {refusal::topic_exists, "topic '" + std::string(name) + "' exists already"};
  }
  if (const topic_ptr* other = k_.topics.find_colliding(who.vhost, name)) {
    return {refusal::invalid_topic, "topic '" + std::string(name) + "' collides with '" + (*other)->name +
                                        "': names must differ in more than '.' against '_'"};
  }
  return {};
}

topic_admin::refused topic_admin::check_count(const model::create_topic_item& in, std::int32_t& partitions,
                                              std::int32_t& replication) const {
  partitions = in.partitions == -1 ? k_.config.num_partitions : in.partitions;
  replication = in.replication_factor == -1 ? k_.config.default_replication_factor : in.replication_factor;
  if (in.has_assignments) {
    if (in.partitions != -1 || in.replication_factor != -1) {
      return {refusal::invalid_request, "with an assignment, partitions and replication factor must be -1"};
    }
    partitions = static_cast<std::int32_t>(in.assignments.size());
    replication = 1;
    if (refused r = check_assignments(in); r.error != refusal::none) return r;
  }
  if (partitions <= 0) return {refusal::invalid_partitions, "the number of partitions must be larger than 0"};
  if (partitions > k_.config.limits.partitions_per_topic) {
    return {refusal::invalid_partitions,
            "at most " + std::to_string(k_.config.limits.partitions_per_topic) + " partitions to a topic"};
  }
  if (replication <= 0) return {refusal::invalid_replication_factor, "the replication factor must be larger than 0"};
  if (replication > 1 && !k_.config.clamp_replication_factor) {
    return {refusal::invalid_replication_factor,
            "the replication factor " + std::to_string(replication) + " cannot be reached: there is 1 broker"};
  }
  replication = 1;
  return {};
}

topic_admin::refused topic_admin::check_assignments(const model::create_topic_item& in) const {
  std::vector<bool> seen(in.assignments.size());
  for (const auto& [index, brokers] : in.assignments) {
    if (index < 0 || static_cast<std::size_t>(index) >= seen.size() || seen[static_cast<std::size_t>(index)]) {
      return {refusal::invalid_replica_assignment, "partitions must be numbered from 0 without gaps, each once"};
    }
    seen[static_cast<std::size_t>(index)] = true;
    if (brokers.size() != 1 || brokers.front() != k_.config.node_id) {
      return {refusal::invalid_replica_assignment,
              "partition " + std::to_string(index) + ": the only broker is " + std::to_string(k_.config.node_id)};
    }
  }
  return {};
}

std::string topic_admin::clamped_insync(std::string&& value) const {
  const bool number = !value.empty() && value.find_first_not_of("0123456789") == std::string::npos && value != "0";
  return k_.config.clamp_replication_factor && number ? "1" : std::move(value);
}

topic_admin::refused topic_admin::check_override(std::string_view name, std::string& value) const {
  if (name == "min.insync.replicas") value = clamped_insync(std::move(value));
  const auto ok = check_topic_config(name, value);
  if (!ok) return {refusal::invalid_config, ok.error().text};
  return {};
}

topic_admin::refused topic_admin::check_configs(const model::create_topic_item& in,
                                                model::config_map& overrides) const {
  for (const auto& [name, value] : in.configs) {
    if (!value) return {refusal::invalid_config, "no value for " + std::string(name)};
    std::string text(*value);
    if (refused r = check_override(name, text); r.error != refusal::none) return r;
    if (!overrides.emplace(std::string(name), std::move(text)).second) {
      return {refusal::invalid_config, std::string(name) + " is given twice"};
    }
  }
  return {};
}

// What one record can name beside a topic's name and overrides.
std::int32_t topic_admin::most_partitions() const {
  const std::size_t places = k_.config.limits.record_bytes / 2 / sizeof(partition_place);
  return static_cast<std::int32_t>(std::min<std::size_t>(places, INT32_MAX));
}

partition_place topic_admin::place(planned& so_far) const {
  const std::uint64_t log = so_far.next_log++;
  return {model::log_id(log), model::shard_id(log % k_.shards())};
}

model::uuid topic_admin::new_id() const {
  model::uuid id;
  do {
    const std::uint64_t halves[2] = {k_.random.next(), k_.random.next()};
    std::memcpy(id.data.data(), halves, sizeof halves);
    id.data[6] = static_cast<std::uint8_t>((id.data[6] & 0x0f) | 0x40);
    id.data[8] = static_cast<std::uint8_t>((id.data[8] & 0x3f) | 0x80);
    // In base64 it would begin with '-', which command lines take for an option.
  } while ((id.data[0] >> 2) == 62 || k_.topics.find(id) != nullptr);
  return id;
}

std::shared_ptr<topic> topic_admin::plan_topic(const model::caller& who, const model::create_topic_item& in,
                                               planned& so_far, model::topic_result& out) const {
  out.name = in.name;
  auto t = std::make_shared<topic>();
  std::int32_t partitions = 0;
  std::int32_t replication = 0;
  refused r = check_new_name(who, in.name);
  if (r.error == refusal::none) r = check_count(in, partitions, replication);
  if (r.error == refusal::none) r = check_configs(in, t->overrides);
  if (r.error == refusal::none && (k_.topics.size() + so_far.topics >= k_.config.limits.topics ||
                                   k_.topics.partitions() + so_far.partitions + static_cast<std::size_t>(partitions) >
                                       k_.config.limits.partitions)) {
    r = {refusal::policy_violation, "the node has as many topics or partitions as it may"};
  }
  if (r.error == refusal::none && most_partitions() < partitions) {
    r = {refusal::invalid_partitions, "at most " + std::to_string(most_partitions()) + " partitions at a time"};
  }
  if (r.error != refusal::none) {
    out.error = r.error;
    out.detail = std::move(r.detail);
    return nullptr;
  }
  t->vhost = who.vhost;
  t->name = in.name;
  t->id = new_id();
  t->born_epoch = k_.topics.node_epoch();
  ++so_far.topics;
  so_far.partitions += static_cast<std::size_t>(partitions);
  t->partitions.reserve(static_cast<std::size_t>(partitions));
  for (std::int32_t i = 0; i < partitions; ++i) t->partitions.push_back(place(so_far));
  t->effective = k_.topics.resolve(t->overrides);
  out.id = t->id;
  out.partitions = partitions;
  out.replication_factor = replication;
  out.configs = describe_topic_config(t->overrides, k_.topics.broker(), std::nullopt, false);
  return t;
}

void topic_admin::create(const reply_to& to, const model::caller& who, const model::create_topics& c) {
  model::topics_created out;
  std::vector<topic_ptr> fresh;
  planned so_far{k_.topics.next_log()};
  std::map<std::string_view, int> times;
  for (const auto& item : c.topics) ++times[item.name];
  // Topics of one request may collide with each other, too.
  std::map<std::string, std::string_view> shapes;
  for (const auto& item : c.topics) {
    model::topic_result& r = out.topics.emplace_back();
    r.name = item.name;
    if (out.topics.size() > k_.config.limits.topics_per_request) {
      r.error = refusal::policy_violation;
      r.detail = "at most " + std::to_string(k_.config.limits.topics_per_request) + " topics in one request";
      continue;
    }
    std::string shape(item.name);
    std::replace(shape.begin(), shape.end(), '.', '_');
    const auto [other, first] = shapes.emplace(std::move(shape), item.name);
    if (times[item.name] > 1) {
      r.error = refusal::invalid_request;
      r.detail = "topic '" + r.name + "' is in the request more than once";
    } else if (!first) {
      r.error = refusal::invalid_topic;
      r.detail = "topic '" + r.name + "' collides with '" + std::string(other->second) + "' of the same request";
    } else if (auto t = plan_topic(who, item, so_far, r)) {
      if (c.validate_only) {
        r.id = {};
      } else {
        fresh.push_back(std::move(t));
      }
    }
  }
  if (fresh.empty()) return k_.answer(k_.control_ticket, to, std::move(out));
  const auto states = split_states(
      k_.config, fresh, [](const topic_ptr& t) { return bytes_of_topic(*t); }, write_topics_created);
  const auto answer = std::make_shared<late_reply>(k_, to, model::topics_created(out));
  const auto committed = keeper_.commit({catalog_kind::topics_created, states, model::log_store::write_class::bulk},
                                        [answer] { answer->ready(); });
  if (committed) return;
  fail_successes(out.topics, committed.error());
  answer->ready(std::move(out));
}

// ---- delete, grow -----------------------------------------------------------------------------------------------------

void topic_admin::remove(const reply_to& to, const model::caller& who, const model::delete_topics& c) {
  model::topics_deleted out;
  std::vector<topic_ptr> gone;
  std::set<model::uuid> seen;
  for (const model::topic_ref& ref : c.topics) {
    model::topic_result& r = out.topics.emplace_back();
    r.name = ref.name;
    r.id = ref.id;
    const auto found = k_.locate(who, ref, operation::remove);
    r.error = found.error;
    if (r.error == refusal::none && !k_.config.delete_topics_enabled) {
      r.error = refusal::policy_violation;
      r.detail = "deleting topics is switched off (delete.topic.enable)";
    }
    if (r.error != refusal::none) continue;
    r.name = (*found.of)->name;
    r.id = (*found.of)->id;
    if (seen.insert(r.id).second) {
      gone.push_back(*found.of);
    } else {
      r.error = refusal::invalid_request;
      r.detail = "topic '" + r.name + "' is in the request more than once";
    }
  }
  if (gone.empty()) return k_.answer(k_.control_ticket, to, std::move(out));
  const auto states = split_states(
      k_.config, gone, [](const topic_ptr&) { return std::size_t{16}; }, write_topics_deleted);
  const auto answer = std::make_shared<late_reply>(k_, to, model::topics_deleted(out));
  const auto committed = keeper_.commit(
      {catalog_kind::topics_deleted, states, model::log_store::write_class::essential}, [answer] { answer->ready(); });
  if (committed) return;
  fail_successes(out.topics, committed.error());
  answer->ready(std::move(out));
}

topic_admin::refused topic_admin::check_growth(const model::grow_topic_item& in, const topic& t,
                                               const planned& so_far) const {
  const auto now = static_cast<std::int32_t>(t.partitions.size());
  if (in.partitions <= now) {
    return {refusal::invalid_partitions,
            "the topic has " + std::to_string(now) + " partitions; " + std::to_string(in.partitions) + " is not more"};
  }
  if (in.partitions > k_.config.limits.partitions_per_topic) {
    return {refusal::invalid_partitions,
            "at most " + std::to_string(k_.config.limits.partitions_per_topic) + " partitions to a topic"};
  }
  const auto more = static_cast<std::size_t>(in.partitions - now);
  if (k_.topics.partitions() + so_far.partitions + more > k_.config.limits.partitions) {
    return {refusal::policy_violation, "the node has as many partitions as it may"};
  }
  if (in.partitions - now > most_partitions()) {
    return {refusal::invalid_partitions, "at most " + std::to_string(most_partitions()) + " partitions at a time"};
  }
  if (!in.assignments) return {};
  if (in.assignments->size() != more) {
    return {refusal::invalid_replica_assignment,
            "the assignment must name " + std::to_string(more) + " new partitions"};
  }
  for (const auto& brokers : *in.assignments) {
    if (brokers.size() != 1 || brokers.front() != k_.config.node_id) {
      return {refusal::invalid_replica_assignment, "the only broker is " + std::to_string(k_.config.node_id)};
    }
  }
  return {};
}

void topic_admin::grow(const reply_to& to, const model::caller& who, const model::grow_topics& c) {
  model::topics_grown out;
  std::vector<growth> grown;
  planned so_far{k_.topics.next_log()};
  std::map<std::string_view, int> times;
  for (const auto& item : c.topics) ++times[item.name];
  for (const auto& item : c.topics) {
    model::topic_result& r = out.topics.emplace_back();
    r.name = item.name;
    const auto found = k_.locate(who, {item.name, {}}, operation::alter);
    refused why{item.name.empty() ? refusal::invalid_topic : found.error, {}};
    if (why.error == refusal::none && times[item.name] > 1) {
      why = {refusal::invalid_request, "topic '" + r.name + "' is in the request more than once"};
    }
    if (why.error == refusal::none) why = check_growth(item, **found.of, so_far);
    if (why.error != refusal::none) {
      r.error = why.error;
      r.detail = std::move(why.detail);
      continue;
    }
    r.id = (*found.of)->id;
    r.partitions = item.partitions;
    const std::size_t more = static_cast<std::size_t>(item.partitions) - (*found.of)->partitions.size();
    so_far.partitions += more;
    if (c.validate_only) continue;
    growth& g = grown.emplace_back(growth{(*found.of)->id, {}});
    for (std::size_t i = 0; i < more; ++i) g.added.push_back(place(so_far));
  }
  if (grown.empty()) return k_.answer(k_.control_ticket, to, std::move(out));
  const auto states = split_states(
      k_.config, grown, [](const growth& g) { return 32 + g.added.size() * 16; }, write_topics_grown);
  const auto answer = std::make_shared<late_reply>(k_, to, model::topics_grown(out));
  const auto committed = keeper_.commit({catalog_kind::topics_grown, states, model::log_store::write_class::bulk},
                                        [answer] { answer->ready(); });
  if (committed) return;
  fail_successes(out.topics, committed.error());
  answer->ready(std::move(out));
}

}  // namespace weir::broker
