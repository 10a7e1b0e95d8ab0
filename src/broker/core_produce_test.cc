// Produce as a session sees it: what is refused and why, what an answer waits for, what idempotence means.
#include <gtest/gtest.h>

#include "broker/refused_producers.h"
#include "broker/testing/rig.h"

namespace weir::broker::node_testing {
namespace {

using model::refusal;
using spec = fake_format::spec;
using configs = std::vector<std::pair<std::string_view, std::optional<std::string_view>>>;

constexpr std::int64_t now_ms = 1'700'000'000'000;

TEST(produce, an_answer_waits_for_the_disk) {
  rig r;
  r.create("t");
  const byte_vector e = fake_format::make({});
  const std::uint64_t all = r.send(rig::produce_of("t", 0, e));
  auto one = rig::produce_of("t", 0, e);
  one.wait = model::produce::acks::leader;
  const std::uint64_t leader = r.send(one);
  EXPECT_TRUE(r.me.events.find(all) == r.me.events.end());
  EXPECT_FALSE(r.me.has(leader));
  r.store().sync_to(r.store().last_ticket().raw() - 1);
  EXPECT_TRUE(r.me.has(all));
  EXPECT_FALSE(r.me.has(leader));
  r.store().sync();
  EXPECT_EQ(r.me.get<model::produced>(all).items.at(0).base.raw(), 0);
  EXPECT_EQ(r.me.get<model::produced>(leader).items.at(0).base.raw(), 1);
}

TEST(produce, acks_none_is_silent_unless_it_failed) {
  rig r;
  r.create("t");
  const byte_vector e = fake_format::make({});
  auto good = rig::produce_of("t", 0, e);
  good.wait = model::produce::acks::none;
  const std::uint64_t silent = r.send(good);
  auto bad = rig::produce_of("nowhere", 0, e);
  bad.wait = model::produce::acks::none;
  const std::uint64_t loud = r.send(bad);
  r.settle();
  EXPECT_FALSE(r.me.has(silent));
  EXPECT_EQ(r.me.get<model::produced>(loud).items.at(0).error, refusal::unknown_topic_or_partition);
  EXPECT_EQ(r.get("t", 0, 0).high_watermark.raw(), 1);
}

TEST(produce, one_record_per_shard_and_answers_in_the_order_of_items) {
  rig r;
  r.create("t", 10);
  const byte_vector e = fake_format::make({{now_ms, now_ms}});
  model::produce p;
  for (std::int32_t i = 9; i >= 0; --i) p.items.push_back({{"t", {}}, i, model::format_tag::kafka_batch_v2, e});
  p.items[3].partition = 99;
  const std::uint64_t before = r.store().appends;
  const auto out = r.ask<model::produced>(p);
  EXPECT_EQ(r.store().appends - before, 2U);  // the rig has two shards
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(out.items[i].error, i == 3 ? refusal::unknown_topic_or_partition : refusal::none) << i;
    EXPECT_EQ(out.items[i].base.raw(), i == 3 ? -1 : 0);
  }
}

TEST(produce, two_entries_for_one_partition_follow_each_other) {
  rig r;
  r.create("t");
  const byte_vector e = fake_format::make({{now_ms, now_ms, now_ms}});
  model::produce p;
  for (int i = 0; i < 3; ++i) p.items.push_back({{"t", {}}, 0, model::format_tag::kafka_batch_v2, e});
  const auto out = r.ask<model::produced>(p);
  EXPECT_EQ(out.items[0].base.raw(), 0);
  EXPECT_EQ(out.items[1].base.raw(), 3);
  EXPECT_EQ(out.items[2].base.raw(), 6);
}

TEST(produce, refusals_name_the_reason) {
  rig r;
  r.create("t", 1, configs{{"max.message.bytes", "200"}});
  r.create("compacted", 1, configs{{"cleanup.policy", "compact"}});
  spec big;
  big.padding = 500;
  EXPECT_EQ(r.put("t", 0, big).error, refusal::message_too_large);
  spec keyless;
  keyless.keys = false;
  keyless.timestamps = {now_ms, now_ms};
  const auto no_key = r.put("compacted", 0, keyless);
  EXPECT_EQ(no_key.error, refusal::invalid_record);
  ASSERT_EQ(no_key.records.size(), 2U);
  EXPECT_EQ(no_key.records[1].index, 1);
  EXPECT_EQ(r.put("t", 0, keyless).error, refusal::none);
  spec control;
  control.flags = 2;
  EXPECT_EQ(r.put("t", 0, control).error, refusal::invalid_record);
  spec transactional;
  transactional.flags = 1;
  transactional.producer_id = 5;
  transactional.producer_epoch = 0;
  transactional.first_sequence = 0;
  EXPECT_EQ(r.put("t", 0, transactional).error, refusal::unsupported);
  const byte_vector rubbish(60);
  EXPECT_EQ(r.ask<model::produced>(rig::produce_of("t", 0, rubbish)).items[0].error, refusal::corrupt_message);
  spec zstd;
  zstd.compression = 4;
  const byte_vector z = fake_format::make(zstd);
  auto old = rig::produce_of("t", 0, z);
  old.zstd_allowed = false;
  EXPECT_EQ(r.ask<model::produced>(old).items[0].error, refusal::unsupported_compression);
  EXPECT_EQ(r.put("t", 0, zstd).error, refusal::none);
  spec empty;
  empty.timestamps = {};
  EXPECT_EQ(r.put("t", 0, empty).error, refusal::invalid_record);
}

TEST(produce, timestamps_have_limits_and_append_time_replaces_them) {
  rig r;
  r.create("t");
  r.create("strict", 1, configs{{"message.timestamp.before.max.ms", "1000"}});
  r.create("stamped", 1, configs{{"message.timestamp.type", "LogAppendTime"}});
  EXPECT_EQ(r.put("t", 0, {{now_ms + 3'500'000}}).error, refusal::none);
  EXPECT_EQ(r.put("t", 0, {{now_ms + 3'700'000}}).error, refusal::invalid_timestamp);
  EXPECT_EQ(r.put("t", 0, {{INT64_MAX}}).error, refusal::invalid_timestamp);
  EXPECT_EQ(r.put("t", 0, {{1}}).error, refusal::none);
  EXPECT_EQ(r.put("t", 0, {{-1}}).error, refusal::none);
  EXPECT_EQ(r.put("strict", 0, {{now_ms, now_ms - 2000}}).error, refusal::invalid_timestamp);
  EXPECT_EQ(r.put("strict", 0, {{now_ms, now_ms - 900}}).error, refusal::none);
  const auto stamped = r.put("stamped", 0, {{INT64_MAX, 5}});
  EXPECT_EQ(stamped.error, refusal::none);
  EXPECT_EQ(stamped.append_time_ms, r.time.wall().raw());
  EXPECT_EQ(r.get("stamped", 0, 0).data.entries.at(0).max_timestamp_ms, r.time.wall().raw());
  EXPECT_EQ(r.put("t", 0, {{now_ms}}).append_time_ms, -1);
}

model::compression_kind stored_as(rig& r, std::string_view topic, std::int64_t at) {
  const auto entries = r.get(topic, 0, at).data.entries;
  return fake_format().inspect(entries.at(0).payload, {})->compression;
}

TEST(produce, a_topics_compression_type_replaces_the_producers) {
  using kind = model::compression_kind;
  rig r;
  r.create("as_is", 1);
  r.create("zstd", 1, configs{{"compression.type", "zstd"}, {"compression.zstd.level", "7"}});
  r.create("plain", 1, configs{{"compression.type", "uncompressed"}});
  spec lz4;
  lz4.compression = 3;
  lz4.producer_id = 9;
  lz4.producer_epoch = 0;
  lz4.first_sequence = 0;
  for (const std::string_view topic : {"as_is", "zstd", "plain"}) EXPECT_EQ(r.put(topic, 0, lz4).error, refusal::none);
  EXPECT_EQ(stored_as(r, "as_is", 0), kind::lz4);
  EXPECT_EQ(stored_as(r, "zstd", 0), kind::zstd);
  EXPECT_EQ(stored_as(r, "plain", 0), kind::none);
  const std::size_t sent = fake_format::make(lz4).size();
  EXPECT_EQ(r.get("zstd", 0, 0).data.payload_bytes, sent + 7);  // the level reached the format
  // A retry is a duplicate whatever was made of the first copy.
  EXPECT_EQ(r.put("zstd", 0, lz4).base.raw(), 0);
  EXPECT_EQ(r.get("zstd", 0, 0).high_watermark.raw(), 1);
  // What comes in the wanted way is left alone.
  spec same;
  same.compression = 4;
  EXPECT_EQ(r.put("zstd", 0, same).error, refusal::none);
  EXPECT_EQ(r.get("zstd", 0, 1).data.payload_bytes, sent);
}

TEST(produce, what_cannot_be_recompressed_or_becomes_too_large_is_refused) {
  rig r;
  r.create("t", 1,
           configs{{"compression.type", "zstd"}, {"compression.zstd.level", "22"}, {"max.message.bytes", "60"}});
  EXPECT_EQ(r.put("t", 0, {}).error, refusal::message_too_large);  // 50 bytes, and 22 more
  spec damaged;
  damaged.padding = 1;
  byte_vector e = fake_format::make(damaged);
  e.back() = std::byte{0xff};
  EXPECT_EQ(r.ask<model::produced>(rig::produce_of("t", 0, e)).items[0].error, refusal::corrupt_message);
  spec fits;
  fits.compression = 4;
  EXPECT_EQ(r.put("t", 0, fits).error, refusal::none);
  EXPECT_EQ(r.get("t", 0, 0).high_watermark.raw(), 1);
}

TEST(produce, recompressed_entries_of_one_request_all_arrive) {
  settings s;
  s.limits.record_bytes = 4096;  // several records of the store
  s.log.compression_type = "gzip";
  rig r(1, s);
  r.create("t", 40);
  spec one;
  one.padding = 900;
  const byte_vector e = fake_format::make(one);
  model::produce p;
  for (std::int32_t i = 0; i < 40; ++i) p.items.push_back({{"t", {}}, i, model::format_tag::kafka_batch_v2, e});
  for (const auto& i : r.ask<model::produced>(p).items) EXPECT_EQ(i.error, refusal::none) << i.detail;
  for (std::int32_t i = 0; i < 40; ++i) {
    const auto entries = r.get("t", i, 0).data.entries;
    EXPECT_EQ(fake_format().inspect(entries.at(0).payload, {})->compression, model::compression_kind::gzip) << i;
    EXPECT_EQ(entries.at(0).payload.size(), e.size());
  }
}

spec batch(std::int32_t first, std::size_t count = 1, std::int16_t epoch = 0, std::int64_t id = 7) {
  spec s;
  s.timestamps.assign(count, now_ms);
  s.producer_id = id;
  s.producer_epoch = epoch;
  s.first_sequence = first;
  return s;
}

TEST(idempotence, a_duplicate_is_answered_with_its_offset_and_not_written) {
  rig r;
  r.create("t");
  EXPECT_EQ(r.put("t", 0, batch(0, 3)).base.raw(), 0);
  for (std::int32_t i = 1; i < 6; ++i) EXPECT_EQ(r.put("t", 0, batch(i * 3, 3)).base.raw(), i * 3);
  // The last five are known, the one before is not.
  for (std::int32_t i = 1; i < 6; ++i) {
    const auto again = r.put("t", 0, batch(i * 3, 3));
    EXPECT_EQ(again.error, refusal::none);
    EXPECT_EQ(again.base.raw(), i * 3);
  }
  EXPECT_EQ(r.put("t", 0, batch(0, 3)).error, refusal::out_of_order_sequence);
  EXPECT_EQ(r.get("t", 0, 0).high_watermark.raw(), 18);
  EXPECT_EQ(r.at().stats().duplicates, 5U);
}

TEST(idempotence, a_duplicate_is_answered_with_the_first_copys_append_time) {
  for (const bool checkpoint : {false, true}) {
    rig r;
    r.create("stamped", 1, configs{{"message.timestamp.type", "LogAppendTime"}});
    r.create("as_is");
    const std::int64_t first = r.put("stamped", 0, batch(0)).append_time_ms;
    r.put("as_is", 0, batch(0));
    r.exec->run_for(5000);
    r.put("stamped", 0, batch(1));
    EXPECT_EQ(r.put("stamped", 0, batch(0)).append_time_ms, first);
    if (checkpoint) r.checkpoint();
    r.restart();
    EXPECT_EQ(r.put("stamped", 0, batch(0)).append_time_ms, first);
    EXPECT_EQ(r.put("stamped", 0, batch(1)).append_time_ms, first + 5000);
    EXPECT_EQ(r.put("as_is", 0, batch(0)).append_time_ms, -1);
    EXPECT_EQ(r.get("stamped", 0, 0).high_watermark.raw(), 2);
  }
}

// The first of a pipeline meets a full disk, the second does not: it must not take the first one's place.
TEST(idempotence, a_new_producer_begins_with_its_first_batch_after_a_refusal) {
  for (const errc why : {errc::no_space, errc::busy}) {
    rig r;
    r.create("t");
    const byte_vector first = fake_format::make(batch(0));
    r.store().set_room(why);
    auto p = rig::produce_of("t", 0, first);
    p.timeout_ms = 100;
    const std::uint64_t refused = r.send(p);
    r.exec->run_for(1000);
    EXPECT_EQ(r.me.get<model::produced>(refused).items[0].error,
              why == errc::busy ? refusal::timed_out : refusal::disk_full);
    r.store().set_room(errc::ok);
    EXPECT_EQ(r.put("t", 0, batch(1)).error, refusal::out_of_order_sequence);
    EXPECT_EQ(r.put("t", 0, batch(2)).error, refusal::out_of_order_sequence);
    EXPECT_EQ(r.put("t", 0, batch(1, 1, 0, 8)).error, refusal::none);  // another producer
    EXPECT_EQ(r.put("t", 0, batch(0)).error, refusal::none);
    EXPECT_EQ(r.put("t", 0, batch(1)).error, refusal::none);
    EXPECT_EQ(r.get("t", 0, 0).high_watermark.raw(), 3);
  }
}

TEST(idempotence, a_refused_beginning_is_not_held_against_a_producer_for_ever) {
  rig r;
  r.create("t");
  r.store().set_room(errc::no_space);
  r.put("t", 0, batch(0));
  r.put("t", 0, batch(0, 1, 0, 8));
  r.store().set_room(errc::ok);
  EXPECT_EQ(r.put("t", 0, batch(0, 1, 1, 8)).error, refusal::none);  // it raised its epoch
  r.exec->run_for(refused_producers::kept_ms + 1);
  EXPECT_EQ(r.put("t", 0, batch(1)).error, refusal::none);
}

TEST(idempotence, refused_beginnings_are_bounded) {
  refused_producers them;
  model::producer_facts f;
  f.producer_epoch = 0;
  f.first_sequence = 0;
  for (f.producer_id = 0; f.producer_id < 20'000; ++f.producer_id) them.remember(model::log_id(1), f, 0);
  EXPECT_EQ(them.size(), refused_producers::most);
  them.remember(model::log_id(1), f, refused_producers::kept_ms);  // all the others are too old now
  EXPECT_EQ(them.size(), 1U);
}

TEST(idempotence, a_duplicate_waits_for_the_first_copy) {
  rig r;
  r.create("t");
  const byte_vector e = fake_format::make(batch(0));
  const std::uint64_t first = r.send(rig::produce_of("t", 0, e));
  const std::uint64_t again = r.send(rig::produce_of("t", 0, e));
  EXPECT_FALSE(r.me.has(first));
  EXPECT_FALSE(r.me.has(again));
  r.settle();
  EXPECT_EQ(r.me.get<model::produced>(again).items.at(0).base.raw(), 0);
}

TEST(idempotence, gaps_epochs_and_unknown_producers) {
  rig r;
  r.create("t");
  EXPECT_EQ(r.put("t", 0, batch(41)).error, refusal::none);  // nothing is known: any sequence
  EXPECT_EQ(r.put("t", 0, batch(43)).error, refusal::out_of_order_sequence);
  EXPECT_EQ(r.put("t", 0, batch(42)).error, refusal::none);
  EXPECT_EQ(r.put("t", 0, batch(5, 1, 1)).error, refusal::out_of_order_sequence);  // a new epoch starts at 0
  EXPECT_EQ(r.put("t", 0, batch(0, 1, 1)).error, refusal::none);
  EXPECT_EQ(r.put("t", 0, batch(43, 1, 0)).error, refusal::invalid_producer_epoch);
  EXPECT_EQ(r.put("t", 0, batch(1, 1, 1)).error, refusal::none);
  spec broken = batch(-1);
  EXPECT_EQ(r.put("t", 0, broken).error, refusal::invalid_record);
}

TEST(idempotence, sequences_wrap) {
  rig r;
  r.create("t");
  EXPECT_EQ(r.put("t", 0, batch(INT32_MAX - 1, 2)).error, refusal::none);
  EXPECT_EQ(r.put("t", 0, batch(1)).error, refusal::out_of_order_sequence);
  EXPECT_EQ(r.put("t", 0, batch(0, 2)).error, refusal::none);
  EXPECT_EQ(r.put("t", 0, batch(INT32_MAX - 1, 2)).base.raw(), 0);
  EXPECT_EQ(r.put("t", 0, batch(2)).error, refusal::none);
}

TEST(idempotence, survives_a_crash_with_and_without_a_checkpoint) {
  for (const bool checkpoint : {false, true}) {
    rig r;
    r.create("t");
    for (std::int32_t i = 0; i < 4; ++i) r.put("t", 0, batch(i));
    if (checkpoint) r.checkpoint();
    r.put("t", 0, batch(4));
    r.restart();
    EXPECT_EQ(r.put("t", 0, batch(4)).base.raw(), 4) << checkpoint;
    EXPECT_EQ(r.put("t", 0, batch(0)).base.raw(), 0) << checkpoint;
    EXPECT_EQ(r.put("t", 0, batch(6)).error, refusal::out_of_order_sequence) << checkpoint;
    EXPECT_EQ(r.put("t", 0, batch(5)).base.raw(), 5) << checkpoint;
  }
}

TEST(idempotence, idle_producers_are_forgotten_by_use_and_by_the_sweep) {
  settings s;
  s.producer_id_expiration_ms = 10'000;
  s.producer_id_check_interval_ms = 60'000;
  rig r(1, s);
  r.create("t");
  r.put("t", 0, batch(0));
  r.exec->run_for(9'000);
  EXPECT_EQ(r.put("t", 0, batch(9)).error, refusal::out_of_order_sequence);
  r.exec->run_for(2'000);
  EXPECT_EQ(r.put("t", 0, batch(9)).error, refusal::none);
  EXPECT_EQ(r.at().stats().producers, 1U);
  r.exec->run_for(120'000);
  EXPECT_EQ(r.at().stats().producers, 0U);
}

TEST(idempotence, the_number_of_producers_is_bounded) {
  settings s;
  s.limits.producers_per_partition = 16;
  rig r(1, s);
  r.create("t");
  for (std::int64_t id = 0; id < 100; ++id) r.put("t", 0, batch(0, 1, 0, id));
  EXPECT_LE(r.at().stats().producers, 16U);
  EXPECT_EQ(r.put("t", 0, batch(0, 1, 0, 99)).base.raw(), 99);  // the newest are known
}

TEST(idempotence, producers_of_a_deleted_topic_are_not_counted) {
  rig r;
  r.create("t");
  r.create("u");
  const auto put = [&](std::string_view topic) {
    spec s;
    s.producer_id = 5;
    s.producer_epoch = 0;
    s.first_sequence = 0;
    EXPECT_EQ(r.put(topic, 0, s).error, refusal::none);
  };
  put("t");
  put("u");
  EXPECT_EQ(r.at().stats().producers, 2U);
  model::delete_topics d;
  d.topics.push_back({"t", {}});
  r.ask<model::topics_deleted>(d);
  EXPECT_EQ(r.at().stats().producers, 1U);
}

TEST(produce, waits_for_room_in_order_and_tells_publishers) {
  rig r;
  r.create("t");
  const byte_vector e = fake_format::make({});
  r.store().set_room(errc::busy);
  const std::uint64_t a = r.send(rig::produce_of("t", 0, e));
  const std::uint64_t b = r.send(rig::produce_of("t", 0, e));
  r.settle();
  EXPECT_FALSE(r.me.has(a));
  EXPECT_TRUE(r.me.paused);
  r.store().set_room(errc::ok);
  EXPECT_FALSE(r.me.paused);
  r.settle();
  EXPECT_EQ(r.me.get<model::produced>(a).items[0].base.raw(), 0);
  EXPECT_EQ(r.me.get<model::produced>(b).items[0].base.raw(), 1);
}

TEST(produce, nobody_overtakes_those_who_wait_for_room) {
  rig r;
  r.create("t");
  const byte_vector e = fake_format::make({});
  r.store().set_room(errc::busy);
  const std::uint64_t a = r.send(rig::produce_of("t", 0, e));
  r.store().set_room_silently(errc::ok);
  const std::uint64_t b = r.send(rig::produce_of("t", 0, e));
  r.settle();
  EXPECT_FALSE(r.me.has(b));
  r.exec->run_for(1000);  // looks by itself
  r.settle();
  EXPECT_EQ(r.me.get<model::produced>(a).items[0].base.raw(), 0);
  EXPECT_EQ(r.me.get<model::produced>(b).items[0].base.raw(), 1);
}

TEST(produce, waiting_is_bounded_in_bytes_and_time) {
  settings s;
  s.limits.waiting_produce_bytes = 10'000;
  rig r(1, s);
  r.create("t");
  spec big;
  big.padding = 6000;
  const byte_vector e = fake_format::make(big);
  r.store().set_room(errc::busy);
  auto p = rig::produce_of("t", 0, e);
  p.timeout_ms = 3000;
  const std::uint64_t kept = r.send(p);
  const std::uint64_t over = r.send(p);
  EXPECT_EQ(r.me.get<model::produced>(over).items[0].error, refusal::busy);
  r.exec->run_for(2000);
  EXPECT_FALSE(r.me.has(kept));
  r.exec->run_for(2000);
  EXPECT_EQ(r.me.get<model::produced>(kept).items[0].error, refusal::timed_out);
  EXPECT_FALSE(r.me.paused);
}

TEST(produce, what_waits_is_counted_with_what_it_costs_beside_its_bytes) {
  settings s;
  s.limits.waiting_produce_bytes = 100'000;
  rig r(1, s);
  r.create("t");
  r.store().set_room(errc::busy);
  std::size_t waiting = 0;
  for (int i = 0; i < 10'000; ++i) waiting += r.me.has(r.send(model::produce{})) ? 0 : 1;
  EXPECT_GT(waiting, 10U);
  EXPECT_LT(waiting, 1000U);
  r.store().set_room(errc::ok);
  r.settle();
  EXPECT_EQ(r.me.events.size(), 10'001U);  // with that of the topic
  // All of it is given back.
  r.store().set_room(errc::busy);
  const byte_vector e = fake_format::make({});
  const std::uint64_t put = r.send(rig::produce_of("t", 0, e));
  EXPECT_FALSE(r.me.has(put));
  r.store().set_room(errc::ok);
  r.settle();
  EXPECT_EQ(r.me.get<model::produced>(put).items[0].error, refusal::none);
}

// A sink may submit again before on_event returns; who was told to pause is told to go on all the same.
TEST(produce, pressure_ends_also_when_answers_bring_new_commands) {
  struct eager final : model::event_sink {
    explicit eager(rig& node) : r(node) {}
    void on_event(model::token t, model::event&& e) override {
      const auto error = std::get<model::produced>(e).items.at(0).error;
      if (error != refusal::none && t.raw() < 100) put(t.raw() + 100);
      if (error == refusal::none) ++good;
    }
    void on_pressure(bool p) override { paused = p; }
    void put(std::uint64_t token) {
      const byte_vector e = fake_format::make({});
      auto c = rig::produce_of(token < 100 ? "nowhere" : "t", 0, e);
      c.timeout_ms = 3000;
      r.port().submit(me, model::token(token), std::move(c));
    }
    rig& r;
    model::session_id me{};
    bool paused = false;
    int good = 0;
  };
  for (const bool expires : {false, true}) {
    rig r;
    r.create("t");
    eager sink(r);
    sink.me = r.port().attach(sink, r.who);
    r.store().set_room(errc::busy);
    sink.put(1);
    EXPECT_TRUE(sink.paused);
    if (expires) r.exec->run_for(4000);
    r.store().set_room(errc::ok);
    r.settle();
    EXPECT_EQ(sink.good, 1) << expires;
    EXPECT_FALSE(sink.paused) << expires;
    r.port().detach(sink.me);
  }
}

TEST(produce, a_full_disk_refuses_bulk_and_lets_trims_go_on) {
  rig r;
  r.create("t");
  r.put("t", 0, {});
  r.store().set_room(errc::no_space);
  EXPECT_EQ(r.put("t", 0, {}).error, refusal::disk_full);
  model::delete_records d;
  d.items.push_back({{"t", {}}, 0, model::offset(1)});
  EXPECT_EQ(r.ask<model::records_deleted>(d).items[0].low_watermark.raw(), 1);
  EXPECT_EQ(r.create("u").error, refusal::disk_full);
  r.store().set_room(errc::ok);
  EXPECT_EQ(r.put("t", 0, {}).error, refusal::none);
}

TEST(produce, a_fence_answers_everything_that_waits) {
  rig r;
  r.create("t");
  const byte_vector e = fake_format::make({});
  const std::uint64_t put = r.send(rig::produce_of("t", 0, e));
  const std::uint64_t poll = r.send(rig::fetch_of("t", 0, 0, 10'000));
  r.store().fence();
  EXPECT_EQ(r.me.get<model::produced>(put).items[0].error, refusal::storage_failed);
  EXPECT_EQ(r.me.get<model::produced>(put).items[0].base.raw(), -1);
  EXPECT_EQ(r.me.get<model::fetched>(poll).items[0].error, refusal::storage_failed);
  const std::uint64_t later = r.send(rig::produce_of("t", 0, e));
  EXPECT_EQ(r.me.get<model::produced>(later).items[0].error, refusal::storage_failed);
}

TEST(produce, strangers_are_denied) {
  rig r;
  r.create("t");
  client stranger;
  model::caller who;
  who.host = "10.0.0.1";
  const auto s = r.port().attach(stranger, who);
  const byte_vector e = fake_format::make({});
  r.port().submit(s, model::token(1), rig::produce_of("t", 0, e));
  r.port().submit(s, model::token(2), rig::fetch_of("t", 0, 0));
  r.port().submit(s, model::token(3), model::describe_topics{});
  r.settle();
  EXPECT_EQ(stranger.get<model::produced>(1).items[0].error, refusal::denied_topic);
  EXPECT_EQ(stranger.get<model::fetched>(2).items[0].error, refusal::denied_topic);
  EXPECT_TRUE(stranger.get<model::topics_described>(3).topics.empty());
}

TEST(produce, nothing_comes_after_detach) {
  rig r;
  r.create("t");
  const byte_vector e = fake_format::make({});
  const std::uint64_t put = r.send(rig::produce_of("t", 0, e));
  const std::uint64_t poll = r.send(rig::fetch_of("t", 0, 1, 10'000));
  r.port().detach(r.session);
  r.settle();
  r.exec->run_for(20'000);
  EXPECT_FALSE(r.me.has(put));
  EXPECT_FALSE(r.me.has(poll));
  EXPECT_EQ(r.at().stats().fetches_waiting, 0U);
}

}  // namespace
}  // namespace weir::broker::node_testing
