// The broker's configuration as clients change it: what acts on topics, what is kept, what is refused, what survives.
#include <gtest/gtest.h>

#include "broker/broker_config.h"
#include "broker/testing/rig.h"

namespace weir::broker::node_testing {
namespace {

using model::refusal;
using op = model::alter_configs::op;
using source = model::config_entry::source;
using change = model::alter_configs::change;

model::configs_altered::item alter(rig& r, std::string_view node, std::vector<change> changes, bool all = false,
                                   bool dry = false) {
  model::alter_configs c;
  c.items.push_back({model::config_resource::broker, node, std::move(changes), all});
  c.validate_only = dry;
  return r.ask<model::configs_altered>(c).items.at(0);
}

refusal set(rig& r, std::string_view node, std::string_view name, std::string_view value) {
  return alter(r, node, {{name, op::set, value}}).error;
}

std::vector<model::config_entry> shown(rig& r, model::config_resource kind, std::string_view of,
                                       std::string_view name) {
  model::describe_configs c;
  c.items.push_back({kind, of, std::vector<std::string_view>{name}});
  c.documentation = true;
  return r.ask<model::configs_described>(c).items.at(0).configs;
}
model::config_entry of_broker(rig& r, std::string_view name) {
  const auto all = shown(r, model::config_resource::broker, "1", name);
  WEIR_ASSERT(all.size() == 1);
  return all[0];
}
model::config_entry of_topic(rig& r, std::string_view topic, std::string_view name) {
  return shown(r, model::config_resource::topic, topic, name).at(0);
}

// The policies of all logs of the node, by log id.
std::map<model::log_id, model::log_policy> policies(rig& r, std::uint32_t reactors) {
  std::map<model::log_id, model::log_policy> out;
  for (std::uint32_t i = 0; i < reactors; ++i) {
    for (const auto& [log, policy] : r.store(i).policies) out[log] = policy;
  }
  return out;
}

TEST(broker_config, a_default_reaches_every_topic_without_a_value_of_its_own) {
  for (const std::uint32_t reactors : {1U, 3U}) {
    rig r(reactors);
    r.create("plain", 6);
    r.create("own", 1, {{"retention.ms", "5"}, {"max.message.bytes", "100000"}});
    EXPECT_EQ(
        alter(r, "", {{"log.retention.ms", op::set, "1000"}, {"log.cleanup.policy", op::append, "compact"}}).error,
        refusal::none);
    const auto check = [&](std::int64_t plain) {
      std::size_t with_default = 0;
      const auto all = policies(r, reactors);
      for (const auto& [log, p] : all) {
        EXPECT_TRUE(p.compact && p.delete_old);
        if (p.retention_ms == plain) ++with_default;
      }
      EXPECT_EQ(all.size() - with_default, 1U) << reactors;  // the topic with its own
    };
    check(1000);
    r.create("later", 2);
    check(1000);
    // The node's own value goes before that of all nodes, and its end brings that back.
    EXPECT_EQ(set(r, "1", "log.retention.ms", "2000"), refusal::none);
    check(2000);
    r.restart();
    check(2000);
    for (std::uint32_t i = 0; i < reactors; ++i) EXPECT_EQ(r.at(i).stats().topics, 3U);
    EXPECT_EQ(alter(r, "1", {{"log.retention.ms", op::remove, {}}}).error, refusal::none);
    check(1000);
    r.checkpoint();
    r.restart();
    check(1000);
    EXPECT_EQ(*of_topic(r, "later", "cleanup.policy").value, "delete,compact");
  }
}

TEST(broker_config, the_largest_message_acts_on_what_is_produced) {
  rig r;
  r.create("t");
  fake_format::spec big;
  big.padding = 4096;
  EXPECT_EQ(r.put("t", 0, big).error, refusal::none);
  EXPECT_EQ(set(r, "1", "message.max.bytes", "2000"), refusal::none);
  EXPECT_EQ(r.put("t", 0, big).error, refusal::message_too_large);
  EXPECT_EQ(alter(r, "1", {}, true).error, refusal::none);  // the old form: nothing is to be set
  EXPECT_EQ(r.put("t", 0, big).error, refusal::none);
}

TEST(broker_config, every_default_of_topics_can_be_set_and_is_shown) {
  rig r;
  r.create("t");
  for (const topic_config_key& key : topic_config_table()) {
    const std::string text = key.default_text(r.config);
    EXPECT_EQ(set(r, "", key.broker_name, text), refusal::none) << key.broker_name;
    EXPECT_EQ(of_topic(r, "t", key.name).from, source::cluster_set) << key.name;
    EXPECT_EQ(of_broker(r, key.broker_name).from, source::cluster_set) << key.broker_name;
    EXPECT_EQ(set(r, "1", key.broker_name, text), refusal::none);
    EXPECT_EQ(of_topic(r, "t", key.name).from, source::node_set) << key.name;
    EXPECT_FALSE(of_broker(r, key.broker_name).read_only) << key.broker_name;
    EXPECT_EQ(set(r, "1", key.broker_name, "rubbish"), refusal::invalid_config) << key.broker_name;
  }
}

TEST(broker_config, where_a_value_comes_from_is_told) {
  settings s;
  s.log.retention_ms = 5000;
  rig r(1, s);
  r.create("t", 1, {{"retention.ms", "1"}});
  EXPECT_EQ(set(r, "", "log.retention.ms", "3"), refusal::none);
  EXPECT_EQ(set(r, "1", "log.retention.ms", "2"), refusal::none);
  const auto chain = [](const model::config_entry& e) {
    std::vector<std::pair<source, std::string>> out;
    for (const auto& x : e.synonyms) out.emplace_back(x.from, *x.value);
    return out;
  };
  std::vector<std::pair<source, std::string>> want{{source::topic_override, "1"},
                                                   {source::node_set, "2"},
                                                   {source::cluster_set, "3"},
                                                   {source::broker_file, "5000"},
                                                   {source::default_value, "604800000"}};
  EXPECT_EQ(chain(of_topic(r, "t", "retention.ms")), want);
  want.erase(want.begin());
  EXPECT_EQ(chain(of_broker(r, "log.retention.ms")), want);
  const auto common = shown(r, model::config_resource::broker, "", "log.retention.ms");
  ASSERT_EQ(common.size(), 1U);
  EXPECT_EQ(*common[0].value, "3");
  EXPECT_EQ(common[0].from, source::cluster_set);
  EXPECT_TRUE(shown(r, model::config_resource::broker, "", "log.segment.bytes").empty());
}

// What holds anyway is taken, kept and shown where it was set.
TEST(broker_config, values_that_hold_anyway_are_kept) {
  rig r;
  for (const kept_broker_config& kept : kept_broker_configs()) {
    using type = model::config_entry::type;
    const bool text = kept.kind == type::text || kept.kind == type::list;
    const std::string value = kept.kind == type::boolean ? "false" : kept.kind == type::real ? "0.5" : "7";
    EXPECT_TRUE(shown(r, model::config_resource::broker, "1", kept.name).empty()) << kept.name;
    EXPECT_EQ(set(r, "1", kept.name, value), refusal::none) << kept.name;
    if (!text) {
      EXPECT_EQ(set(r, "1", kept.name, "rubbish"), refusal::invalid_config) << kept.name;
    }
    r.restart();
    EXPECT_EQ(*of_broker(r, kept.name).value, value) << kept.name;
    EXPECT_EQ(of_broker(r, kept.name).from, source::node_set) << kept.name;
    EXPECT_FALSE(of_broker(r, kept.name).documentation.empty());
    EXPECT_EQ(set(r, "", kept.name, value), kept.one_node_only ? refusal::invalid_request : refusal::none) << kept.name;
    EXPECT_EQ(alter(r, "1", {{kept.name, op::remove, {}}}).error, refusal::none);
    EXPECT_EQ(shown(r, model::config_resource::broker, "1", kept.name).size(), kept.one_node_only ? 0U : 1U);
  }
  EXPECT_EQ(alter(r, "1", {{"sasl.kerberos.principal.to.local.rules", op::append, "a"}}).error, refusal::none);
  EXPECT_EQ(alter(r, "1", {{"sasl.kerberos.principal.to.local.rules", op::append, "b"}}).error, refusal::none);
  EXPECT_EQ(*of_broker(r, "sasl.kerberos.principal.to.local.rules").value, "a,b");
}

TEST(broker_config, lists_are_edited_over_what_is_there) {
  rig r;
  EXPECT_EQ(alter(r, "", {{"log.cleanup.policy", op::append, "compact"}}).error, refusal::none);
  EXPECT_EQ(alter(r, "1", {{"log.cleanup.policy", op::subtract, "delete"}}).error, refusal::none);
  EXPECT_EQ(*of_broker(r, "log.cleanup.policy").value, "compact");
  EXPECT_EQ(alter(r, "1", {{"log.cleanup.policy", op::subtract, "compact"}}).error, refusal::invalid_config);
  EXPECT_EQ(alter(r, "1", {{"log.retention.ms", op::append, "1"}}).error, refusal::invalid_config);
  // A topic's list begins with what the broker gives it.
  r.create("t");
  model::alter_configs c;
  c.items.push_back({model::config_resource::topic, "t", {{"cleanup.policy", op::append, "delete"}}, false});
  EXPECT_EQ(r.ask<model::configs_altered>(c).items.at(0).error, refusal::none);
  EXPECT_EQ(*of_topic(r, "t", "cleanup.policy").value, "compact,delete");
}

TEST(broker_config, what_cannot_be_held_is_refused_and_changes_nothing) {
  rig r;
  const auto before = r.store().policies;
  for (const auto& [name, value, why] : std::vector<std::tuple<std::string_view, std::string, refusal>>{
           {"num.partitions", "3", refusal::invalid_request},
           {"log.retention.hours", "3", refusal::invalid_request},
           {"max.connections", "3", refusal::invalid_request},
           {"log.cleaner.backoff.ms", "3", refusal::invalid_request},
           {"retention.ms", "3", refusal::invalid_config},
           {"no.such.key", "3", refusal::invalid_config},
           {"min.insync.replicas", "2", refusal::invalid_config},
           {"log.preallocate", "true", refusal::invalid_config},
           {"sasl.kerberos.kinit.cmd", std::string(4097, 'x'), refusal::invalid_config},
           {"background.threads", "0", refusal::invalid_config}}) {
    const auto done = alter(r, "1", {{"log.retention.ms", op::set, "9"}, {name, op::set, value}});
    EXPECT_EQ(done.error, why) << name;
    EXPECT_NE(done.detail.find(name), std::string::npos) << done.detail;
  }
  EXPECT_EQ(alter(r, "1", {{"log.retention.ms", op::set, std::nullopt}}).error, refusal::invalid_request);
  EXPECT_EQ(alter(r, "1", {{"log.retention.ms", op::set, "1"}, {"log.retention.ms", op::remove, {}}}).error,
            refusal::invalid_request);
  EXPECT_EQ(set(r, "2", "log.retention.ms", "9"), refusal::invalid_request);
  EXPECT_EQ(alter(r, "1", {{"log.retention.ms", op::set, "9"}}, false, true).error, refusal::none);  // to try only
  EXPECT_EQ(of_broker(r, "log.retention.ms").from, source::default_value);
  r.restart();
  EXPECT_EQ(of_broker(r, "log.retention.ms").from, source::default_value);
}

TEST(broker_config, another_node_number_leaves_the_first_ones_values_behind) {
  rig r;
  EXPECT_EQ(set(r, "1", "log.retention.ms", "9"), refusal::none);
  EXPECT_EQ(set(r, "", "log.retention.ms", "10"), refusal::none);
  r.create("t");
  r.config.node_id = 2;
  r.restart();
  EXPECT_EQ(*of_topic(r, "t", "retention.ms").value, "10");
  EXPECT_EQ(r.store().policies.rbegin()->second.retention_ms, 10);
}

TEST(broker_config, who_may_not_is_refused) {
  rig r;
  client other;
  model::caller who = r.who;
  who.loopback = false;
  who.principal = "anonymous";
  const auto s = r.port().attach(other, who);
  model::alter_configs c;
  c.items.push_back({model::config_resource::broker, "1", {{"log.retention.ms", op::set, "9"}}, false});
  r.port().submit(s, model::token(1), c);
  r.settle();
  EXPECT_EQ(other.get<model::configs_altered>(1).items[0].error, refusal::denied_cluster);
}

}  // namespace
}  // namespace weir::broker::node_testing
