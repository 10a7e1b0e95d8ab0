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

std::optional<std::string_view> view_of(const std::optional<std::string>& s) {
  return s ? std::optional<std::string_view>(*s) : std::nullopt;
}

constexpr std::int8_t topic_resource = 2;
constexpr std::int8_t broker_resource = 4;

std::optional<model::config_resource> resource_of(std::int8_t type) {
  if (type == topic_resource) return model::config_resource::topic;
  if (type == broker_resource) return model::config_resource::broker;
  return std::nullopt;
}

// A resource of a kind that this broker has no configuration for, in its place among the others.
struct foreign_resource {
  std::size_t at;
  std::int8_t type;
  std::string name;
};

constexpr std::string_view foreign_text = "only topics (2) and brokers (4) have configurations here";

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
                    const std::vector<foreign_resource>& foreign, bool synonyms, bool documentation) {
  describe_configs_response out;
  std::size_t next_foreign = 0;
  const auto add_foreign = [&] {
    while (next_foreign < foreign.size() && foreign[next_foreign].at == out.results.size()) {
      const auto& f = foreign[next_foreign++];
      out.results.push_back({error_code::invalid_request, foreign_text, f.type, f.name, {}});
    }
  };
  add_foreign();
  for (const auto& item : done.items) {
    auto& r = out.results.emplace_back();
    r.error_code = to_error(item.error);
    r.error_message = optional_text(item.detail);
    r.resource_type = item.kind == model::config_resource::topic ? topic_resource : broker_resource;
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
    add_foreign();
  }
  s.answer(q, out);
}

}  // namespace

void describe_configs(session& s, const inbound& q) {
  const auto r = s.read<describe_configs_request>(q);
  if (!r) return;
  model::describe_configs c;
  c.documentation = r->include_documentation;
  std::vector<foreign_resource> foreign;
  first_times first;
  std::size_t place = 0;
  for (const auto& one : r->resources) {
    if (!first(one.resource_name, {}, one.resource_type)) continue;
    const std::size_t i = place++;
    const auto kind = resource_of(one.resource_type);
    if (!kind) {
      foreign.push_back({i, one.resource_type, std::string(one.resource_name)});
      continue;
    }
    c.items.push_back({*kind, one.resource_name, one.configuration_keys});
  }
  s.ask(q, std::move(c),
        [foreign = std::move(foreign), synonyms = r->include_synonyms, documentation = r->include_documentation](
            session& to, const inbound& of, model::event&& e) {
          answer_configs(to, of, std::get<model::configs_described>(e), foreign, synonyms, documentation);
        });
}

namespace {

// AlterConfigs and IncrementalAlterConfigs differ in how a change is written, not in how it is answered.
template<class Response, class Request, class ChangeOf>
void alter(session& s, const inbound& q, const Request& r, bool replace_all, ChangeOf&& change_of) {
  model::alter_configs c;
  c.validate_only = r.validate_only;
  std::vector<foreign_resource> foreign;
  for (std::size_t i = 0; i < r.resources.size(); ++i) {
    const auto& one = r.resources[i];
    const auto kind = resource_of(one.resource_type);
    if (!kind) {
      foreign.push_back({i, one.resource_type, std::string(one.resource_name)});
      continue;
    }
    auto& item = c.items.emplace_back();
    item.kind = *kind;
    item.name = one.resource_name;
    item.replace_all = replace_all;
    for (const auto& k : one.configs) item.changes.push_back(change_of(k));
  }
  s.ask(q, std::move(c), [foreign = std::move(foreign)](session& to, const inbound& of, model::event&& e) {
    const auto& done = std::get<model::configs_altered>(e);
    Response out;
    for (const auto& item : done.items) {
      const std::int8_t type = item.kind == model::config_resource::topic ? topic_resource : broker_resource;
      out.responses.push_back({to_error(item.error), optional_text(item.detail), type, item.name});
    }
    for (const auto& f : foreign)
      out.responses.insert(out.responses.begin() + static_cast<std::ptrdiff_t>(std::min(f.at, out.responses.size())),
                           {error_code::invalid_request, foreign_text, f.type, f.name});
    to.answer(of, out);
  });
}

}  // namespace

void alter_configs(session& s, const inbound& q) {
  const auto r = s.read<alter_configs_request>(q);
  if (!r) return;
  alter<alter_configs_response>(s, q, *r, true, [](const alter_configs_request::config& k) {
    return model::alter_configs::change{k.name, model::alter_configs::op::set, k.value};
  });
}

void incremental_alter_configs(session& s, const inbound& q) {
  const auto r = s.read<incremental_alter_configs_request>(q);
  if (!r) return;
  for (const auto& one : r->resources)
    for (const auto& k : one.configs)
      if (k.config_operation < 0 || k.config_operation > 3)
        return s.hang_up("configuration operation " + std::to_string(k.config_operation) +
                         " does not exist (0 to 3 do)");
  alter<incremental_alter_configs_response>(s, q, *r, false, [](const incremental_alter_configs_request::config& k) {
    return model::alter_configs::change{k.name, static_cast<model::alter_configs::op>(k.config_operation), k.value};
  });
}

}  // namespace weir::kafka::api
