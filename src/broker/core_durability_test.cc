// weir.durability: what an answer waits for, what readers see, and what a crash may take (docs/decisions/0007).
#include <gtest/gtest.h>

#include "broker/testing/rig.h"
#include "broker/topic_config.h"

namespace weir::broker::node_testing {
namespace {

using model::refusal;
using op = model::alter_configs::op;
using spec = fake_format::spec;

spec by(std::int64_t producer, std::int32_t first) {
  spec s;
  s.producer_id = producer;
  s.producer_epoch = 0;
  s.first_sequence = first;
  return s;
}

// What the disk has is moved by hand: nothing here may settle before it is told to.
std::uint64_t produce(rig& r, std::string_view topic, const spec& s = {}, std::int32_t partition = 0) {
  const byte_vector e = fake_format::make(s);
  return r.send(rig::produce_of(topic, partition, e));
}
model::produced::item now(rig& r, std::string_view topic, const spec& s = {}) {
  const std::uint64_t t = produce(r, topic, s);
  WEIR_ASSERT(r.me.has(t));
  return r.me.get<model::produced>(t).items.at(0);
}
model::alter_configs change(std::string_view topic, std::string_view level) {
  model::alter_configs c;
  c.items.push_back({model::config_resource::topic, topic, {{"weir.durability", op::set, level}}, false});
  return c;
}
std::int64_t listed(rig& r, std::string_view topic, model::offset_spec what = model::offset_spec::latest) {
  model::list_offsets c;
  c.items.push_back({{topic, {}}, 0, model::epoch(-1), what, 0});
  const std::uint64_t t = r.send(c);
  WEIR_ASSERT(r.me.has(t));
  return r.me.get<model::offsets_listed>(t).items.at(0).at.raw();
}
std::pair<std::int32_t, std::int64_t> end_of(rig& r, std::string_view topic, std::int32_t epoch) {
  model::epoch_ends c;
  c.items.push_back({{topic, {}}, 0, model::epoch(-1), model::epoch(epoch)});
  const auto i = r.ask<model::epoch_ends_found>(c).items.at(0);
  return {i.found.raw(), i.end.raw()};
}

TEST(durability, async_is_answered_from_memory_and_the_others_from_disk) {
  rig r;
  r.create("async", 1, {{"weir.durability", "async"}});
  r.create("sync", 1, {{"weir.durability", "sync"}});
  r.create("replicated", 1, {{"weir.durability", "replicated"}});
  r.create("plain");
  EXPECT_EQ(now(r, "async").base.raw(), 0);
  EXPECT_EQ(now(r, "async").base.raw(), 1);
  std::vector<std::uint64_t> wait;
  for (const auto* t : {"sync", "replicated", "plain"}) wait.push_back(produce(r, t));
  for (const auto t : wait) EXPECT_FALSE(r.me.has(t));
  EXPECT_EQ(now(r, "async").base.raw(), 2);  // others that wait are no reason to wait
  r.store().sync();
  for (const auto t : wait) EXPECT_EQ(r.me.get<model::produced>(t).items.at(0).base.raw(), 0);
}

TEST(durability, one_sync_item_makes_the_whole_answer_wait) {
  rig r;
  r.create("async", 8, {{"weir.durability", "async"}});
  r.create("sync", 8);
  const byte_vector e = fake_format::make({});
  for (const bool sync_first : {true, false}) {
    model::produce p;
    for (std::int32_t i = 0; i < 8; ++i) {
      p.items.push_back({{"async", {}}, i, model::format_tag::kafka_batch_v2, e});
    }
    const model::produce::item one{{"sync", {}}, 3, model::format_tag::kafka_batch_v2, e};
    p.items.insert(sync_first ? p.items.begin() : p.items.end(), one);
    const std::uint64_t t = r.send(p);
    EXPECT_FALSE(r.me.has(t));
    r.store().sync();
    EXPECT_TRUE(r.me.has(t));
  }
}

// The topic itself, and that it is async, is what the answer observed.
TEST(durability, async_waits_for_what_made_it_so) {
  rig r;
  r.create("t");
  const std::uint64_t changed = r.send(change("t", "async"));
  const std::uint64_t put = produce(r, "t");
  const std::uint64_t got = r.send(rig::fetch_of("t", 0, 0));
  EXPECT_FALSE(r.me.has(put));
  EXPECT_FALSE(r.me.has(got));
  r.store().sync_to(r.store().last_ticket().raw() - 1);
  EXPECT_TRUE(r.me.has(changed));
  EXPECT_TRUE(r.me.has(put));
  EXPECT_EQ(r.me.get<model::fetched>(got).items.at(0).data.entries.size(), 1U);
}

TEST(durability, readers_of_async_see_all_and_agree) {
  rig r;
  r.create("async", 1, {{"weir.durability", "async"}});
  r.create("sync");
  now(r, "async", {{300, 100}});
  now(r, "async", {{400}});
  produce(r, "sync");
  model::fetch f = rig::fetch_of("async", 0, 0);
  f.items.push_back(rig::fetch_of("sync", 0, 0).items[0]);
  const std::uint64_t t = r.send(f);
  ASSERT_TRUE(r.me.has(t));
  const auto& got = r.me.get<model::fetched>(t);
  EXPECT_EQ(got.items[0].data.entries.size(), 2U);
  EXPECT_EQ(got.items[0].high_watermark.raw(), 3);
  EXPECT_EQ(got.items[0].last_stable.raw(), 3);
  EXPECT_TRUE(got.items[1].data.entries.empty());
  EXPECT_EQ(got.items[1].high_watermark.raw(), 0);
  EXPECT_EQ(listed(r, "async"), 3);
  EXPECT_EQ(listed(r, "async", model::offset_spec::max_timestamp), 2);
  EXPECT_EQ(listed(r, "async", model::offset_spec::at_time), 0);
  EXPECT_EQ(listed(r, "sync"), 0);
  EXPECT_EQ(listed(r, "sync", model::offset_spec::at_time), -1);
}

TEST(durability, what_a_partition_remembers_of_producers_is_told_at_its_level) {
  rig r;
  r.create("async", 1, {{"weir.durability", "async"}});
  r.create("sync");
  now(r, "async", by(7, 0));
  produce(r, "sync", by(7, 0));
  model::describe_producers d;
  d.items.push_back({{"async", {}}, 0});
  const std::uint64_t first = r.send(d);
  d.items.push_back({{"sync", {}}, 0});
  const std::uint64_t both = r.send(d);
  ASSERT_TRUE(r.me.has(first));
  EXPECT_EQ(r.me.get<model::producers_described>(first).items[0].producers.size(), 1U);
  EXPECT_FALSE(r.me.has(both));
  r.store().sync();
  EXPECT_TRUE(r.me.has(both));
}

TEST(durability, a_long_poll_wakes_at_the_append_and_counts_it_once) {
  for (const std::uint32_t reactors : {1U, 3U}) {
    rig r(reactors);
    r.create("async", 6, {{"weir.durability", "async"}});
    const std::size_t size = fake_format::make({}).size();
    model::fetch f = rig::fetch_of("async", 0, 0, 60'000);
    for (std::int32_t i = 1; i < 6; ++i) f.items.push_back(rig::fetch_of("async", i, 0).items[0]);
    f.bytes_min = static_cast<std::int64_t>(size * 2);
    const std::uint64_t poll = r.send(f);
    r.exec->run_for(0);
    const std::uint64_t put = produce(r, "async", {}, 4);
    r.exec->run_for(0);
    EXPECT_TRUE(r.me.has(put)) << reactors;
    EXPECT_FALSE(r.me.has(poll)) << reactors;
    r.settle();  // on disk now: no news
    EXPECT_FALSE(r.me.has(poll)) << reactors;
    produce(r, "async", {}, 5);
    r.exec->run_for(0);
    ASSERT_TRUE(r.me.has(poll)) << reactors;
    EXPECT_EQ(r.me.get<model::fetched>(poll).items[4].data.entries.size(), 1U);
    EXPECT_EQ(r.me.get<model::fetched>(poll).items[5].data.entries.size(), 1U);
  }
}

TEST(durability, an_answer_from_several_reactors_waits_for_its_sync_part) {
  rig r(3);
  r.create("async", 6, {{"weir.durability", "async"}});
  r.create("sync", 6);
  const byte_vector e = fake_format::make({});
  model::produce p;
  for (std::int32_t i = 0; i < 6; ++i) p.items.push_back({{"async", {}}, i, model::format_tag::kafka_batch_v2, e});
  const std::uint64_t only_async = r.send(p);
  p.items.push_back({{"sync", {}}, 5, model::format_tag::kafka_batch_v2, e});
  const std::uint64_t mixed = r.send(p);
  r.exec->run_for(0);
  EXPECT_TRUE(r.me.has(only_async));
  EXPECT_FALSE(r.me.has(mixed));
  r.settle();
  EXPECT_EQ(r.me.get<model::produced>(mixed).items[0].base.raw(), 1);
}

TEST(durability, duplicates_are_known_while_running_and_lost_with_their_records) {
  rig r;
  r.create("t", 1, {{"weir.durability", "async"}});
  EXPECT_EQ(now(r, "t", by(5, 0)).base.raw(), 0);
  r.store().sync();
  EXPECT_EQ(now(r, "t", by(5, 1)).base.raw(), 1);
  EXPECT_EQ(now(r, "t", by(5, 1)).base.raw(), 1);
  EXPECT_EQ(now(r, "t", by(5, 3)).error, refusal::out_of_order_sequence);
  EXPECT_EQ(listed(r, "t"), 2);
  r.restart();  // 1 was acknowledged, and is lost
  EXPECT_EQ(listed(r, "t"), 1);
  EXPECT_EQ(now(r, "t", by(5, 2)).error, refusal::out_of_order_sequence);  // the client learns of it
  EXPECT_EQ(now(r, "t", by(5, 0)).base.raw(), 0);
  EXPECT_EQ(now(r, "t", by(5, 1)).base.raw(), 1);
}

TEST(durability, after_a_crash_clients_are_told_where_the_log_ends) {
  rig r;
  r.create("t", 1, {{"weir.durability", "async"}});
  for (int i = 0; i < 3; ++i) now(r, "t");
  r.store().sync();
  for (int i = 0; i < 5; ++i) now(r, "t");
  r.restart();
  EXPECT_EQ(listed(r, "t"), 3);
  // A client at 8 in epoch 0: its epoch is over, it ended at 3, and so do the log's offsets.
  model::fetch f = rig::fetch_of("t", 0, 8);
  EXPECT_EQ(r.ask<model::fetched>(f).items[0].error, refusal::offset_out_of_range);
  f.items[0].current_epoch = model::epoch(0);
  EXPECT_EQ(r.ask<model::fetched>(f).items[0].error, refusal::fenced_leader_epoch);
  f.items[0].current_epoch = model::epoch(1);
  f.items[0].last_epoch = model::epoch(0);
  const auto told = r.ask<model::fetched>(f).items[0];
  ASSERT_TRUE(told.diverging.has_value());
  EXPECT_EQ(told.diverging->second.raw(), 3);
  EXPECT_EQ(end_of(r, "t", 0), std::pair(0, std::int64_t{3}));
  // Other records take the places of those that were lost; the epochs still tell them apart.
  for (int i = 0; i < 9; ++i) now(r, "t");
  EXPECT_EQ(end_of(r, "t", 0), std::pair(0, std::int64_t{3}));
  EXPECT_EQ(end_of(r, "t", 1), std::pair(1, std::int64_t{12}));
  EXPECT_TRUE(r.ask<model::fetched>(f).items[0].diverging.has_value());
  // An epoch of which nothing is left.
  r.restart();
  now(r, "t");
  r.restart();
  f.items[0].current_epoch = model::epoch(-1);
  f.items[0].last_epoch = model::epoch(2);
  f.items[0].from = model::offset(100);
  EXPECT_TRUE(r.ask<model::fetched>(f).items[0].diverging.has_value());
}

// Of another reactor, so in another WAL: a commit may be ahead of what it is about.
TEST(durability, an_offset_committed_beyond_the_end_breaks_nothing) {
  rig r;
  r.create("t", 1, {{"weir.durability", "async"}});
  now(r, "t");
  r.store().sync();
  model::commit_offsets c;
  c.group = "g";
  c.items.push_back({{"t", {}}, 0, model::offset(50), model::epoch(0), ""});
  EXPECT_EQ(r.ask<model::offsets_committed>(c).items.at(0), refusal::none);
  r.restart();
  model::fetch_offsets f;
  f.group = "g";
  f.items = {{{{"t", {}}, 0}}};
  EXPECT_EQ(r.ask<model::offsets_fetched>(f).items.at(0).at.raw(), 50);
  EXPECT_EQ(r.get("t", 0, 50).error, refusal::offset_out_of_range);
  EXPECT_EQ(listed(r, "t"), 1);
  EXPECT_EQ(now(r, "t").base.raw(), 1);
}

TEST(durability, from_sync_to_async_readers_get_what_was_held_back) {
  rig r;
  r.create("t");
  const std::uint64_t before = produce(r, "t");
  const std::uint64_t poll = r.send(rig::fetch_of("t", 0, 0, 60'000));
  EXPECT_FALSE(r.me.has(poll));
  const std::uint64_t changed = r.send(change("t", "async"));
  r.store().sync_to(r.store().last_ticket().raw() - 1);
  EXPECT_TRUE(r.me.has(before));
  r.store().sync();
  EXPECT_TRUE(r.me.has(changed));
  ASSERT_TRUE(r.me.has(poll));
  EXPECT_EQ(r.me.get<model::fetched>(poll).items[0].data.entries.size(), 1U);
  EXPECT_EQ(now(r, "t").base.raw(), 1);
}

TEST(durability, from_async_to_sync_nothing_goes_back_and_nothing_more_is_at_risk) {
  for (const std::uint32_t reactors : {1U, 3U}) {
    rig r(reactors);
    r.create("t", 6, {{"weir.durability", "async"}});
    for (std::int32_t i = 0; i < 6; ++i) {
      const std::uint64_t put = produce(r, "t", by(4, 0), i);
      r.exec->run_for(0);
      ASSERT_TRUE(r.me.has(put));
    }
    const std::uint64_t changed = r.send(change("t", "sync"));
    r.store().sync();  // reactor 0 alone: the others hear of it
    r.exec->run_for(0);
    // Whoever asks gets the same as before or more, when that is on disk.
    std::vector<std::uint64_t> asked;
    for (std::int32_t i = 0; i < 6; ++i) asked.push_back(r.send(rig::fetch_of("t", i, 0)));
    const std::uint64_t again = produce(r, "t", by(4, 0), 5);  // a duplicate of what was answered from memory
    const std::uint64_t more = produce(r, "t", by(4, 1), 5);
    r.exec->run_for(0);
    EXPECT_FALSE(r.me.has(more));
    if (reactors > 1) {
      EXPECT_FALSE(r.me.has(changed));
    }
    r.settle();
    EXPECT_TRUE(r.me.has(changed));
    EXPECT_EQ(r.me.get<model::produced>(again).items[0].base.raw(), 0);
    EXPECT_EQ(r.me.get<model::produced>(more).items[0].base.raw(), 1);
    for (const auto t : asked) {
      EXPECT_EQ(r.me.get<model::fetched>(t).items[0].high_watermark.raw(), 1) << reactors;
      EXPECT_EQ(r.me.get<model::fetched>(t).items[0].data.entries.size(), 1U) << reactors;
    }
    r.restart();
    for (std::int32_t i = 0; i < 6; ++i) EXPECT_EQ(r.get("t", i, 0).high_watermark.raw(), i == 5 ? 2 : 1);
  }
}

// The answer to the change is the promise that no more can be lost: on every reactor.
TEST(durability, the_change_to_sync_is_answered_when_all_that_was_shown_is_on_disk) {
  for (const std::uint32_t reactors : {1U, 3U}) {
    rig r(reactors);
    r.create("t", 6, {{"weir.durability", "async"}});
    for (std::int32_t i = 0; i < 6; ++i) produce(r, "t", {}, i);
    r.exec->run_for(0);
    const std::uint64_t changed = r.send(change("t", "sync"));
    while (!r.me.has(changed)) {
      r.exec->run_for(0);
      for (auto& s : r.stores) {
        if (s->durable_ticket() < s->last_ticket()) s->sync_to(s->durable_ticket().raw() + 1);
        if (r.me.has(changed)) break;
      }
      r.exec->run_for(0);
    }
    r.restart();
    for (std::int32_t i = 0; i < 6; ++i) EXPECT_EQ(r.get("t", i, 0).high_watermark.raw(), 1) << reactors;
  }
}

TEST(durability, deleting_what_is_only_in_memory) {
  rig r;
  r.create("t", 1, {{"weir.durability", "async"}});
  for (int i = 0; i < 4; ++i) now(r, "t");
  model::delete_records d;
  d.items.push_back({{"t", {}}, 0, model::offset(-1)});
  const std::uint64_t t = r.send(d);
  EXPECT_FALSE(r.me.has(t));
  r.store().sync();
  EXPECT_EQ(r.me.get<model::records_deleted>(t).items[0].low_watermark.raw(), 4);
  r.restart();
  EXPECT_EQ(listed(r, "t", model::offset_spec::earliest), 4);
  EXPECT_EQ(listed(r, "t"), 4);
}

TEST(durability, a_fenced_store_takes_nothing) {
  rig r;
  r.create("t", 1, {{"weir.durability", "async"}});
  now(r, "t");
  const std::uint64_t poll = r.send(rig::fetch_of("t", 0, 1, 60'000));
  r.store().fence();
  EXPECT_EQ(now(r, "t").error, refusal::storage_failed);
  EXPECT_EQ(r.me.get<model::fetched>(poll).items[0].error, refusal::storage_failed);
}

TEST(durability, without_room_async_waits_as_the_others_do) {
  rig r;
  r.create("t", 1, {{"weir.durability", "async"}});
  r.store().set_room(errc::busy);
  const std::uint64_t t = produce(r, "t");
  EXPECT_FALSE(r.me.has(t));
  r.store().set_room(errc::ok);
  EXPECT_TRUE(r.me.has(t));
}

TEST(durability, acks_none_stays_silent_and_is_seen_at_once) {
  rig r;
  r.create("t", 1, {{"weir.durability", "async"}});
  const std::uint64_t poll = r.send(rig::fetch_of("t", 0, 0, 60'000));
  const byte_vector e = fake_format::make({});
  auto p = rig::produce_of("t", 0, e);
  p.wait = model::produce::acks::none;
  const std::uint64_t t = r.send(p);
  r.exec->run_for(0);
  EXPECT_FALSE(r.me.has(t));
  EXPECT_TRUE(r.me.has(poll));
}

TEST(durability, a_default_for_all_topics_acts_at_once_and_stays) {
  rig r;
  r.create("plain");
  r.create("own", 1, {{"weir.durability", "replicated"}});
  model::alter_configs c;
  c.items.push_back({model::config_resource::broker, "", {{"weir.durability", op::set, "async"}}, false});
  ASSERT_EQ(r.ask<model::configs_altered>(c).items.at(0).error, refusal::none);
  for (int i = 0; i < 2; ++i) {
    now(r, "plain");
    EXPECT_FALSE(r.me.has(produce(r, "own")));
    r.settle();
    r.restart();
  }
  c.items[0].changes[0].value = "eventually";
  const auto refused = r.ask<model::configs_altered>(c).items.at(0);
  EXPECT_EQ(refused.error, refusal::invalid_config);
  EXPECT_NE(refused.detail.find("sync, replicated or async"), std::string::npos) << refused.detail;
}

TEST(durability, the_file_has_a_default_too) {
  settings s;
  s.log.durability = "async";
  EXPECT_TRUE(check_defaults(s));
  rig r(1, s);
  r.create("t");
  now(r, "t");
  s.log.durability = "soon";
  EXPECT_FALSE(check_defaults(s));
}

}  // namespace
}  // namespace weir::broker::node_testing
