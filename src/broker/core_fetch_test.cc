// Fetch and questions about offsets, as a session sees them.
#include <gtest/gtest.h>

#include "broker/testing/rig.h"

namespace weir::broker::node_testing {
namespace {

using model::refusal;
using spec = fake_format::spec;

constexpr std::int64_t now_ms = 1'700'000'000'000;

TEST(fetch, shows_only_what_is_durable) {
  rig r;
  r.create("t");
  const byte_vector e = fake_format::make({});
  r.send(rig::produce_of("t", 0, e));
  const std::uint64_t early = r.send(rig::fetch_of("t", 0, 0));
  ASSERT_TRUE(r.me.has(early));
  EXPECT_TRUE(r.me.get<model::fetched>(early).items[0].data.entries.empty());
  EXPECT_EQ(r.me.get<model::fetched>(early).items[0].high_watermark.raw(), 0);
  r.settle();
  const auto got = r.get("t", 0, 0);
  ASSERT_EQ(got.data.entries.size(), 1U);
  EXPECT_EQ(load_le<std::int64_t>(got.data.entries[0].payload.data() + 7), 0);  // the base offset was stamped
  EXPECT_EQ(got.high_watermark.raw(), 1);
  EXPECT_EQ(got.last_stable.raw(), 1);
  EXPECT_EQ(got.log_start.raw(), 0);
}

TEST(fetch, a_long_poll_wakes_when_data_is_durable_and_not_before) {
  rig r;
  r.create("t", 3);
  model::fetch f = rig::fetch_of("t", 0, 0, 60'000);
  f.items.push_back(rig::fetch_of("t", 2, 0).items[0]);
  const std::uint64_t poll = r.send(f);
  r.put("t", 1, {});
  EXPECT_FALSE(r.me.has(poll));
  const byte_vector e = fake_format::make({});
  r.send(rig::produce_of("t", 2, e));
  EXPECT_FALSE(r.me.has(poll));
  r.store().sync();
  ASSERT_TRUE(r.me.has(poll));
  EXPECT_TRUE(r.me.get<model::fetched>(poll).items[0].data.entries.empty());
  EXPECT_EQ(r.me.get<model::fetched>(poll).items[1].data.entries.size(), 1U);
  EXPECT_EQ(r.at().stats().fetches_waiting, 0U);
}

TEST(fetch, a_long_poll_ends_when_its_time_is_up) {
  rig r;
  r.create("t");
  const std::uint64_t poll = r.send(rig::fetch_of("t", 0, 0, 500));
  r.exec->run_for(499);
  EXPECT_FALSE(r.me.has(poll));
  r.exec->run_for(2);
  ASSERT_TRUE(r.me.has(poll));
  EXPECT_EQ(r.me.get<model::fetched>(poll).items[0].error, refusal::none);
}

TEST(fetch, waits_for_bytes_min_and_then_gives_all) {
  rig r;
  r.create("t");
  spec s;
  s.padding = 50;
  const std::size_t size = fake_format::make(s).size();
  model::fetch f = rig::fetch_of("t", 0, 0, 60'000);
  f.bytes_min = static_cast<std::int64_t>(size * 3);
  r.put("t", 0, s);
  const std::uint64_t poll = r.send(f);
  r.put("t", 0, s);
  EXPECT_FALSE(r.me.has(poll));
  r.put("t", 0, s);
  ASSERT_TRUE(r.me.has(poll));
  EXPECT_EQ(r.me.get<model::fetched>(poll).items[0].data.entries.size(), 3U);
}

TEST(fetch, past_the_limit_of_waiting_partitions_it_answers_at_once) {
  settings s;
  s.limits.fetch_partitions_waiting = 3;
  rig r(1, s);
  r.create("t", 2);
  model::fetch two = rig::fetch_of("t", 0, 0, 60'000);
  two.items.push_back(rig::fetch_of("t", 1, 0).items[0]);
  const std::uint64_t first = r.send(two);
  const std::uint64_t second = r.send(two);
  EXPECT_FALSE(r.me.has(first));
  EXPECT_TRUE(r.me.has(second));
  r.put("t", 0, {});
  EXPECT_TRUE(r.me.has(first));
  two.items[0].from = model::offset(1);
  const std::uint64_t third = r.send(two);  // the first one's place is free again
  EXPECT_FALSE(r.me.has(third));
}

TEST(fetch, a_topic_compressed_with_zstd_is_not_for_clients_that_cannot_read_it) {
  rig r;
  r.create("t", 1, {{"compression.type", "zstd"}});
  r.put("t", 0, {});
  model::fetch old = rig::fetch_of("t", 0, 0);
  old.zstd_allowed = false;
  EXPECT_EQ(r.ask<model::fetched>(old).items[0].error, refusal::unsupported_compression);
  EXPECT_EQ(r.get("t", 0, 0).error, refusal::none);
}

TEST(fetch, answers_at_once_when_a_limit_is_hit) {
  rig r;
  r.create("t");
  spec s;
  s.padding = 50;
  const std::size_t size = fake_format::make(s).size();
  for (int i = 0; i < 3; ++i) r.put("t", 0, s);
  model::fetch f = rig::fetch_of("t", 0, 0, 60'000);
  f.bytes_min = 1 << 20;
  f.items[0].bytes_max = static_cast<std::int64_t>(size * 2);
  const std::uint64_t poll = r.send(f);
  ASSERT_TRUE(r.me.has(poll));
  EXPECT_EQ(r.me.get<model::fetched>(poll).items[0].data.entries.size(), 2U);
}

TEST(fetch, one_entry_over_the_limits_in_all_and_not_one_of_each_partition) {
  for (const bool later : {false, true}) {
    rig r;
    r.create("t", 3);
    spec s;
    s.padding = 500;
    for (std::int32_t p = 1; p < 3; ++p) r.put("t", p, s);
    r.store().reads_later = later;
    model::fetch f = rig::fetch_of("t", 0, 0);
    for (std::int32_t p = 1; p < 3; ++p) f.items.push_back(rig::fetch_of("t", p, 0).items[0]);
    for (auto& i : f.items) i.bytes_max = 10;
    const auto got = r.ask<model::fetched>(f);
    EXPECT_EQ(got.items[1].data.entries.size(), 1U) << later;
    EXPECT_TRUE(got.items[2].data.entries.empty()) << later;
  }
}

TEST(fetch, what_becomes_durable_during_a_slow_read_counts) {
  rig r;
  r.create("t");
  const auto size = static_cast<std::int64_t>(fake_format::make({}).size());
  r.put("t", 0, {});
  r.store().reads_later = true;
  model::fetch f = rig::fetch_of("t", 0, 0, 60'000);
  f.bytes_min = size * 2;
  const std::uint64_t poll = r.send(f);
  const byte_vector e = fake_format::make({});
  r.send(rig::produce_of("t", 0, e));
  r.store().sync();  // before the read comes back
  r.settle();
  ASSERT_TRUE(r.me.has(poll));
  EXPECT_EQ(r.me.get<model::fetched>(poll).items[0].data.entries.size(), 2U);
}

TEST(fetch, a_compacted_away_partition_does_not_starve_the_next) {
  for (const bool later : {false, true}) {
    rig r;
    r.create("t", 2);
    const model::log_id first = r.store().policies.begin()->first;
    spec s;
    s.padding = 500;
    r.put("t", 0, s);
    r.put("t", 1, s);
    r.store().hollow(first);
    r.store().reads_later = later;
    model::fetch f = rig::fetch_of("t", 0, 0);
    f.items.push_back(rig::fetch_of("t", 1, 0).items[0]);
    for (auto& i : f.items) i.bytes_max = 10;
    EXPECT_EQ(r.ask<model::fetched>(f).items[1].data.entries.size(), 1U) << later;
  }
}

TEST(fetch, the_total_is_capped_and_partitions_are_served_in_order) {
  for (const bool later : {false, true}) {
    rig r;
    r.create("t", 3);
    spec s;
    s.padding = 100;
    const auto size = static_cast<std::int64_t>(fake_format::make(s).size());
    for (int i = 0; i < 4; ++i) {
      for (std::int32_t p = 0; p < 3; ++p) r.put("t", p, s);
    }
    r.store().reads_later = later;
    model::fetch f = rig::fetch_of("t", 2, 0);
    f.items.push_back(rig::fetch_of("t", 0, 0).items[0]);
    f.items.push_back(rig::fetch_of("t", 1, 0).items[0]);
    f.bytes_max = size * 6;
    for (auto& i : f.items) i.bytes_max = size * 4;
    const auto got = r.ask<model::fetched>(f);
    EXPECT_EQ(got.items[0].data.entries.size(), 4U) << later;
    EXPECT_EQ(got.items[1].data.entries.size(), 2U) << later;
    EXPECT_EQ(got.items[2].data.entries.size(), 0U) << later;
  }
}

TEST(fetch, the_crumbs_of_an_answer_are_not_read_for_and_not_waited_for) {
  rig r;
  r.create("t", 3);
  spec s;
  s.padding = 1000;
  const auto size = static_cast<std::int64_t>(fake_format::make(s).size());
  for (std::int32_t p = 0; p < 3; ++p) r.put("t", p, s);
  model::fetch f = rig::fetch_of("t", 0, 0, 60'000);
  f.items.push_back(rig::fetch_of("t", 1, 0).items[0]);
  f.items.push_back(rig::fetch_of("t", 2, 0).items[0]);
  f.bytes_max = 2 * size + 10;
  f.bytes_min = f.bytes_max;
  for (auto& i : f.items) i.bytes_max = size;
  const std::uint64_t reads = r.store().reads;
  const std::uint64_t poll = r.send(f);
  ASSERT_TRUE(r.me.has(poll));
  EXPECT_EQ(r.store().reads, reads + 2);
  EXPECT_EQ(r.me.get<model::fetched>(poll).items[1].data.entries.size(), 1U);
}

TEST(fetch, the_broker_has_a_cap_of_its_own) {
  settings s;
  s.fetch_max_bytes = 1000;
  rig r(1, s);
  r.create("t");
  spec big;
  big.padding = 300;
  for (int i = 0; i < 10; ++i) r.put("t", 0, big);
  EXPECT_EQ(r.get("t", 0, 0).data.entries.size(), 2U);
}

TEST(fetch, errors_answer_at_once_and_still_show_the_marks) {
  rig r;
  r.create("t", 2);
  for (int i = 0; i < 5; ++i) r.put("t", 0, {});
  model::delete_records d;
  d.items.push_back({{"t", {}}, 0, model::offset(2)});
  r.ask<model::records_deleted>(d);
  for (const std::int64_t from : {1, 6, -1}) {
    model::fetch f = rig::fetch_of("t", 0, from, 60'000);
    f.items.push_back(rig::fetch_of("t", 1, 0).items[0]);
    const std::uint64_t t = r.send(f);
    ASSERT_TRUE(r.me.has(t)) << from;
    const auto& item = r.me.get<model::fetched>(t).items[0];
    EXPECT_EQ(item.error, refusal::offset_out_of_range) << from;
    EXPECT_EQ(item.high_watermark.raw(), 5);
    EXPECT_EQ(item.last_stable.raw(), 5);
    EXPECT_EQ(item.log_start.raw(), 2);
  }
  const std::uint64_t t = r.send(rig::fetch_of("nowhere", 0, 0, 60'000));
  ASSERT_TRUE(r.me.has(t));
  EXPECT_EQ(r.me.get<model::fetched>(t).items[0].error, refusal::unknown_topic_or_partition);
}

TEST(fetch, a_deleted_topic_ends_the_wait) {
  rig r;
  r.create("t");
  const std::uint64_t poll = r.send(rig::fetch_of("t", 0, 0, 60'000));
  model::delete_topics d;
  d.topics.push_back({"t", {}});
  EXPECT_EQ(r.ask<model::topics_deleted>(d).topics[0].error, refusal::none);
  EXPECT_EQ(r.me.get<model::fetched>(poll).items[0].error, refusal::unknown_topic_or_partition);
}

TEST(fetch, by_topic_id) {
  rig r;
  const auto made = r.create("t");
  r.put("t", 0, {});
  model::fetch f = rig::fetch_of("", 0, 0);
  f.items[0].topic.id = made.id;
  EXPECT_EQ(r.ask<model::fetched>(f).items[0].data.entries.size(), 1U);
  f.items[0].topic.id.data[3] ^= 1;
  EXPECT_EQ(r.ask<model::fetched>(f).items[0].error, refusal::unknown_topic_id);
  f.items[0].topic.name = "t";
  EXPECT_EQ(r.ask<model::fetched>(f).items[0].error, refusal::inconsistent_topic_id);
}

TEST(fetch, thousands_of_polls_on_one_partition_all_wake_once) {
  rig r;
  r.create("t", 2);
  std::vector<std::uint64_t> polls;
  for (int i = 0; i < 5000; ++i) polls.push_back(r.send(rig::fetch_of("t", 0, 0, 60'000)));
  EXPECT_EQ(r.at().stats().fetches_waiting, 5000U);
  const std::uint64_t reads = r.store().reads;
  r.put("t", 1, {});
  EXPECT_EQ(r.store().reads, reads);  // nobody looked
  r.put("t", 0, {});
  for (const auto t : polls) ASSERT_TRUE(r.me.has(t));
  EXPECT_EQ(r.at().stats().fetches_waiting, 0U);
}

TEST(epochs, a_restart_raises_them_and_fences_old_clients) {
  rig r;
  r.create("t");
  for (int i = 0; i < 3; ++i) r.put("t", 0, {});
  EXPECT_EQ(r.ask<model::topics_described>(model::describe_topics{}).topics[0].leader_epoch.raw(), 0);
  r.restart();
  EXPECT_EQ(r.ask<model::topics_described>(model::describe_topics{}).topics[0].leader_epoch.raw(), 1);
  for (int i = 0; i < 2; ++i) r.put("t", 0, {});
  r.checkpoint();
  r.restart();
  r.put("t", 0, {});
  model::fetch f = rig::fetch_of("t", 0, 0);
  f.items[0].current_epoch = model::epoch(1);
  EXPECT_EQ(r.ask<model::fetched>(f).items[0].error, refusal::fenced_leader_epoch);
  EXPECT_EQ(r.ask<model::fetched>(f).items[0].current_epoch.raw(), 2);
  f.items[0].current_epoch = model::epoch(3);
  EXPECT_EQ(r.ask<model::fetched>(f).items[0].error, refusal::unknown_leader_epoch);
  f.items[0].current_epoch = model::epoch(2);
  EXPECT_EQ(r.ask<model::fetched>(f).items[0].error, refusal::none);

  const auto end_of = [&](std::int32_t asked) {
    model::epoch_ends c;
    c.items.push_back({{"t", {}}, 0, model::epoch(-1), model::epoch(asked)});
    const auto i = r.ask<model::epoch_ends_found>(c).items[0];
    return std::pair(i.found.raw(), i.end.raw());
  };
  EXPECT_EQ(end_of(0), std::pair(0, std::int64_t{3}));
  EXPECT_EQ(end_of(1), std::pair(1, std::int64_t{5}));
  EXPECT_EQ(end_of(2), std::pair(2, std::int64_t{6}));
  EXPECT_EQ(end_of(3), std::pair(-1, std::int64_t{-1}));
  EXPECT_EQ(end_of(-1), std::pair(-1, std::int64_t{-1}));
}

TEST(epochs, a_diverged_client_is_told_where) {
  rig r;
  r.create("t");
  for (int i = 0; i < 3; ++i) r.put("t", 0, {});
  r.restart();
  r.put("t", 0, {});
  model::fetch f = rig::fetch_of("t", 0, 4);
  f.items[0].last_epoch = model::epoch(0);  // it read up to 4 in epoch 0, which ended at 3
  f.wait_ms = 60'000;
  const std::uint64_t t = r.send(f);
  ASSERT_TRUE(r.me.has(t));
  const auto& item = r.me.get<model::fetched>(t).items[0];
  ASSERT_TRUE(item.diverging.has_value());
  EXPECT_EQ(item.diverging->first.raw(), 0);
  EXPECT_EQ(item.diverging->second.raw(), 3);
  EXPECT_TRUE(item.data.entries.empty());
  f.items[0].from = model::offset(3);
  EXPECT_FALSE(r.ask<model::fetched>(f).items[0].diverging.has_value());
}

model::offsets_listed::item list(rig& r, model::offset_spec what, std::int64_t time = 0, std::string_view topic = "t") {
  model::list_offsets c;
  c.items.push_back({{topic, {}}, 0, model::epoch(-1), what, time});
  return r.ask<model::offsets_listed>(c).items.at(0);
}

TEST(offsets, earliest_latest_and_times_inside_entries) {
  rig r;
  r.create("t");
  EXPECT_EQ(list(r, model::offset_spec::max_timestamp).at.raw(), -1);
  EXPECT_EQ(list(r, model::offset_spec::at_time, 0).at.raw(), -1);
  r.put("t", 0, {{100, 300, 200}});
  r.put("t", 0, {{50, 60}});
  r.put("t", 0, {{300, 400}});
  EXPECT_EQ(list(r, model::offset_spec::earliest).at.raw(), 0);
  EXPECT_EQ(list(r, model::offset_spec::latest).at.raw(), 7);
  EXPECT_EQ(list(r, model::offset_spec::latest).timestamp_ms, -1);
  EXPECT_EQ(list(r, model::offset_spec::latest_tiered).at.raw(), -1);
  EXPECT_EQ(list(r, model::offset_spec::earliest_local).at.raw(), 0);
  EXPECT_EQ(list(r, model::offset_spec::max_timestamp).at.raw(), 6);
  EXPECT_EQ(list(r, model::offset_spec::max_timestamp).timestamp_ms, 400);
  EXPECT_EQ(list(r, model::offset_spec::at_time, 0).at.raw(), 0);
  EXPECT_EQ(list(r, model::offset_spec::at_time, 101).at.raw(), 1);  // not dense in time: the first that is late enough
  EXPECT_EQ(list(r, model::offset_spec::at_time, 301).at.raw(), 6);
  EXPECT_EQ(list(r, model::offset_spec::at_time, 301).timestamp_ms, 400);
  EXPECT_EQ(list(r, model::offset_spec::at_time, 401).at.raw(), -1);
  EXPECT_EQ(list(r, model::offset_spec::latest, 0, "nowhere").error, refusal::unknown_topic_or_partition);
}

TEST(offsets, a_time_that_only_deleted_records_have_is_found_further_on) {
  rig r;
  r.create("t");
  r.put("t", 0, {{500, 100}});
  for (int i = 0; i < 3; ++i) r.put("t", 0, {{100}});
  r.put("t", 0, {{450}});
  model::delete_records d;
  d.items.push_back({{"t", {}}, 0, model::offset(1)});
  r.ask<model::records_deleted>(d);
  EXPECT_EQ(list(r, model::offset_spec::at_time, 400).at.raw(), 5);
  EXPECT_EQ(list(r, model::offset_spec::at_time, 90).at.raw(), 1);
}

TEST(offsets, latest_is_what_is_durable) {
  rig r;
  r.create("t");
  r.put("t", 0, {});
  const byte_vector e = fake_format::make({});
  r.send(rig::produce_of("t", 0, e));
  model::list_offsets c;
  c.items.push_back({{"t", {}}, 0, model::epoch(-1), model::offset_spec::latest, 0});
  const std::uint64_t t = r.send(c);
  EXPECT_EQ(r.me.get<model::offsets_listed>(t).items[0].at.raw(), 1);
}

TEST(offsets, delete_records_waits_for_the_disk_and_knows_its_limits) {
  rig r;
  r.create("t");
  r.create("compacted", 1, {{"cleanup.policy", "compact"}});
  for (int i = 0; i < 4; ++i) r.put("t", 0, {});
  model::delete_records d;
  d.items.push_back({{"t", {}}, 0, model::offset(2)});
  const std::uint64_t t = r.send(d);
  EXPECT_FALSE(r.me.has(t));
  r.settle();
  EXPECT_EQ(r.me.get<model::records_deleted>(t).items[0].low_watermark.raw(), 2);
  d.items[0].before = model::offset(1);
  EXPECT_EQ(r.ask<model::records_deleted>(d).items[0].low_watermark.raw(), 2);
  d.items[0].before = model::offset(5);
  EXPECT_EQ(r.ask<model::records_deleted>(d).items[0].error, refusal::offset_out_of_range);
  d.items[0].before = model::offset(-1);
  EXPECT_EQ(r.ask<model::records_deleted>(d).items[0].low_watermark.raw(), 4);
  d.items[0].topic.name = "compacted";
  EXPECT_EQ(r.ask<model::records_deleted>(d).items[0].error, refusal::policy_violation);
  r.restart();
  EXPECT_EQ(list(r, model::offset_spec::earliest).at.raw(), 4);
}

}  // namespace
}  // namespace weir::broker::node_testing
