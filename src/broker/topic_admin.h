// Topics as people manage them: describe, create, delete, grow, and their configuration.
//
// Deciding a change needs reactor 0 (it owns the catalog); describing works on any. Owner thread: the core's reactor.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "broker/keeper.h"
#include "broker/kernel.h"

namespace weir::broker {

// Fills states of records with as many items as fit each.
template<class Item, class Size, class Write>
std::vector<byte_vector> split_states(const settings& config, const std::vector<Item>& items, Size size, Write write) {
  const std::size_t most = std::min<std::size_t>(config.limits.record_bytes / 2, 1U << 20);
  std::vector<byte_vector> out;
  std::vector<Item> part;
  std::size_t bytes = 0;
  const auto close = [&] {
    if (part.empty()) return;
    write(part, out.emplace_back());
    part.clear();
    bytes = 0;
  };
  for (const Item& i : items) {
    if (bytes + size(i) > most) close();
    part.push_back(i);
    bytes += size(i);
  }
  close();
  return out;
}

class topic_admin {
 public:
  topic_admin(kernel& k, keeper& topics) : k_(k), keeper_(topics) {}

  // With auto_create and something missing it must be asked on reactor 0; see needs_creation.
  void describe(const reply_to& to, const model::caller& who, const model::describe_topics& c);
  [[nodiscard]] bool needs_creation(const model::caller& who, const model::describe_topics& c) const;
  void describe_configs(const reply_to& to, const model::caller& who, const model::describe_configs& c);

  // Reactor 0.
  void create(const reply_to& to, const model::caller& who, const model::create_topics& c);
  void remove(const reply_to& to, const model::caller& who, const model::delete_topics& c);
  void grow(const reply_to& to, const model::caller& who, const model::grow_topics& c);
  void alter_configs(const reply_to& to, const model::caller& who, const model::alter_configs& c);

 private:
  struct refused {
    model::refusal error = model::refusal::none;
    std::string detail;
  };
  void describe_one(const model::caller& who, const model::topic_ref& ref, model::topic_description& out) const;
  void fill(const topic& t, model::topic_description& out) const;
  [[nodiscard]] bool creatable(const model::caller& who, const model::topic_ref& ref, bool auto_create) const;
  void auto_create(const reply_to& to, const model::caller& who, const model::describe_topics& c);

  [[nodiscard]] refused check_new_name(const model::caller& who, std::string_view name) const;
  [[nodiscard]] refused check_count(const model::create_topic_item& in, std::int32_t& partitions,
                                    std::int32_t& replication) const;
  [[nodiscard]] refused check_assignments(const model::create_topic_item& in) const;
  [[nodiscard]] refused check_configs(const model::create_topic_item& in, model::config_map& overrides) const;
  [[nodiscard]] refused check_override(std::string_view name, std::string& value) const;
  // What one request has planned so far; it counts against the node's limits with what is there.
  struct planned {
    std::uint64_t next_log;
    std::size_t topics = 0;
    std::size_t partitions = 0;
  };
  // Null when it was refused.
  [[nodiscard]] std::shared_ptr<topic> plan_topic(const model::caller& who, const model::create_topic_item& in,
                                                  planned& so_far, model::topic_result& out) const;
  [[nodiscard]] std::int32_t most_partitions() const;
  [[nodiscard]] partition_place place(planned& so_far) const;
  [[nodiscard]] model::uuid new_id() const;
  [[nodiscard]] refused check_growth(const model::grow_topic_item& in, const topic& t, const planned& so_far) const;
  // What follows adds to `changed` what is to be recorded, or refuses.
  [[nodiscard]] refused plan_configs(const model::alter_configs::item& in, const model::caller& who,
                                     std::vector<configuration>& changed) const;
  [[nodiscard]] refused plan_broker(const model::alter_configs::item& in, const model::caller& who,
                                    std::vector<broker_configuration>& changed) const;
  [[nodiscard]] refused apply_change(const model::alter_configs::change& c, model::config_map& overrides) const;
  [[nodiscard]] refused apply_broker_change(const model::alter_configs::change& c, std::int32_t node,
                                            model::config_map& values) const;
  // What a topic without an own value has now.
  [[nodiscard]] std::string standard_text(const topic_config_key& key) const;
  // Who asks for three replicas asks for two in sync with them; where the first is clamped to one, so is the second.
  [[nodiscard]] std::string clamped_insync(std::string&& value) const;
  void commit_configs(const reply_to& to, model::configs_altered&& out, const std::vector<byte_vector>& topic_states,
                      const std::vector<byte_vector>& broker_states);

  kernel& k_;
  keeper& keeper_;
};

}  // namespace weir::broker
