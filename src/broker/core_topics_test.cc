// Topics as people manage them, and their configuration.
#include <gtest/gtest.h>

#include <set>

#include "broker/testing/rig.h"
#include "broker/topic_config.h"
#include "broker/topic_config_kept.h"

namespace weir::broker::node_testing {
namespace {

using model::refusal;
using configs = std::vector<std::pair<std::string_view, std::optional<std::string_view>>>;

constexpr auto op_set = model::alter_configs::op::set;

model::topics_described describe(rig& r, std::vector<std::string_view> names, bool auto_create = false) {
  model::describe_topics c;
  c.topics.emplace();
  for (const auto n : names) c.topics->push_back({n, {}});
  c.auto_create = auto_create;
  return r.ask<model::topics_described>(c);
}

TEST(topics, creating_answers_when_it_is_durable) {
  rig r;
  model::create_topics c;
  c.topics.emplace_back();
  c.topics.back().name = "t";
  const std::uint64_t t = r.send(c);
  const std::uint64_t seen = r.send(model::describe_topics{});
  EXPECT_FALSE(r.me.has(t));
  EXPECT_FALSE(r.me.has(seen));  // it would show what is not on disk yet
  r.settle();
  const auto& made = r.me.get<model::topics_created>(t).topics[0];
  EXPECT_EQ(made.error, refusal::none);
  EXPECT_EQ(made.partitions, 1);
  EXPECT_EQ(made.replication_factor, 1);
  EXPECT_FALSE(made.id.is_zero());
  EXPECT_FALSE(made.configs.empty());
  EXPECT_EQ(r.me.get<model::topics_described>(seen).topics.at(0).id, made.id);
}

TEST(topics, names) {
  rig r;
  const std::string longest(249, 'n');
  const std::string longer(250, 'n');
  for (const std::string_view bad : {"", ".", "..", "a b", "a/b", "\xc3\xa4", longer.c_str()}) {
    EXPECT_EQ(r.create(bad).error, refusal::invalid_topic) << bad;
  }
  EXPECT_EQ(r.create(longest).error, refusal::none);
  EXPECT_EQ(r.create("__consumer_offsets").error, refusal::invalid_topic);
  EXPECT_EQ(r.create("a.b_c").error, refusal::none);
  EXPECT_EQ(r.create("a.b_c").error, refusal::topic_exists);
  EXPECT_EQ(r.create("a_b.c").error, refusal::invalid_topic);
  EXPECT_EQ(r.create("a.b-c").error, refusal::none);
  model::delete_topics d;
  d.topics.push_back({"a.b_c", {}});
  r.ask<model::topics_deleted>(d);
  EXPECT_EQ(r.create("a_b.c").error, refusal::none);
}

TEST(topics, counts_and_replication) {
  settings s;
  s.num_partitions = 4;
  rig r(1, s);
  EXPECT_EQ(r.create("standard", -1).partitions, 4);
  EXPECT_EQ(r.create("none", 0).error, refusal::invalid_partitions);
  EXPECT_EQ(r.create("minus", -2).error, refusal::invalid_partitions);
  EXPECT_EQ(r.create("huge", INT32_MAX).error, refusal::invalid_partitions);
  model::create_topics c;
  c.topics.emplace_back();
  c.topics[0].name = "three";
  c.topics[0].replication_factor = 3;
  EXPECT_EQ(r.ask<model::topics_created>(c).topics[0].error, refusal::invalid_replication_factor);
  c.topics[0].replication_factor = 0;
  EXPECT_EQ(r.ask<model::topics_created>(c).topics[0].error, refusal::invalid_replication_factor);
  c.topics[0].replication_factor = 3;
  c.topics[0].configs = {{"min.insync.replicas", "2"}};
  r.config.clamp_replication_factor = true;
  const auto clamped = r.ask<model::topics_created>(c).topics[0];
  EXPECT_EQ(clamped.error, refusal::none);
  EXPECT_EQ(clamped.replication_factor, 1);
}

TEST(topics, assignments) {
  rig r;
  const auto with = [&](std::vector<std::pair<std::int32_t, std::vector<std::int32_t>>> a) {
    model::create_topics c;
    c.topics.emplace_back();
    c.topics[0].name = "t";
    c.topics[0].has_assignments = true;
    c.topics[0].assignments = std::move(a);
    return r.ask<model::topics_created>(c).topics[0];
  };
  EXPECT_EQ(with({{0, {1}}, {2, {1}}}).error, refusal::invalid_replica_assignment);
  EXPECT_EQ(with({{0, {1}}, {0, {1}}}).error, refusal::invalid_replica_assignment);
  EXPECT_EQ(with({{0, {2}}}).error, refusal::invalid_replica_assignment);
  EXPECT_EQ(with({{0, {1, 1}}}).error, refusal::invalid_replica_assignment);
  EXPECT_EQ(with({}).error, refusal::invalid_partitions);
  EXPECT_EQ(with({{1, {1}}, {0, {1}}}).partitions, 2);
}

TEST(topics, one_request_with_doubles_and_a_dry_run) {
  rig r;
  model::create_topics c;
  for (const std::string_view n : {"a", "b", "a", "c.d", "c_d"}) c.topics.emplace_back().name = n;
  c.validate_only = true;
  const auto dry = r.ask<model::topics_created>(c);
  EXPECT_EQ(dry.topics[0].error, refusal::invalid_request);
  EXPECT_EQ(dry.topics[1].error, refusal::none);
  EXPECT_TRUE(dry.topics[1].id.is_zero());
  EXPECT_EQ(dry.topics[4].error, refusal::invalid_topic);
  EXPECT_TRUE(r.ask<model::topics_described>(model::describe_topics{}).topics.empty());
  c.validate_only = false;
  r.ask<model::topics_created>(c);
  const auto all = r.ask<model::topics_described>(model::describe_topics{});
  ASSERT_EQ(all.topics.size(), 2U);
  EXPECT_EQ(all.topics[0].name, "b");
  EXPECT_EQ(all.topics[1].name, "c.d");
}

TEST(topics, auto_creation_follows_the_switch_the_flag_and_the_name) {
  rig r;
  EXPECT_EQ(describe(r, {"t"}).topics[0].error, refusal::unknown_topic_or_partition);
  const auto made = describe(r, {"t", "bad name", "t", "__consumer_offsets"}, true);
  EXPECT_EQ(made.topics[0].error, refusal::none);
  EXPECT_EQ(made.topics[0].partitions, 1);
  EXPECT_EQ(made.topics[1].error, refusal::invalid_topic);
  EXPECT_EQ(made.topics[2].id, made.topics[0].id);
  EXPECT_EQ(made.topics[3].error, refusal::unknown_topic_or_partition);
  EXPECT_EQ(r.put("t", 0, {}).error, refusal::none);  // usable when it is shown
  r.config.auto_create_topics = false;
  EXPECT_EQ(describe(r, {"u"}, true).topics[0].error, refusal::unknown_topic_or_partition);
}

TEST(topics, deleting_takes_data_and_producers_and_a_namesake_is_another_topic) {
  rig r;
  const auto first = r.create("t");
  fake_format::spec s;
  s.producer_id = 3;
  s.producer_epoch = 0;
  s.first_sequence = 0;
  r.put("t", 0, s);
  model::delete_topics d;
  d.topics.push_back({"", first.id});
  d.topics.push_back({"nowhere", {}});
  const auto gone = r.ask<model::topics_deleted>(d);
  EXPECT_EQ(gone.topics[0].error, refusal::none);
  EXPECT_EQ(gone.topics[0].name, "t");
  EXPECT_EQ(gone.topics[1].error, refusal::unknown_topic_or_partition);
  EXPECT_EQ(r.put("t", 0, s).error, refusal::unknown_topic_or_partition);
  const auto second = r.create("t");
  EXPECT_NE(second.id, first.id);
  EXPECT_EQ(r.put("t", 0, s).base.raw(), 0);
  EXPECT_EQ(r.get("t", 0, 0).high_watermark.raw(), 1);
  r.restart();
  EXPECT_EQ(describe(r, {"t"}).topics[0].id, second.id);
}

TEST(topics, growing_keeps_what_was) {
  rig r;
  r.create("t", 2);
  r.put("t", 1, {});
  const auto grow = [&](std::string_view name, std::int32_t to, bool dry = false) {
    model::grow_topics c;
    c.topics.push_back({name, to, {}});
    c.validate_only = dry;
    return r.ask<model::topics_grown>(c).topics[0].error;
  };
  EXPECT_EQ(grow("t", 2), refusal::invalid_partitions);
  EXPECT_EQ(grow("t", 1), refusal::invalid_partitions);
  EXPECT_EQ(grow("nowhere", 5), refusal::unknown_topic_or_partition);
  EXPECT_EQ(grow("t", 5, true), refusal::none);
  EXPECT_EQ(describe(r, {"t"}).topics[0].partitions, 2);
  EXPECT_EQ(grow("t", 5), refusal::none);
  EXPECT_EQ(r.put("t", 4, {}).base.raw(), 0);
  r.restart();
  EXPECT_EQ(describe(r, {"t"}).topics[0].partitions, 5);
  EXPECT_EQ(r.get("t", 1, 0).high_watermark.raw(), 1);
  EXPECT_EQ(r.get("t", 4, 0).high_watermark.raw(), 1);
}

TEST(topics, ten_thousand_partitions_take_few_records) {
  rig r;
  const std::uint64_t before = r.store().appends;
  EXPECT_EQ(r.create("t", 10'000).error, refusal::none);
  EXPECT_LE(r.store().appends - before, 4U);
  EXPECT_EQ(r.at().stats().partitions, 10'000U);
  EXPECT_EQ(r.put("t", 9'999, {}).error, refusal::none);
}

TEST(topics, no_request_makes_a_record_larger_than_the_store_takes) {
  settings s;
  s.limits.record_bytes = 4096;
  rig r(1, s);
  r.store().record_bytes_max = 5000;
  EXPECT_EQ(r.create("t", 1000).error, refusal::invalid_partitions);
  EXPECT_EQ(r.create("t", 100).error, refusal::none);
  model::grow_topics g;
  g.topics.push_back({"t", 1000, {}});
  EXPECT_EQ(r.ask<model::topics_grown>(g).topics[0].error, refusal::invalid_partitions);
  g.topics[0].partitions = 200;
  EXPECT_EQ(r.ask<model::topics_grown>(g).topics[0].error, refusal::none);

  model::create_topics many;
  model::alter_configs alter;
  std::vector<std::string> names;
  for (int i = 0; i < 200; ++i) names.push_back("topic-with-a-long-name-" + std::to_string(i));
  for (const auto& n : names) {
    many.topics.emplace_back().name = n;
    alter.items.push_back({model::config_resource::topic, n, {{"retention.ms", op_set, "1"}}, false});
  }
  for (const auto& t : r.ask<model::topics_created>(many).topics) EXPECT_EQ(t.error, refusal::none) << t.detail;
  for (const auto& i : r.ask<model::configs_altered>(alter).items) EXPECT_EQ(i.error, refusal::none) << i.detail;

  const byte_vector e = fake_format::make({});
  model::produce put;
  model::delete_records trim;
  for (std::int32_t p = 0; p < 200; ++p) {
    put.items.push_back({{"t", {}}, p, model::format_tag::kafka_batch_v2, e});
    trim.items.push_back({{"t", {}}, p, model::offset(-1)});
  }
  for (const auto& i : r.ask<model::produced>(put).items) EXPECT_EQ(i.error, refusal::none) << i.detail;
  for (const auto& i : r.ask<model::records_deleted>(trim).items) EXPECT_EQ(i.low_watermark.raw(), 1);
  fake_format::spec big;
  big.padding = 4096;
  EXPECT_EQ(r.put("t", 0, big).error, refusal::message_too_large);
  model::delete_topics d;
  for (const auto& n : names) d.topics.push_back({n, {}});
  for (const auto& t : r.ask<model::topics_deleted>(d).topics) EXPECT_EQ(t.error, refusal::none) << t.detail;
  r.restart();
  EXPECT_EQ(r.at().stats().partitions, 200U);
}

TEST(topics, one_request_makes_and_describes_only_so_many) {
  settings s;
  s.limits.topics_per_request = 2;
  rig r(1, s);
  model::create_topics c;
  for (const std::string_view name : {"a", "b", "c"}) c.topics.emplace_back().name = name;
  const auto made = r.ask<model::topics_created>(c);
  EXPECT_EQ(made.topics[1].error, refusal::none);
  EXPECT_EQ(made.topics[2].error, refusal::policy_violation);
  model::describe_configs d;
  for (const std::string_view name : {"a", "b", "a"}) d.items.push_back({model::config_resource::topic, name, {}});
  const auto shown = r.ask<model::configs_described>(d);
  EXPECT_FALSE(shown.items[1].configs.empty());
  EXPECT_EQ(shown.items[2].error, refusal::policy_violation);
  EXPECT_TRUE(shown.items[2].configs.empty());
}

TEST(topics, the_nodes_limits_hold_within_one_request) {
  settings s;
  s.limits.topics = 4;
  s.limits.partitions = 100;
  rig r(1, s);
  model::create_topics c;
  for (const std::string_view name : {"a", "b", "c"}) {
    c.topics.emplace_back().name = name;
    c.topics.back().partitions = 40;
  }
  for (const bool dry : {true, false}) {
    c.validate_only = dry;
    const auto made = r.ask<model::topics_created>(c);
    EXPECT_EQ(made.topics[1].error, refusal::none);
    EXPECT_EQ(made.topics[2].error, refusal::policy_violation);
  }
  model::grow_topics g;
  for (const std::string_view name : {"a", "b"}) g.topics.push_back({name, 55, {}});
  for (const bool dry : {true, false}) {
    g.validate_only = dry;
    const auto grown = r.ask<model::topics_grown>(g);
    EXPECT_EQ(grown.topics[0].error, refusal::none);
    EXPECT_EQ(grown.topics[1].error, refusal::policy_violation);
  }
  c = {};
  for (const std::string_view name : {"d", "e", "f"}) c.topics.emplace_back().name = name;
  const auto made = r.ask<model::topics_created>(c);
  EXPECT_EQ(made.topics[1].error, refusal::none);
  EXPECT_EQ(made.topics[2].error, refusal::policy_violation);
  EXPECT_EQ(r.at().stats().topics, 4U);
  EXPECT_EQ(r.at().stats().partitions, 97U);
}

TEST(topics, auto_creation_makes_only_so_many_at_once_and_the_rest_when_asked_again) {
  settings s;
  s.limits.topics_per_request = 2;
  s.limits.topics = 4;
  rig r(1, s);
  const auto first = describe(r, {"a", "b", "c", "d", "e"}, true);
  EXPECT_EQ(first.topics[1].error, refusal::none);
  EXPECT_EQ(first.topics[2].error, refusal::unknown_topic_or_partition);
  EXPECT_EQ(r.at().stats().topics, 2U);
  const auto second = describe(r, {"a", "b", "c", "d", "e"}, true);
  EXPECT_EQ(second.topics[3].error, refusal::none);
  EXPECT_EQ(describe(r, {"e"}, true).topics[0].error, refusal::unknown_topic_or_partition);
  EXPECT_EQ(r.at().stats().topics, 4U);
}

TEST(topics, vhosts_do_not_see_each_other) {
  rig r;
  const auto mine = r.create("t");
  client other;
  model::caller who = r.who;
  who.vhost = "tenant";
  const auto s = r.port().attach(other, who);
  r.port().submit(s, model::token(1), model::describe_topics{});
  r.port().submit(s, model::token(2), rig::fetch_of("t", 0, 0));
  model::fetch by_id = rig::fetch_of("", 0, 0);
  by_id.items[0].topic.id = mine.id;
  r.port().submit(s, model::token(3), by_id);
  r.settle();
  EXPECT_TRUE(other.get<model::topics_described>(1).topics.empty());
  EXPECT_EQ(other.get<model::fetched>(2).items[0].error, refusal::unknown_topic_or_partition);
  EXPECT_EQ(other.get<model::fetched>(3).items[0].error, refusal::unknown_topic_id);
}

// ---- configuration ----------------------------------------------------------------------------------------------------

model::configs_altered::item alter(rig& r, std::vector<model::alter_configs::change> changes, bool all = false,
                                   bool dry = false) {
  model::alter_configs c;
  c.items.push_back({model::config_resource::topic, "t", std::move(changes), all});
  c.validate_only = dry;
  return r.ask<model::configs_altered>(c).items.at(0);
}

model::config_entry show(rig& r, std::string_view key) {
  model::describe_configs c;
  c.items.push_back({model::config_resource::topic, "t", std::vector<std::string_view>{key}});
  c.documentation = true;
  const auto out = r.ask<model::configs_described>(c).items.at(0);
  WEIR_ASSERT(out.configs.size() == 1);
  return out.configs[0];
}

const model::log_policy& policy(rig& r) { return r.store().policies.rbegin()->second; }

using op = model::alter_configs::op;
using source = model::config_entry::source;

TEST(topic_config, every_name_in_the_table_has_a_valid_default_and_a_text) {
  const settings s;
  EXPECT_TRUE(check_defaults(s));
  std::set<std::string_view> names;
  for (const auto& k : topic_config_table()) {
    EXPECT_TRUE(names.insert(k.name).second) << k.name;
    EXPECT_TRUE(check_topic_config(k.name, k.default_text(s))) << k.name;
    EXPECT_FALSE(check_topic_config(k.name, "rubbish")) << k.name;
    EXPECT_FALSE(k.documentation.empty());
  }
  EXPECT_EQ(check_topic_config("retention.sm", "1").error().code, errc::not_found);
}

TEST(topic_config, every_name_acts) {
  const topic_settings base = default_topic_settings({});
  const auto with = [&](std::string name, std::string value) {
    return resolve_topic_config({{std::move(name), std::move(value)}}, base);
  };
  EXPECT_TRUE(with("cleanup.policy", "compact").policy.compact);
  EXPECT_FALSE(with("cleanup.policy", "compact").policy.delete_old);
  EXPECT_TRUE(with("cleanup.policy", "compact, delete").policy.delete_old);
  EXPECT_EQ(with("delete.retention.ms", "5").policy.delete_retention_ms, 5);
  EXPECT_EQ(with("max.compaction.lag.ms", "5").policy.max_compaction_lag_ms, 5);
  EXPECT_EQ(with("min.compaction.lag.ms", "5").policy.min_compaction_lag_ms, 5);
  EXPECT_EQ(with("max.message.bytes", "5").max_message_bytes, 5);
  EXPECT_EQ(with("message.timestamp.after.max.ms", "5").timestamp_after_max_ms, 5);
  EXPECT_EQ(with("message.timestamp.before.max.ms", "5").timestamp_before_max_ms, 5);
  EXPECT_TRUE(with("message.timestamp.type", "LogAppendTime").append_time);
  EXPECT_DOUBLE_EQ(with("min.cleanable.dirty.ratio", "0.25").policy.min_cleanable_ratio, 0.25);
  EXPECT_EQ(with("retention.bytes", "5").policy.retention_bytes, 5);
  EXPECT_EQ(with("retention.ms", "-1").policy.retention_ms, -1);
  EXPECT_EQ(with("segment.bytes", "1048576").policy.segment_bytes, 1048576U);
  EXPECT_EQ(with("segment.ms", "5").policy.segment_ms, 5);
  EXPECT_EQ(with("weir.durability", "async").durability, durability_level::async);
  EXPECT_EQ(with("weir.durability", "replicated").durability, durability_level::replicated);
  EXPECT_EQ(base.durability, durability_level::sync);
  EXPECT_EQ(with("compression.type", "lz4").compression.kind, model::compression_kind::lz4);
  EXPECT_FALSE(with("compression.type", "producer").compression.kind.has_value());
  EXPECT_EQ(with("compression.gzip.level", "5").compression.level_of(model::compression_kind::gzip), 5);
  EXPECT_EQ(with("compression.lz4.level", "5").compression.level_of(model::compression_kind::lz4), 5);
  EXPECT_EQ(with("compression.zstd.level", "-5").compression.level_of(model::compression_kind::zstd), -5);
  EXPECT_EQ(base.compression.level_of(model::compression_kind::zstd), 3);
}

TEST(topic_config, overrides_reach_the_store_and_survive) {
  rig r;
  EXPECT_EQ(r.create("t", 1, configs{{"retention.ms", "1234"}, {"cleanup.policy", "compact,delete"}}).error,
            refusal::none);
  EXPECT_EQ(policy(r).retention_ms, 1234);
  EXPECT_TRUE(policy(r).compact);
  EXPECT_EQ(alter(r, {{"retention.ms", op::set, "99"}}).error, refusal::none);
  EXPECT_EQ(policy(r).retention_ms, 99);
  r.restart();
  EXPECT_EQ(policy(r).retention_ms, 99);
  EXPECT_TRUE(policy(r).compact);
  r.checkpoint();
  r.restart();
  EXPECT_EQ(policy(r).retention_ms, 99);
}

TEST(topic_config, refusals_say_what_would_be_right) {
  rig r;
  for (const auto& [name, value] : configs{{"retention.ms", "-2"},
                                           {"retention.ms", "1e3"},
                                           {"cleanup.policy", "shred"},
                                           {"cleanup.policy", ""},
                                           {"compression.type", "none"},
                                           {"compression.gzip.level", "0"},
                                           {"compression.lz4.level", "18"},
                                           {"compression.zstd.level", "23"},
                                           {"remote.storage.enable", "true"},
                                           {"preallocate", "true"},
                                           {"flush.messages", "0"},
                                           {"leader.replication.throttled.replicas", "0"},
                                           {"message.downconversion.enable", "true"},  // gone since Kafka 4.0
                                           {"min.insync.replicas", "2"},
                                           {"segment.bytes", "1048575"},
                                           {"min.cleanable.dirty.ratio", "1.5"},
                                           {"no.such.key", "1"}}) {
    const auto made = r.create("t", 1, configs{{name, value}});
    EXPECT_EQ(made.error, refusal::invalid_config) << name;
    EXPECT_NE(made.detail.find(name), std::string::npos) << made.detail;
  }
  EXPECT_EQ(r.create("t", 1, configs{{"retention.ms", std::nullopt}}).error, refusal::invalid_config);
  EXPECT_EQ(r.create("t", 1, configs{{"retention.ms", "1"}, {"retention.ms", "2"}}).error, refusal::invalid_config);
}

// What holds anyway is taken, kept and shown where it was set, and nowhere else.
TEST(topic_config, values_that_hold_anyway_are_kept_for_their_topic) {
  const configs good{{"file.delete.delay.ms", "10000"},
                     {"flush.messages", "1"},
                     {"flush.ms", "0"},
                     {"follower.replication.throttled.replicas", "0:1,1:1"},
                     {"index.interval.bytes", "4096"},
                     {"leader.replication.throttled.replicas", "*"},
                     {"local.retention.bytes", "-2"},
                     {"local.retention.ms", "1000"},
                     {"preallocate", "false"},
                     {"remote.log.copy.disable", "false"},
                     {"remote.log.delete.on.disable", "false"},
                     {"remote.storage.enable", "false"},
                     {"segment.index.bytes", "10485760"},
                     {"segment.jitter.ms", "5"},
                     {"unclean.leader.election.enable", "true"}};
  ASSERT_EQ(good.size(), kept_configs().size());
  rig r;
  r.create("other");
  EXPECT_EQ(r.create("t", 1, good).error, refusal::none);
  r.restart();
  for (const auto& [name, value] : good) {
    EXPECT_EQ(show(r, name).value, *value) << name;
    EXPECT_EQ(show(r, name).from, source::topic_override);
    EXPECT_FALSE(check_topic_config(name, "rubbish")) << name;
    EXPECT_EQ(find_topic_config(name), nullptr) << name;
  }
  model::describe_configs c;
  c.items.push_back({model::config_resource::topic, "other", {}});
  c.items.push_back({model::config_resource::topic, "t", {}});
  const auto out = r.ask<model::configs_described>(c);
  EXPECT_EQ(out.items[0].configs.size(), topic_config_table().size());
  EXPECT_EQ(out.items[1].configs.size(), topic_config_table().size() + good.size());
  EXPECT_EQ(alter(r, {{"leader.replication.throttled.replicas", op::set, "0:1"}}).error, refusal::none);
  EXPECT_EQ(alter(r, {{"leader.replication.throttled.replicas", op::append, "1:1"}}).error, refusal::none);
  EXPECT_EQ(*show(r, "leader.replication.throttled.replicas").value, "0:1,1:1");
  EXPECT_EQ(alter(r, {{"leader.replication.throttled.replicas", op::append, "x"}}).error, refusal::invalid_config);
  EXPECT_EQ(alter(r, {{"flush.ms", op::append, "1"}}).error, refusal::invalid_config);
  for (const auto& [name, value] : good) EXPECT_EQ(alter(r, {{name, op::remove, {}}}).error, refusal::none);
  model::describe_configs again;
  again.items.push_back({model::config_resource::topic, "t", {}});
  EXPECT_EQ(r.ask<model::configs_described>(again).items[0].configs.size(), topic_config_table().size());
}

TEST(topic_config, a_list_does_not_grow_without_end) {
  rig r;
  r.create("t");
  std::string list = "0:1";
  for (int i = 1; i < 650; ++i) list += "," + std::to_string(i) + ":1";
  const std::string name = "leader.replication.throttled.replicas";
  EXPECT_EQ(alter(r, {{name, op::set, list}}).error, refusal::none);
  std::string more;
  for (int i = 650; i < 750; ++i) more += (more.empty() ? "" : ",") + std::to_string(i) + ":1";
  EXPECT_EQ(alter(r, {{name, op::append, more}}).error, refusal::invalid_config);
  EXPECT_EQ(*show(r, name).value, list);
  const std::string both = list + "," + more;
  EXPECT_EQ(alter(r, {{name, op::subtract, both}}).error, refusal::invalid_config);
  EXPECT_EQ(alter(r, {{name, op::set, both}}).error, refusal::invalid_config);
  const std::string zeros(5000, '0');
  EXPECT_EQ(r.create("u", 1, {{name, both}}).error, refusal::invalid_config);
  EXPECT_EQ(r.create("u", 1, {{"retention.ms", zeros}}).error, refusal::invalid_config);
  EXPECT_EQ(r.create("u", 1, {{"retention.ms", "0"}}).error, refusal::none);
}

TEST(topic_config, both_forms_of_change) {
  rig r;
  r.create("t", 1, configs{{"retention.ms", "1"}, {"retention.bytes", "2"}});
  EXPECT_EQ(alter(r, {{"retention.ms", op::set, "10"}, {"cleanup.policy", op::append, "compact"}}).error,
            refusal::none);
  EXPECT_EQ(*show(r, "cleanup.policy").value, "delete,compact");
  EXPECT_EQ(*show(r, "retention.bytes").value, "2");
  EXPECT_EQ(alter(r, {{"cleanup.policy", op::subtract, "delete"}}).error, refusal::none);
  EXPECT_EQ(*show(r, "cleanup.policy").value, "compact");
  EXPECT_EQ(alter(r, {{"cleanup.policy", op::subtract, "compact"}}).error, refusal::invalid_config);
  EXPECT_EQ(alter(r, {{"retention.ms", op::append, "1"}}).error, refusal::invalid_config);
  EXPECT_EQ(alter(r, {{"retention.ms", op::set, std::nullopt}}).error, refusal::invalid_request);
  EXPECT_EQ(alter(r, {{"retention.ms", op::set, "1"}, {"retention.ms", op::remove, {}}}).error,
            refusal::invalid_request);
  EXPECT_EQ(alter(r, {{"retention.ms", op::set, "77"}}, false, true).error, refusal::none);
  EXPECT_EQ(*show(r, "retention.ms").value, "10");
  EXPECT_EQ(alter(r, {{"retention.ms", op::remove, {}}}).error, refusal::none);
  EXPECT_EQ(show(r, "retention.ms").from, source::default_value);
  EXPECT_EQ(alter(r, {{"segment.ms", op::set, "5"}}, true).error, refusal::none);
  EXPECT_EQ(show(r, "retention.bytes").from, source::default_value);
  EXPECT_EQ(show(r, "cleanup.policy").from, source::default_value);
  EXPECT_EQ(*show(r, "segment.ms").value, "5");
}

TEST(topic_config, describe_shows_where_a_value_comes_from) {
  settings s;
  s.log.retention_ms = 5000;
  rig r(1, s);
  r.create("t", 1, configs{{"retention.ms", "1"}});
  const auto e = show(r, "retention.ms");
  EXPECT_EQ(e.from, source::topic_override);
  EXPECT_EQ(e.kind, model::config_entry::type::int64);
  EXPECT_FALSE(e.documentation.empty());
  ASSERT_EQ(e.synonyms.size(), 3U);
  EXPECT_EQ(e.synonyms[0].from, source::topic_override);
  EXPECT_EQ(e.synonyms[1].name, "log.retention.ms");
  EXPECT_EQ(*e.synonyms[1].value, "5000");
  EXPECT_EQ(e.synonyms[1].from, source::broker_file);
  EXPECT_EQ(*e.synonyms[2].value, "604800000");
}

TEST(topic_config, the_brokers_keys_are_shown) {
  rig r;
  model::describe_configs c;
  c.items.push_back({model::config_resource::broker, "1", {}});
  c.items.push_back({model::config_resource::broker, "2", {}});
  c.items.push_back({model::config_resource::topic, "nowhere", {}});
  const auto out = r.ask<model::configs_described>(c);
  std::map<std::string, model::config_entry> by_name;
  for (const auto& e : out.items[0].configs) by_name[e.name] = e;
  for (const std::string_view key :
       {"num.partitions", "default.replication.factor", "auto.create.topics.enable", "message.max.bytes",
        "log.retention.ms", "log.retention.hours", "log.retention.bytes", "log.cleanup.policy", "log.segment.bytes"}) {
    ASSERT_TRUE(by_name.contains(std::string(key))) << key;
    EXPECT_EQ(by_name[std::string(key)].read_only, find_topic_default(key) == nullptr) << key;
  }
  EXPECT_EQ(*by_name["log.retention.hours"].value, "168");
  EXPECT_EQ(out.items[1].error, refusal::invalid_request);
  EXPECT_EQ(out.items[2].error, refusal::unknown_topic_or_partition);
  model::alter_configs a;
  a.items.push_back({model::config_resource::broker, "1", {{"num.partitions", op::set, "3"}}});
  EXPECT_EQ(r.ask<model::configs_altered>(a).items[0].error, refusal::invalid_request);
  model::alter_configs b;
  b.items.push_back({model::config_resource::broker, "1", {{"leader.replication.throttled.rate", op::remove, {}}}});
  EXPECT_EQ(r.ask<model::configs_altered>(b).items[0].error, refusal::none);
}

}  // namespace
}  // namespace weir::broker::node_testing
