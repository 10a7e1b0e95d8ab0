// What survives: every kind of state by replay and by snapshot, crashes between the records of one change, ids that never
// come twice; and a node of several reactors.
#include <gtest/gtest.h>

#include <set>

#include "broker/core_parts.h"
#include "broker/testing/rig.h"

namespace weir::broker::node_testing {
namespace {

using model::refusal;
using spec = fake_format::spec;

std::vector<byte_vector> snapshots(rig& r, std::uint32_t reactors = 1) {
  std::vector<byte_vector> out;
  for (std::uint32_t i = 0; i < reactors; ++i) {
    for (const auto s : shards_of({i, reactors, 2})) r.at(i).snapshot(s, out.emplace_back());
  }
  return out;
}

spec idempotent(std::int64_t id, std::int32_t first) {
  spec s;
  s.producer_id = id;
  s.producer_epoch = 1;
  s.first_sequence = first;
  return s;
}

// Something of every kind of state that there is.
void fill(rig& r) {
  r.create("a", 3, {{"retention.ms", "5"}});
  r.create("b", 2);
  r.create("gone", 2);
  model::grow_topics g;
  g.topics.push_back({"b", 4, {}});
  r.ask<model::topics_grown>(g);
  model::alter_configs alter;
  alter.items.push_back(
      {model::config_resource::topic, "b", {{"segment.ms", model::alter_configs::op::set, "7"}}, false});
  alter.items.push_back({model::config_resource::broker,
                         "",
                         {{"log.retention.bytes", model::alter_configs::op::set, "12345"},
                          {"background.threads", model::alter_configs::op::set, "9"}},
                         false});
  alter.items.push_back({model::config_resource::broker,
                         "1",
                         {{"leader.replication.throttled.rate", model::alter_configs::op::set, "77"}},
                         false});
  for (const auto& i : r.ask<model::configs_altered>(alter).items) EXPECT_EQ(i.error, refusal::none) << i.detail;
  model::delete_topics d;
  d.topics.push_back({"gone", {}});
  r.ask<model::topics_deleted>(d);
  for (std::int32_t p = 0; p < 3; ++p) {
    for (std::int32_t i = 0; i < 7; ++i) r.put("a", p, idempotent(p + 10, i));
  }
  r.put("b", 3, {});
  model::delete_records trim;
  trim.items.push_back({{"a", {}}, 0, model::offset(2)});
  r.ask<model::records_deleted>(trim);
  r.ask<model::producer_ready>(model::init_producer{});
  model::commit_offsets commit;
  commit.group = "g";
  commit.items.push_back({{"a", {}}, 1, model::offset(4), model::epoch(0), "note"});
  EXPECT_EQ(r.ask<model::offsets_committed>(commit).items.at(0), refusal::none);
}

// State of another start is the same but for the start itself, so what is compared is two ways to the same start.
TEST(state, replay_and_snapshot_give_the_same) {
  std::vector<std::vector<byte_vector>> ends;
  for (const int way : {0, 1, 2}) {
    rig r;
    if (way == 2) r.checkpoint();
    fill(r);
    if (way == 1) r.checkpoint();
    r.restart();
    ends.push_back(snapshots(r));
  }
  EXPECT_EQ(ends[0], ends[1]);
  EXPECT_EQ(ends[0], ends[2]);
  EXPECT_GT(ends[0][0].size(), 300U);
}

TEST(state, a_restored_snapshot_is_the_snapshot) {
  rig r;
  fill(r);
  const auto before = snapshots(r);
  settings s;
  hand_clock time;
  hand_executor exec(time);
  counting_rng random;
  core_parts copy(layout{0, 1, 2}, core_deps{s, exec, time, random, r.formats});
  for (std::size_t i = 0; i < before.size(); ++i) {
    ASSERT_TRUE(copy.state.restore(model::shard_id(i), before[i]));
  }
  for (std::size_t i = 0; i < before.size(); ++i) {
    byte_vector again;
    copy.state.snapshot(model::shard_id(i), again);
    EXPECT_EQ(again, before[i]) << i;
  }
}

// Version 2 had no configuration of the broker.
TEST(state, a_snapshot_of_the_version_before_is_read) {
  rig r;
  const auto now = snapshots(r)[0];
  constexpr std::ptrdiff_t broker_values = 1 + 4 + 4 + 8;  // behind version, no partitions, node epoch, next log
  byte_vector before = now;
  before[0] = std::byte{2};
  before.erase(before.begin() + broker_values, before.begin() + broker_values + 4);
  settings s;
  hand_clock time;
  hand_executor exec(time);
  counting_rng random;
  core_parts copy(layout{0, 1, 2}, core_deps{s, exec, time, random, r.formats});
  ASSERT_TRUE(copy.state.restore(model::shard_id(0), before));
  byte_vector again;
  copy.state.snapshot(model::shard_id(0), again);
  EXPECT_EQ(again, now);
}

TEST(state, damaged_snapshots_are_refused_whatever_is_cut) {
  rig r;
  fill(r);
  const auto whole = snapshots(r)[0];
  settings s;
  hand_clock time;
  hand_executor exec(time);
  counting_rng random;
  std::size_t refused = 0;
  for (std::size_t n = 0; n < whole.size(); ++n) {
    core_parts copy(layout{0, 1, 2}, core_deps{s, exec, time, random, r.formats});
    if (!copy.state.restore(model::shard_id(0), bytes(whole).first(n))) ++refused;
  }
  EXPECT_EQ(refused, whole.size());
}

TEST(state, a_second_topic_of_one_name_or_id_is_damage) {
  const auto topic_of = [](std::string name, std::uint8_t id) {
    auto t = std::make_shared<topic>();
    t->name = std::move(name);
    t->id.data[0] = id;
    return t;
  };
  const auto record_of = [](const std::vector<topic_ptr>& topics) {
    byte_vector out;
    write_topics_created(topics, out);
    return out;
  };
  const topic_ptr a = topic_of("a", 1);
  const topic_ptr same_name = topic_of("a", 2);
  const topic_ptr same_id = topic_of("b", 1);
  const settings config;
  catalog c(config);
  const auto kind = catalog_kind::topics_created;
  EXPECT_FALSE(c.read(kind, record_of({a, same_name})).has_value());
  EXPECT_FALSE(c.read(kind, record_of({a, same_id})).has_value());
  const auto change = c.read(kind, record_of({a}));
  ASSERT_TRUE(change.has_value());
  c.adopt(*change);
  EXPECT_FALSE(c.read(kind, record_of({same_name})).has_value());
  EXPECT_FALSE(c.read(kind, record_of({same_id})).has_value());
  EXPECT_TRUE(c.read(kind, record_of({topic_of("b", 2)})).has_value());
}

TEST(state, what_was_acknowledged_is_there_after_a_crash_and_what_was_not_may_be_gone) {
  rig r;
  fill(r);
  model::create_topics c;
  c.topics.emplace_back().name = "unsynced";
  r.send(c);
  r.restart();
  const auto all = r.ask<model::topics_described>(model::describe_topics{});
  ASSERT_EQ(all.topics.size(), 2U);
  EXPECT_EQ(all.topics[1].partitions, 4);
  EXPECT_EQ(r.get("a", 2, 0).data.entries.size(), 7U);
  EXPECT_EQ(r.get("a", 0, 2).log_start.raw(), 2);
  model::fetch_offsets f;
  f.group = "g";
  const auto offsets = r.ask<model::offsets_fetched>(f);
  ASSERT_EQ(offsets.items.size(), 1U);
  EXPECT_EQ(offsets.items[0].at.raw(), 4);
  EXPECT_EQ(offsets.items[0].metadata, "note");
}

// A change is a record of shard 0 and records of the shards with its logs: a crash may come after each of them.
TEST(state, a_crash_between_the_records_of_one_change_is_mended) {
  for (std::uint64_t kept = 0; kept <= 3; ++kept) {
    rig r;
    r.create("old", 4);
    const std::uint64_t from = r.store().last_ticket().raw();
    model::create_topics c;
    c.topics.emplace_back().name = "new";
    c.topics.back().partitions = 4;
    r.send(c);
    r.store().sync_to(std::min(from + kept, r.store().last_ticket().raw()));
    r.restart();
    const auto all = r.ask<model::topics_described>(model::describe_topics{});
    EXPECT_EQ(all.topics.size(), kept == 0 ? 1U : 2U) << kept;
    EXPECT_EQ(r.at().stats().partitions, kept == 0 ? 4U : 8U) << kept;
    for (std::int32_t p = 0; p < 4 && kept > 0; ++p) EXPECT_EQ(r.put("new", p, {}).base.raw(), 0) << kept;

    const std::uint64_t then = r.store().last_ticket().raw();
    model::delete_topics d;
    d.topics.push_back({"old", {}});
    r.send(d);
    r.store().sync_to(std::min(then + kept, r.store().last_ticket().raw()));
    r.restart();
    const std::size_t news = kept == 0 ? 0 : 4;
    EXPECT_EQ(r.at().stats().partitions, kept == 0 ? news + 4 : news) << kept;
    EXPECT_EQ(r.put("old", 0, {}).error, kept == 0 ? refusal::none : refusal::unknown_topic_or_partition) << kept;
  }
}

TEST(state, log_ids_are_never_used_again) {
  rig r;
  std::set<std::uint64_t> seen;
  const auto note = [&] {
    for (const auto& [log, p] : r.store().policies) seen.insert(log.raw());
    r.store().policies.clear();
  };
  for (int round = 0; round < 3; ++round) {
    r.create("t", 3);
    const std::size_t before = seen.size();
    note();
    EXPECT_EQ(seen.size(), before + 3) << round;
    model::delete_topics d;
    d.topics.push_back({"t", {}});
    r.ask<model::topics_deleted>(d);
    if (round == 1) r.checkpoint();
    r.restart();
  }
}

TEST(state, producer_ids_never_come_twice) {
  rig r;
  std::set<std::int64_t> ids;
  const auto take = [&](int n) {
    for (int i = 0; i < n; ++i) {
      const auto p = r.ask<model::producer_ready>(model::init_producer{});
      EXPECT_EQ(p.producer_epoch, 0);
      EXPECT_TRUE(ids.insert(p.producer_id).second) << p.producer_id;
    }
  };
  take(3);
  const std::uint64_t unsynced = r.send(model::init_producer{});
  EXPECT_TRUE(r.me.has(unsynced));  // its block is durable long since
  ids.insert(r.me.get<model::producer_ready>(unsynced).producer_id);
  r.restart();
  const std::uint64_t waits = r.send(model::init_producer{});
  EXPECT_FALSE(r.me.has(waits));  // a new block
  r.settle();
  EXPECT_TRUE(ids.insert(r.me.get<model::producer_ready>(waits).producer_id).second);
  take(1100);
  r.checkpoint();
  r.restart();
  take(2);
  model::init_producer transactional;
  transactional.transactional_id = "x";
  EXPECT_EQ(r.ask<model::producer_ready>(transactional).error, refusal::unsupported);
}

TEST(state, describe_producers_and_log_dirs) {
  settings s;
  s.data_folder = "/data";
  rig r(1, s);
  fill(r);
  model::describe_producers c;
  c.items.push_back({{"a", {}}, 1});
  c.items.push_back({{"a", {}}, 9});
  const auto out = r.ask<model::producers_described>(c);
  ASSERT_EQ(out.items[0].producers.size(), 1U);
  EXPECT_EQ(out.items[0].producers[0].last.producer_id, 11);
  EXPECT_EQ(out.items[0].producers[0].last.last_sequence, 6);
  EXPECT_EQ(out.items[1].error, refusal::unknown_topic_or_partition);
  const auto dirs = r.ask<model::log_dirs_described>(model::describe_log_dirs{});
  EXPECT_EQ(dirs.folder, "/data");
  EXPECT_EQ(dirs.partitions.size(), 7U);
  EXPECT_GT(dirs.partitions[0].size_bytes, 0);
}

TEST(state, a_deleted_topics_offsets_are_forgotten) {
  rig r;
  fill(r);
  model::delete_topics d;
  d.topics.push_back({"a", {}});
  r.ask<model::topics_deleted>(d);
  r.create("a", 3);
  model::fetch_offsets f;
  f.group = "g";
  EXPECT_TRUE(r.ask<model::offsets_fetched>(f).items.empty());
}

// ---- several reactors -------------------------------------------------------------------------------------------------

TEST(reactors, everything_works_through_every_one_of_them) {
  rig r(3);
  fill(r);
  for (std::uint32_t at = 0; at < 3; ++at) {
    client c;
    const auto s = r.port(at).attach(c, r.who);
    const byte_vector e = fake_format::make({});
    model::produce put;
    for (std::int32_t p = 0; p < 4; ++p) put.items.push_back({{"b", {}}, p, model::format_tag::kafka_batch_v2, e});
    put.items.push_back({{"nowhere", {}}, 0, model::format_tag::kafka_batch_v2, e});
    r.port(at).submit(s, model::token(1), model::command(put));
    r.settle();
    const auto& written = c.get<model::produced>(1);
    for (std::int32_t p = 0; p < 4; ++p) {
      EXPECT_EQ(written.items[static_cast<std::size_t>(p)].error, refusal::none);
      EXPECT_EQ(written.items[static_cast<std::size_t>(p)].base.raw(), at + (p == 3 ? 1 : 0));
    }
    EXPECT_EQ(written.items[4].error, refusal::unknown_topic_or_partition);

    model::fetch get = rig::fetch_of("b", 0, 0);
    for (std::int32_t p = 1; p < 4; ++p) get.items.push_back(rig::fetch_of("b", p, 0).items[0]);
    r.port(at).submit(s, model::token(2), model::command(get));
    model::list_offsets list;
    for (std::int32_t p = 0; p < 4; ++p) {
      list.items.push_back({{"b", {}}, p, model::epoch(-1), model::offset_spec::latest, 0});
    }
    r.port(at).submit(s, model::token(3), model::command(list));
    r.port(at).submit(s, model::token(4), model::describe_topics{});
    model::fetch_offsets offsets;
    offsets.group = "g";
    r.port(at).submit(s, model::token(5), model::command(offsets));
    r.port(at).submit(s, model::token(6), model::list_groups{});
    r.port(at).submit(s, model::token(7), model::describe_log_dirs{});
    model::describe_groups groups;
    groups.groups = {"g", "h", "i"};
    r.port(at).submit(s, model::token(8), model::command(groups));
    r.settle();
    for (std::size_t p = 0; p < 4; ++p) {
      EXPECT_EQ(c.get<model::fetched>(2).items[p].data.entries.size(), at + (p == 3 ? 2U : 1U));
      EXPECT_EQ(c.get<model::offsets_listed>(3).items[p].at.raw(), at + (p == 3 ? 2 : 1));
    }
    EXPECT_EQ(c.get<model::topics_described>(4).topics.size(), 2U);
    ASSERT_EQ(c.get<model::offsets_fetched>(5).items.size(), 1U);
    EXPECT_EQ(c.get<model::offsets_fetched>(5).items[0].at.raw(), 4);
    EXPECT_EQ(c.get<model::groups_listed>(6).groups.size(), 1U);
    EXPECT_EQ(c.get<model::log_dirs_described>(7).partitions.size(), 7U);
    EXPECT_EQ(c.get<model::groups_described>(8).groups.at(0).id, "g");
    EXPECT_EQ(c.get<model::groups_described>(8).groups.at(2).id, "i");
    r.port(at).detach(s);
  }
}

TEST(reactors, a_new_topic_is_known_and_usable_everywhere_when_it_is_answered) {
  rig r(3);
  client c;
  const auto s = r.port(2).attach(c, r.who);
  model::describe_topics d;
  d.topics.emplace().push_back({"fresh", {}});
  d.auto_create = true;
  r.port(2).submit(s, model::token(1), model::command(d));
  for (int i = 0; i < 50 && !c.has(1); ++i) {
    r.exec->run_for(0);
    for (auto& store : r.stores) store->sync();
  }
  ASSERT_EQ(c.get<model::topics_described>(1).topics.at(0).error, refusal::none);
  for (std::uint32_t at = 0; at < 3; ++at) {
    client other;
    const auto o = r.port(at).attach(other, r.who);
    r.port(at).submit(o, model::token(1), rig::fetch_of("fresh", 0, 0));
    r.settle();
    EXPECT_EQ(other.get<model::fetched>(1).items[0].error, refusal::none) << at;
    r.port(at).detach(o);
  }
}

// Whatever reactors the data comes to: answered with the byte that makes the whole, and not before.
TEST(reactors, the_least_size_of_a_long_poll_is_that_of_all_parts_together) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    rig r(3);
    r.create("t", 6);
    testing::counting_rng random(seed);
    const auto pick = [&](std::uint64_t below) { return static_cast<std::size_t>(random.next() % below); };
    std::vector<fake_format::spec> specs(4);
    for (auto& s : specs) s.padding = pick(400);
    model::fetch f = rig::fetch_of("t", 0, 0, 60'000);
    for (std::int32_t p = 1; p < 6; ++p) f.items.push_back(rig::fetch_of("t", p, 0).items[0]);
    const std::size_t wanted = 1 + pick(3000);
    f.bytes_min = static_cast<std::int64_t>(wanted);
    const std::uint64_t poll = r.send(f);
    r.settle();
    std::size_t total = 0;
    // By turns everywhere, nearly all in one place, or at random.
    for (std::size_t i = 0; total < wanted; ++i) {
      ASSERT_FALSE(r.me.has(poll)) << "seed " << seed << ": " << total << " of " << wanted;
      const auto& s = specs[pick(specs.size())];
      const auto p = seed % 3 == 0 ? i % 6 : seed % 3 == 1 ? (i % 9 == 8 ? 4 : 1) : pick(6);
      ASSERT_EQ(r.put("t", static_cast<std::int32_t>(p), s).error, refusal::none);
      total += fake_format::make(s).size();
    }
    ASSERT_TRUE(r.me.has(poll)) << "seed " << seed << ": " << total << " of " << wanted;
    std::size_t got = 0;
    for (const auto& item : r.me.get<model::fetched>(poll).items) got += item.data.payload_bytes;
    EXPECT_EQ(got, total);
    for (std::uint32_t at = 0; at < 3; ++at) EXPECT_EQ(r.at(at).stats().fetches_waiting, 0U) << at;
  }
}

// A part that is still reading when the others have enough answers as soon as it has read.
TEST(reactors, a_slow_read_does_not_outwait_the_others) {
  rig r(3);
  r.create("t", 6);
  fake_format::spec small;
  fake_format::spec large;
  large.padding = 2000;
  for (std::int32_t p = 0; p < 6; ++p) r.put("t", p, p == 0 ? large : small);
  for (auto& s : r.stores) s->reads_later = true;
  model::fetch f = rig::fetch_of("t", 0, 0, 60'000);
  for (std::int32_t p = 1; p < 6; ++p) f.items.push_back(rig::fetch_of("t", p, 0).items[0]);
  f.bytes_min = 1000;
  const std::uint64_t poll = r.send(f);
  r.settle();
  ASSERT_TRUE(r.me.has(poll));
  for (const auto& item : r.me.get<model::fetched>(poll).items) EXPECT_EQ(item.data.entries.size(), 1U);
}

TEST(reactors, a_long_poll_over_several_wakes_on_any) {
  rig r(3);
  r.create("t", 6);
  model::fetch f = rig::fetch_of("t", 0, 0, 60'000);
  for (std::int32_t p = 1; p < 6; ++p) f.items.push_back(rig::fetch_of("t", p, 0).items[0]);
  const std::uint64_t poll = r.send(f);
  r.settle();
  EXPECT_FALSE(r.me.has(poll));
  r.put("t", 5, {});
  ASSERT_TRUE(r.me.has(poll));
  EXPECT_EQ(r.me.get<model::fetched>(poll).items[5].data.entries.size(), 1U);
  for (std::uint32_t at = 0; at < 3; ++at) EXPECT_EQ(r.at(at).stats().fetches_waiting, 0U) << at;
  const std::uint64_t refused = r.send(rig::fetch_of("t", 0, 7, 0));
  r.settle();
  EXPECT_EQ(r.me.get<model::fetched>(refused).items[0].error, refusal::offset_out_of_range);
}

TEST(reactors, polls_of_a_session_that_went_away_are_dropped_everywhere) {
  rig r(3);
  r.create("t", 6);
  model::fetch f = rig::fetch_of("t", 0, 0, 60'000);
  for (std::int32_t p = 1; p < 6; ++p) f.items.push_back(rig::fetch_of("t", p, 0).items[0]);
  r.send(f);
  r.settle();
  r.port().detach(r.session);
  r.settle();
  for (std::uint32_t at = 0; at < 3; ++at) EXPECT_EQ(r.at(at).stats().fetches_waiting, 0U) << at;
}

TEST(reactors, the_total_cap_holds_over_all_of_them) {
  rig r(3);
  r.create("t", 6);
  spec s;
  s.padding = 100;
  const auto size = static_cast<std::int64_t>(fake_format::make(s).size());
  for (std::int32_t p = 0; p < 6; ++p) {
    for (int i = 0; i < 3; ++i) r.put("t", p, s);
  }
  model::fetch f = rig::fetch_of("t", 0, 0);
  for (std::int32_t p = 1; p < 6; ++p) f.items.push_back(rig::fetch_of("t", p, 0).items[0]);
  f.bytes_max = size * 4;
  const auto got = r.ask<model::fetched>(f);
  std::size_t entries = 0;
  for (const auto& i : got.items) entries += i.data.entries.size();
  EXPECT_EQ(entries, 4U);
  f.bytes_max = 1;
  const auto one = r.ask<model::fetched>(f);
  entries = 0;
  for (const auto& i : one.items) entries += i.data.entries.size();
  EXPECT_EQ(entries, 1U);
}

TEST(reactors, the_brokers_own_cap_holds_over_all_of_them) {
  spec s;
  s.padding = 100;
  settings config;
  config.fetch_max_bytes = static_cast<std::int64_t>(fake_format::make(s).size()) * 4;
  rig r(3, config);
  r.create("t", 6);
  model::fetch f = rig::fetch_of("t", 0, 0);
  for (std::int32_t p = 0; p < 6; ++p) {
    for (int i = 0; i < 3; ++i) r.put("t", p, s);
    if (p > 0) f.items.push_back(rig::fetch_of("t", p, 0).items[0]);
  }
  std::size_t entries = 0;
  for (const auto& i : r.ask<model::fetched>(f).items) entries += i.data.entries.size();
  EXPECT_EQ(entries, 4U);
}

TEST(reactors, acks_none_leaves_nothing_behind_and_every_failure_is_told) {
  rig r(3);
  r.create("t", 6);
  const byte_vector e = fake_format::make({});
  model::produce all;
  all.wait = model::produce::acks::none;
  for (std::int32_t p = 0; p < 6; ++p) all.items.push_back({{"t", {}}, p, model::format_tag::kafka_batch_v2, e});
  for (int i = 0; i < 10; ++i) {
    const std::uint64_t silent = r.send(all);
    r.settle();
    EXPECT_FALSE(r.me.has(silent));
  }
  EXPECT_EQ(r.at().stats().gatherings, 0U);
  EXPECT_EQ(r.get("t", 5, 0).high_watermark.raw(), 10);
  // Whichever reactor refuses its part.
  byte_vector bad = e;
  bad[0] = std::byte{0};
  for (std::size_t p = 0; p < 6; ++p) {
    model::produce one = all;
    one.items[p].entry = bad;
    const std::uint64_t loud = r.send(one);
    r.settle();
    ASSERT_TRUE(r.me.has(loud)) << p;
    EXPECT_EQ(r.me.get<model::produced>(loud).items[p].error, refusal::corrupt_message);
  }
  EXPECT_EQ(r.at().stats().gatherings, 0U);
}

TEST(reactors, survive_a_crash_that_each_store_remembers_differently) {
  rig r(3);
  fill(r);
  model::create_topics c;
  c.topics.emplace_back().name = "half";
  c.topics.back().partitions = 12;
  r.send(c);
  r.store(0).sync();
  r.exec->run_for(0);
  r.store(1).sync();  // store 2 never writes its logs of the topic
  r.restart();
  EXPECT_EQ(r.ask<model::topics_described>(model::describe_topics{}).topics.size(), 3U);
  for (std::int32_t p = 0; p < 12; ++p) EXPECT_EQ(r.put("half", p, {}).error, refusal::none) << p;
  EXPECT_EQ(r.get("a", 2, 0).data.entries.size(), 7U);
}

TEST(reactors, what_is_on_its_way_to_another_is_counted_and_pauses_publishers) {
  settings config;
  config.limits.forwarded_bytes = 64 << 10;
  rig r(2, config);
  r.create("t", 8);
  const byte_vector entry = fake_format::make({.padding = 20'000});
  std::size_t before = 0;
  for (std::int32_t round = 0; round < 100 && !r.me.paused; ++round) {
    r.send(rig::produce_of("t", round % 8, entry));
    EXPECT_GE(r.at(0).stats().forwarded_bytes, before);
    before = r.at(0).stats().forwarded_bytes;
  }
  EXPECT_TRUE(r.me.paused);
  EXPECT_GT(before, config.limits.forwarded_bytes);
  EXPECT_LT(before, config.limits.forwarded_bytes + 2 * entry.size());
  r.settle();
  EXPECT_FALSE(r.me.paused);
  EXPECT_EQ(r.at(0).stats().forwarded_bytes, 0U);
}

TEST(reactors, pressure_of_one_store_pauses_publishers_of_all) {
  rig r(3);
  r.create("t", 6);
  const byte_vector e = fake_format::make({});
  for (std::int32_t p = 0; p < 6; ++p) r.send(rig::produce_of("t", p, e));
  r.settle();
  for (std::uint32_t at = 0; at < 3; ++at) r.store(at).set_room(errc::busy);
  std::vector<std::uint64_t> waiting;
  for (std::int32_t p = 0; p < 6; ++p) waiting.push_back(r.send(rig::produce_of("t", p, e)));
  r.settle();
  EXPECT_TRUE(r.me.paused);
  r.store(0).set_room(errc::ok);
  r.settle();
  EXPECT_TRUE(r.me.paused);
  for (std::uint32_t at = 1; at < 3; ++at) r.store(at).set_room(errc::ok);
  r.settle();
  EXPECT_FALSE(r.me.paused);
  for (const auto t : waiting) EXPECT_EQ(r.me.get<model::produced>(t).items[0].base.raw(), 1);
}

}  // namespace
}  // namespace weir::broker::node_testing
