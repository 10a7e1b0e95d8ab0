#include "protocol/kafka/testing.h"

namespace weir::kafka::testing {
namespace {

template<class Event, class Items>
Event sized(const Items& items) {
  Event e;
  e.items.resize(items.size());
  return e;
}

struct answerer {
  model::event operator()(const model::describe_topics& c) const {
    model::topics_described e;
    if (c.topics)
      for (const auto& t : *c.topics) e.topics.push_back({.name = std::string(t.name), .id = t.id, .partitions = 1});
    return e;
  }
  model::event operator()(const model::create_topics& c) const {
    model::topics_created e;
    for (const auto& t : c.topics) e.topics.push_back({.name = std::string(t.name)});
    return e;
  }
  model::event operator()(const model::delete_topics& c) const {
    model::topics_deleted e;
    for (const auto& t : c.topics) e.topics.push_back({.name = std::string(t.name)});
    return e;
  }
  model::event operator()(const model::grow_topics& c) const {
    model::topics_grown e;
    for (const auto& t : c.topics) e.topics.push_back({.name = std::string(t.name)});
    return e;
  }
  model::event operator()(const model::describe_configs& c) const {
    model::configs_described e;
    for (const auto& i : c.items) e.items.push_back({.kind = i.kind, .name = std::string(i.name)});
    return e;
  }
  model::event operator()(const model::alter_configs& c) const {
    model::configs_altered e;
    for (const auto& i : c.items) e.items.push_back({.kind = i.kind, .name = std::string(i.name)});
    return e;
  }
  model::event operator()(const model::produce& c) const { return sized<model::produced>(c.items); }
  model::event operator()(const model::fetch& c) const { return sized<model::fetched>(c.items); }
  model::event operator()(const model::list_offsets& c) const { return sized<model::offsets_listed>(c.items); }
  model::event operator()(const model::epoch_ends& c) const { return sized<model::epoch_ends_found>(c.items); }
  model::event operator()(const model::delete_records& c) const { return sized<model::records_deleted>(c.items); }
  model::event operator()(const model::init_producer&) const { return model::producer_ready{}; }
  model::event operator()(const model::describe_producers& c) const {
    return sized<model::producers_described>(c.items);
  }
  model::event operator()(const model::describe_log_dirs&) const { return model::log_dirs_described{}; }
  model::event operator()(const model::join_group&) const { return model::group_joined{}; }
  model::event operator()(const model::sync_group&) const { return model::group_synced{}; }
  model::event operator()(const model::heartbeat&) const { return model::heartbeat_seen{}; }
  model::event operator()(const model::leave_group&) const { return model::group_left{}; }
  model::event operator()(const model::commit_offsets& c) const { return sized<model::offsets_committed>(c.items); }
  model::event operator()(const model::fetch_offsets& c) const {
    model::offsets_fetched e;
    if (c.items)
      for (const auto& i : *c.items)
        e.items.push_back({.topic = std::string(i.topic.name), .topic_id = i.topic.id, .partition = i.partition});
    return e;
  }
  model::event operator()(const model::describe_groups& c) const {
    model::groups_described e;
    for (const auto g : c.groups) e.groups.push_back({.id = std::string(g)});
    return e;
  }
  model::event operator()(const model::list_groups&) const { return model::groups_listed{}; }
  model::event operator()(const model::delete_groups& c) const {
    model::groups_deleted e;
    for (const auto g : c.groups) e.groups.emplace_back(std::string(g), model::refusal::none);
    return e;
  }
  model::event operator()(const model::delete_group_offsets& c) const {
    return sized<model::group_offsets_deleted>(c.items);
  }
};

}  // namespace

model::event plain_answer(const model::command& c) { return std::visit(answerer{}, c); }

}  // namespace weir::kafka::testing
