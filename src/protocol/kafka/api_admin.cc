// Topics and configurations.
#include "protocol/kafka/api.h"
#include "protocol/kafka/gen/admin.h"

namespace weir::kafka::api {
namespace {

// DescribeConfigs' numbers for where a value comes from and what type it has (KIP-226, KIP-569).
std::int8_t source_number(model::config_entry::source s) {
  switch (s) {
    case model::config_entry::source::topic_override:
      return 1;
    case model::config_entry::source::node_set:
      return 2;
    case model::config_entry::source::cluster_set:
      return 3;
    case model::config_entry::source::broker_file:
      return 4;
    case model::config_entry::source::default_value:
      return 5;
  }
  return 0;
}

std::int8_t type_number(model::config_entry::type t) {
  using type = model::config_entry::type;
  switch (t) {
    case type::boolean:
      return 1;
    case type::text:
      return 2;
    case type::int32:
      return 3;
    case type::int16:
      return 4;
    case type::int64:
      return 5;
    case type::real:
      return 6;
    case type::list:
      return 7;
    case type::klass:
      return 8;
    case type::password:
      return 9;
  }
  return 0;
}

constexpr std::int8_t topic_resource = 2;
constexpr std::int8_t broker_resource = 4;

std::optional<model::config_resource> resource_of(std::int8_t type) {
  if (type == topic_resource) return model::config_resource::topic;
  if (type == broker_resource) return model::config_resource::broker;
  return std::nullopt;
}

// A resource that the core is not asked about, in its place among the others.
struct refused_resource {
  std::size_t at;
  std::int8_t type;
  std::string name;
  std::string_view why;
};

constexpr std::string_view foreign_text = "only topics (2) and brokers (4) have configurations here";
constexpr std::string_view operation_text = "there are the configuration operations 0 to 3";

std::int8_t number_of(model::config_resource kind) {
  return kind == model::config_resource::topic ? topic_resource : broker_resource;
}

// The core's items and what was refused before it, in the order of the request.
template<class Items, class OfItem, class OfRefused>
void in_order(const Items& items, const std::vector<refused_resource>& refused, OfItem&& of_item,
              OfRefused&& of_refused) {
  std::size_t place = 0;
  auto next = refused.begin();
  for (const auto& item : items) {
    for (; next != refused.end() && next->at == place; ++place) of_refused(*next++);
    of_item(item);
    ++place;
  }
  for (; next != refused.end(); ++next) of_refused(*next);
}

}  // namespace

void create_topics(session& s, const inbound& q) {
  const auto r = s.read<create_topics_request>(q);
  if (!r) return;
  model::create_topics c;
  c.validate_only = r->validate_only;
  for (const auto& t : r->topics) {
    auto& item = c.topics.emplace_back();
    item.name = t.name;
    item.partitions = t.num_partitions;
    item.replication_factor = t.replication_factor;
    item.has_assignments = !t.assignments.empty();
    for (const auto& a : t.assignments) item.assignments.emplace_back(a.partition_index, a.broker_ids);
    for (const auto& one : t.configs) item.configs.emplace_back(one.name, one.value);
  }
  s.ask(q, std::move(c), [](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::topics_created>(e);
    create_topics_response out;
    for (const auto& t : done.topics) {
      auto& item = out.topics.emplace_back();
      item.name = t.name;
      item.topic_id = t.id;
      item.error_code = to_error(t.error);
      item.error_message = optional_text(t.detail);
      item.num_partitions = t.partitions;
      item.replication_factor = static_cast<std::int16_t>(t.replication_factor);
      auto& configs = item.configs.emplace();
      for (const auto& k : t.configs)
        configs.push_back({k.name, view_of(k.value), k.read_only, source_number(k.from), k.sensitive});
    }
    to.answer(of, out);
  });
}

void delete_topics(session& s, const inbound& q) {
  const auto r = s.read<delete_topics_request>(q);
  if (!r) return;
  model::delete_topics c;
  for (const auto& t : r->topics) c.topics.push_back(ref_of(t.name.value_or(std::string_view{}), t.topic_id));
  for (const std::string_view name : r->topic_names) c.topics.push_back({name, {}});
  s.ask(q, std::move(c), [](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::topics_deleted>(e);
    delete_topics_response out;
    for (const auto& t : done.topics) {
      auto& item = out.responses.emplace_back();
      item.name = of.version >= 6 ? optional_text(t.name) : std::optional<std::string_view>(t.name);
      item.topic_id = t.id;
      item.error_code = to_error(t.error);
      item.error_message = optional_text(t.detail);
    }
    to.answer(of, out);
  });
}

void create_partitions(session& s, const inbound& q) {
  const auto r = s.read<create_partitions_request>(q);
  if (!r) return;
  model::grow_topics c;
  c.validate_only = r->validate_only;
  for (const auto& t : r->topics) {
    auto& item = c.topics.emplace_back();
    item.name = t.name;
    item.partitions = t.count;
    if (!t.assignments) continue;
    auto& rows = item.assignments.emplace();
    for (const auto& a : *t.assignments) rows.push_back(a.broker_ids);
  }
  s.ask(q, std::move(c), [](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::topics_grown>(e);
    create_partitions_response out;
    for (const auto& t : done.topics) out.results.push_back({t.name, to_error(t.error), optional_text(t.detail)});
    to.answer(of, out);
  });
}

namespace {

void answer_configs(session& s, const inbound& q, const model::configs_described& done,
                    const std::vector<refused_resource>& refused, bool synonyms, bool documentation) {
  describe_configs_response out;
  const auto add = [&](const model::configs_described::item& item) {
    auto& r = out.results.emplace_back();
    r.error_code = to_error(item.error);
    r.error_message = optional_text(item.detail);
    r.resource_type = number_of(item.kind);
    r.resource_name = item.name;
    for (const auto& k : item.configs) {
      auto& c = r.configs.emplace_back();
      c.name = k.name;
      c.value = k.sensitive ? std::nullopt : view_of(k.value);
      c.read_only = k.read_only;
      c.config_source = source_number(k.from);
      c.is_sensitive = k.sensitive;
      c.config_type = type_number(k.kind);
      if (documentation) c.documentation = k.documentation;
      if (!synonyms) continue;
      for (const auto& one : k.synonyms) c.synonyms.push_back({one.name, view_of(one.value), source_number(one.from)});
    }
  };
  in_order(done.items, refused, add, [&](const refused_resource& r) {
    out.results.push_back({error_code::invalid_request, r.why, r.type, r.name, {}});
  });
  s.answer(q, out);
}

}  // namespace

void describe_configs(session& s, const inbound& q) {
  const auto r = s.read<describe_configs_request>(q);
  if (!r) return;
  model::describe_configs c;
  c.documentation = r->include_documentation;
  std::vector<refused_resource> refused;
  first_times first;
  std::size_t place = 0;
  for (const auto& one : r->resources) {
    if (!first(one.resource_name, {}, one.resource_type)) continue;
    const std::size_t i = place++;
    const auto kind = resource_of(one.resource_type);
    if (!kind) {
      refused.push_back({i, one.resource_type, std::string(one.resource_name), foreign_text});
      continue;
    }
    c.items.push_back({*kind, one.resource_name, one.configuration_keys});
  }
  s.ask(q, std::move(c),
        [refused = std::move(refused), synonyms = r->include_synonyms, documentation = r->include_documentation](
            session& to, const inbound& of, model::event&& e) {
          answer_configs(to, of, std::get<model::configs_described>(e), refused, synonyms, documentation);
        });
}

namespace {

// AlterConfigs and IncrementalAlterConfigs differ in how a change is written, not in how it is answered. `change_of` gives
// nothing for a change that does not exist.
template<class Response, class Request, class ChangeOf>
void alter(session& s, const inbound& q, const Request& r, bool replace_all, ChangeOf&& change_of) {
  model::alter_configs c;
  c.validate_only = r.validate_only;
  std::vector<refused_resource> refused;
  for (std::size_t i = 0; i < r.resources.size(); ++i) {
    const auto& one = r.resources[i];
    const auto kind = resource_of(one.resource_type);
    std::string_view why = kind ? std::string_view{} : foreign_text;
    model::alter_configs::item item{.kind = kind.value_or(model::config_resource::topic), .name = one.resource_name};
    item.replace_all = replace_all;
    for (const auto& k : one.configs) {
      const std::optional<model::alter_configs::change> change = change_of(k);
      if (change) item.changes.push_back(*change);
      if (!change && why.empty()) why = operation_text;
    }
    if (why.empty())
      c.items.push_back(std::move(item));
    else
      refused.push_back({i, one.resource_type, std::string(one.resource_name), why});
  }
  s.ask(q, std::move(c), [refused = std::move(refused)](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::configs_altered>(e);
    Response out;
    in_order(
        done.items, refused,
        [&](const auto& item) {
          out.responses.push_back({to_error(item.error), optional_text(item.detail), number_of(item.kind), item.name});
        },
        [&](const refused_resource& one) {
          out.responses.push_back({error_code::invalid_request, one.why, one.type, one.name});
        });
    to.answer(of, out);
  });
}

}  // namespace

void alter_configs(session& s, const inbound& q) {
  const auto r = s.read<alter_configs_request>(q);
  if (!r) return;
  using change = model::alter_configs::change;
  alter<alter_configs_response>(s, q, *r, true, [](const alter_configs_request::config& k) {
    return std::optional(change{k.name, model::alter_configs::op::set, k.value});
  });
}

void incremental_alter_configs(session& s, const inbound& q) {
  const auto r = s.read<incremental_alter_configs_request>(q);
  if (!r) return;
  using change = model::alter_configs::change;
  alter<incremental_alter_configs_response>(s, q, *r, false, [](const incremental_alter_configs_request::config& k) {
    if (k.config_operation < 0 || k.config_operation > 3) return std::optional<change>{};
    return std::optional(change{k.name, static_cast<model::alter_configs::op>(k.config_operation), k.value});
  });
}

}  // namespace weir::kafka::api
