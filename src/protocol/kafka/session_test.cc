#include "protocol/kafka/session.h"

#include <gtest/gtest.h>

#include "protocol/kafka/gen/messages.h"
#include "protocol/kafka/testing.h"

namespace weir::kafka {
namespace {

using testing::fake_broker;
using testing::fake_host;

struct conversation {
  session_options options;
  fake_host host;
  fake_broker broker;
  std::unique_ptr<session> s = std::make_unique<session>(host, broker, options);
  byte_vector input;
  byte_vector received;

  template<class R>
  void put(const R& r, std::int16_t version, std::int32_t correlation = 7) {
    protocol::output o;
    encode_request(r, version, correlation, "test", o);
    const auto b = flat(o);
    input.insert(input.end(), b.begin(), b.end());
  }
  static byte_vector flat(protocol::output& o) {
    std::vector<bytes> views;
    o.gather(views);
    byte_vector all;
    for (const bytes v : views) all.insert(all.end(), v.begin(), v.end());
    o.clear();
    return all;
  }
  void collect() {
    const byte_vector more = flat(s->out());
    received.insert(received.end(), more.begin(), more.end());
  }
  // Presents what was put, as a shell does.
  void play() {
    const std::size_t used = s->on_bytes(input, mono_ns(0));
    input.erase(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(used));
    collect();
  }
  // Correlation ids of all whole answers so far.
  std::vector<std::int32_t> answered() {
    std::vector<std::int32_t> ids;
    byte_reader in(received);
    while (in.remaining() >= 4) {
      const auto n = in.be<std::uint32_t>();
      const bytes frame = in.view(n);
      if (!in.ok()) break;
      ids.push_back(load_be<std::int32_t>(frame.data()));
    }
    return ids;
  }
  template<class R>
  R last(std::int16_t version) {
    const bytes frame = bytes(received).subspan(4);
    const auto h = decode_response_header(frame, R::api, version);
    EXPECT_TRUE(h);
    auto m = decode<R>(h->body, version);
    EXPECT_TRUE(m) << m.error().describe();
    return *m;
  }
};

heartbeat_request beat() {
  heartbeat_request r;
  r.group_id = "g";
  r.member_id = "m";
  return r;
}

fetch_request one_partition() {
  fetch_request r;
  auto& t = r.topics.emplace_back();
  t.name = "t";
  t.partitions.emplace_back();
  return r;
}

produce_request some_produce() {
  produce_request r;
  r.acks = -1;
  return r;
}

TEST(KafkaSession, AnswersLeaveInTheOrderOfTheRequests) {
  conversation c;
  c.broker.at_once = false;
  produce_request refused = some_produce();
  refused.acks = 7;  // answered without the core
  c.put(some_produce(), 9, 1);
  c.put(refused, 9, 2);
  c.put(some_produce(), 9, 3);
  c.play();
  EXPECT_TRUE(c.answered().empty());
  c.broker.deliver(1);  // the third request's answer comes first
  c.collect();
  EXPECT_TRUE(c.answered().empty());
  c.broker.deliver(0);
  c.collect();
  EXPECT_EQ(c.answered(), (std::vector<std::int32_t>{1, 2, 3}));
  EXPECT_GT(c.host.wakes, 0);
}

TEST(KafkaSession, WhatIsNoProduceWaitsForTheAnswersBeforeIt) {
  conversation c;
  c.broker.at_once = false;
  c.put(some_produce(), 9, 1);
  c.put(beat(), 4, 2);
  c.put(some_produce(), 9, 3);
  c.play();
  EXPECT_EQ(c.broker.waiting.size(), 1U);
  EXPECT_FALSE(c.s->wants_read());
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(c.broker.waiting.size(), 1U);
    c.broker.deliver(0);
    EXPECT_TRUE(c.s->wants_read());
    c.play();
  }
  EXPECT_EQ(c.answered(), (std::vector<std::int32_t>{1, 2, 3}));
}

TEST(KafkaSession, UnknownApiVersionsVersionIsAnsweredInVersionZero) {
  conversation c;
  byte_writer w(c.input);
  w.be<std::int32_t>(8 + 2 + 3);
  w.be<std::int16_t>(18);
  w.be<std::int16_t>(99);
  w.be<std::int32_t>(5);
  w.be<std::int16_t>(-1);
  w.raw(as_bytes("???"));
  c.play();
  ASSERT_EQ(c.answered(), std::vector<std::int32_t>{5});
  const auto r = c.last<api_versions_response>(0);
  EXPECT_EQ(r.error_code, error_code::unsupported_version);
  ASSERT_EQ(r.api_keys.size(), 1U);
  EXPECT_EQ(r.api_keys[0].key, 18);
  EXPECT_FALSE(c.s->wants_close());
}

TEST(KafkaSession, WhatNobodyServesEndsTheConnection) {
  for (const auto& [key, version] : std::vector<std::pair<int, int>>{{99, 0}, {17, 1}, {0, 2}, {0, 14}, {3, 14}}) {
    conversation c;
    byte_writer w(c.input);
    w.be<std::int32_t>(10);
    w.be<std::int16_t>(static_cast<std::int16_t>(key));
    w.be<std::int16_t>(static_cast<std::int16_t>(version));
    w.be<std::int32_t>(5);
    w.be<std::int16_t>(-1);
    c.play();
    EXPECT_TRUE(c.s->wants_close()) << key << " v" << version;
    EXPECT_FALSE(c.s->close_reason().empty());
    EXPECT_TRUE(c.answered().empty());
  }
}

TEST(KafkaSession, LengthsAreCheckedBeforeAnythingIsKept) {
  for (const std::int32_t length : {-1, 0, 7, (100 << 20) + 1, INT32_MAX, INT32_MIN}) {
    conversation c;
    byte_writer(c.input).be(length);
    c.play();
    EXPECT_TRUE(c.s->wants_close()) << length;
    EXPECT_EQ(c.s->needed(), 0U);
  }
}

TEST(KafkaSession, AdvertisesExactlyWhatItServes) {
  conversation c;
  c.put(api_versions_request{.client_software_name = "x", .client_software_version = "1"}, 4);
  c.play();
  const auto r = c.last<api_versions_response>(4);
  EXPECT_EQ(r.error_code, error_code::none);
  for (const auto& k : r.api_keys) EXPECT_NE(handler_of(static_cast<api_key>(k.key)), nullptr);
  EXPECT_TRUE(std::none_of(r.api_keys.begin(), r.api_keys.end(), [](const auto& k) { return k.key == 17; }));
  const auto produce = std::find_if(r.api_keys.begin(), r.api_keys.end(), [](const auto& k) { return k.key == 0; });
  ASSERT_NE(produce, r.api_keys.end());
  EXPECT_EQ(produce->min_version, 0);  // for the sake of old librdkafka
}

// What clients in the field look for: librdkafka before 2.11.1 for exactly these versions, kafkajs for a least version that it
// has (it never looks at ours), @platformatic/kafka and Java 4 for at least these greatest ones.
TEST(KafkaSession, ClientsOldAndNewFindTheirVersions) {
  conversation c;
  c.put(api_versions_request{.client_software_name = "x", .client_software_version = "1"}, 3);
  c.play();
  const auto r = c.last<api_versions_response>(3);
  const auto has = [&](int key, int version) {
    return std::any_of(r.api_keys.begin(), r.api_keys.end(), [&](const auto& k) {
      return k.key == key && k.min_version <= version && version <= k.max_version;
    });
  };
  for (const auto& [key, version] : std::vector<std::pair<int, int>>{
           {0, 0},  {0, 3},  {0, 7},  {1, 4},  {1, 10}, {2, 1},  {3, 0},  {8, 2},  {9, 1},  {10, 0}, {11, 0},
           {12, 0}, {13, 0}, {14, 0}, {18, 0}, {22, 0}, {23, 2}, {19, 2}, {20, 1}, {32, 1},  // old librdkafka, Java 4
           {1, 11}, {2, 3},  {3, 6},  {8, 5},  {9, 4},  {11, 5}, {14, 3}, {19, 3},           // kafkajs
           {1, 12}, {3, 9},  {8, 8},  {9, 8},  {10, 4}, {11, 6}, {14, 4}, {19, 7}}) {        // platformatic
    EXPECT_TRUE(has(key, version)) << "API " << key << " version " << version;
  }
  // ListOffsets 0 has another meaning than 1: who offers it must mean it.
  EXPECT_FALSE(has(2, 0));
}

TEST(KafkaSession, SoftwareNamesAreValidated) {
  for (const std::string_view bad : {"", "-x", "x.", "a b", "x\n"}) {
    conversation c;
    c.put(api_versions_request{.client_software_name = bad, .client_software_version = "1"}, 3);
    c.play();
    EXPECT_EQ(c.last<api_versions_response>(3).error_code, error_code::invalid_request) << bad;
  }
}

TEST(KafkaSession, ProduceWithoutAcksIsSilentAndAFailureClosesAfterTheAnswersBeforeIt) {
  conversation c;
  c.broker.at_once = false;
  produce_request silent = some_produce();
  silent.acks = 0;
  c.put(some_produce(), 9, 1);
  c.put(silent, 9, 2);
  c.play();
  ASSERT_EQ(c.broker.waiting.size(), 2U);
  c.broker.deliver(1);  // any event of a silent produce is a failure
  EXPECT_FALSE(c.s->wants_close());
  EXPECT_FALSE(c.s->wants_read());
  c.broker.deliver(0);
  c.collect();
  EXPECT_TRUE(c.s->wants_close());
  EXPECT_EQ(c.answered(), std::vector<std::int32_t>{1});
}

TEST(KafkaSession, InvalidAcksAreRefusedPerPartition) {
  conversation c;
  produce_request r;
  r.acks = 2;
  auto& t = r.topics.emplace_back();
  t.name = "t";
  t.partitions.resize(2);
  c.put(r, 9);
  c.play();
  const auto out = c.last<produce_response>(9);
  ASSERT_EQ(out.topics.size(), 1U);
  ASSERT_EQ(out.topics[0].partitions.size(), 2U);
  EXPECT_EQ(out.topics[0].partitions[1].error_code, error_code::invalid_required_acks);
  EXPECT_TRUE(c.broker.kinds.empty());
}

TEST(KafkaSession, OneFetchAtATimeAndTheRestWaitsUnread) {
  conversation c;
  c.broker.at_once = false;
  c.put(one_partition(), 12, 1);
  c.put(one_partition(), 12, 2);
  c.play();
  EXPECT_EQ(c.broker.waiting.size(), 1U);
  EXPECT_FALSE(c.s->wants_read());
  EXPECT_FALSE(c.input.empty());
  c.broker.deliver(0);
  EXPECT_TRUE(c.s->wants_read());
  c.play();
  EXPECT_EQ(c.broker.waiting.size(), 1U);
  c.broker.deliver(0);
  c.collect();
  EXPECT_EQ(c.answered(), (std::vector<std::int32_t>{1, 2}));
}

TEST(KafkaSession, PressureStopsProducesOnly) {
  conversation c;
  c.broker.press(true);
  c.put(beat(), 4, 1);
  produce_request r;
  r.acks = 1;
  c.put(r, 9, 2);
  c.play();
  EXPECT_EQ(c.answered(), std::vector<std::int32_t>{1});
  EXPECT_FALSE(c.s->wants_read());
  c.broker.press(false);
  EXPECT_TRUE(c.s->wants_read());
  c.play();
  EXPECT_EQ(c.answered(), (std::vector<std::int32_t>{1, 2}));
}

TEST(KafkaSession, MetadataAnswersWithTheDialledAddressOrTheAdvertisedOne) {
  conversation c;
  metadata_request all;
  all.topics = std::nullopt;
  c.put(all, 9);
  c.play();
  EXPECT_EQ(c.last<metadata_response>(9).brokers[0].host, "127.0.0.1");
  EXPECT_EQ(c.last<metadata_response>(9).brokers[0].port, 9092);
  conversation d;
  d.options.advertised = protocol::endpoint{"broker.example", 1234};
  d.put(all, 9);
  d.play();
  EXPECT_EQ(d.last<metadata_response>(9).brokers[0].host, "broker.example");
}

// librdkafka 2.16 sends the empty array of topics as four zero bytes: three of them are left over.
TEST(KafkaSession, BytesAfterARequestAreLetBe) {
  conversation c;
  byte_writer w(c.input);
  w.be<std::int32_t>(8 + 2 + 1 + 7);
  w.be<std::int16_t>(3);
  w.be<std::int16_t>(13);
  w.be<std::int32_t>(5);
  w.be<std::int16_t>(-1);
  w.be<std::int8_t>(0);  // no tagged fields in the header
  w.be<std::int32_t>(0);
  w.be<std::int8_t>(1);
  w.be<std::int16_t>(0);
  c.play();
  EXPECT_FALSE(c.s->wants_close()) << c.s->close_reason();
  EXPECT_EQ(c.answered(), std::vector<std::int32_t>{5});
}

// A request in every version, whole, in single bytes, and cut anywhere: the same answers, never more than
// asked.
TEST(KafkaSession, BytewiseEqualsWholeAndACutIsHarmless) {
  for_each_request([]<class R>() {
    if (handler_of(R::api) == nullptr) return;
    for (std::int16_t v = R::min_version; v <= R::max_version; ++v) {
      conversation whole;
      R r;
      if constexpr (std::is_same_v<R, api_versions_request>) r.client_software_name = r.client_software_version = "x";
      if constexpr (std::is_same_v<R, produce_request>) r.acks = 1;
      whole.put(r, v);
      const byte_vector request = whole.input;
      whole.play();
      EXPECT_EQ(whole.answered().size(), 1U) << info_of(R::api).name << " v" << v;
      conversation slow;
      for (const std::byte b : request) {
        slow.input.push_back(b);
        slow.play();
      }
      EXPECT_EQ(slow.received, whole.received);
      for (std::size_t n = 0; n < request.size(); ++n) {
        conversation cut;
        cut.input.assign(request.begin(), request.begin() + static_cast<std::ptrdiff_t>(n));
        cut.play();
        cut.s->on_closed();
        EXPECT_TRUE(cut.received.empty());
      }
    }
  });
}

// Version 1 has no place for the group's error: who does not see it would start from nothing.
TEST(KafkaSession, TheFirstOffsetFetchTellsTheCoordinatorsErrorOfEachPartition) {
  conversation c;
  c.broker.at_once = false;
  offset_fetch_request r;
  r.group_id = "g";
  auto& topics = r.topics.emplace();
  topics.emplace_back().name = "t";
  topics.back().partition_indexes = {0, 1};
  c.put(r, 1);
  c.play();
  std::get<model::offsets_fetched>(c.broker.waiting.at(0).second).error = model::refusal::coordinator_loading;
  c.broker.deliver(0);
  c.collect();
  const auto out = c.last<offset_fetch_response>(1);
  ASSERT_EQ(out.topics.at(0).partitions.size(), 2U);
  for (const auto& p : out.topics[0].partitions) EXPECT_EQ(p.error_code, error_code::coordinator_load_in_progress);
}

TEST(KafkaSession, WhatARequestNamesTwiceIsAnsweredOnce) {
  conversation c;
  metadata_request m;
  m.topics.emplace();
  for (const std::string_view name : {"a", "b", "a", "a"}) m.topics->emplace_back().name = name;
  c.put(m, 9);
  c.play();
  EXPECT_EQ(c.last<metadata_response>(9).topics.size(), 2U);
  describe_groups_request g;
  g.groups = {"g", "h", "g"};
  c.received.clear();
  c.put(g, 5);
  c.play();
  EXPECT_EQ(c.last<describe_groups_response>(5).groups.size(), 2U);
  offset_fetch_request o;
  for (int i = 0; i < 2; ++i) {
    o.groups.emplace_back().group_id = "g";
    auto& topics = o.groups.back().topics.emplace();
    topics.emplace_back().name = "t";
    topics.back().partition_indexes = {0, 1, 0};
  }
  c.received.clear();
  c.put(o, 8);
  c.play();
  const auto offsets = c.last<offset_fetch_response>(8);
  ASSERT_EQ(offsets.groups.size(), 1U);
  ASSERT_EQ(offsets.groups[0].topics.size(), 1U);
  EXPECT_EQ(offsets.groups[0].topics[0].partitions.size(), 2U);
}

TEST(KafkaSession, ARequestOfTooManyElementsEndsTheConnection) {
  for (const std::size_t n : {request_items_max, request_items_max + 1}) {
    conversation c;
    metadata_request m;
    m.topics.emplace(n);
    for (auto& t : *m.topics) t.name = "t";
    c.put(m, 8);
    c.play();
    EXPECT_EQ(c.s->wants_close(), n > request_items_max);
    EXPECT_EQ(c.answered().size(), n > request_items_max ? 0U : 1U);
  }
}

TEST(KafkaSession, OffsetsOfSeveralGroupsLeaveTogether) {
  conversation c;
  c.broker.at_once = false;
  offset_fetch_request r;
  for (const std::string_view g : {"a", "b"}) r.groups.emplace_back().group_id = g;
  c.put(r, 8, 1);
  c.play();
  ASSERT_EQ(c.broker.waiting.size(), 2U);
  c.broker.deliver(1);
  EXPECT_TRUE(c.answered().empty());
  c.broker.deliver(0);
  c.collect();
  const auto out = c.last<offset_fetch_response>(8);
  ASSERT_EQ(out.groups.size(), 2U);
  EXPECT_EQ(out.groups[1].group_id, "b");
}

// --- fetch sessions

fetch_response fetch_round(conversation& c, fetch_request r, std::int32_t id, std::int32_t epoch) {
  r.session_id = id;
  r.session_epoch = epoch;
  c.received.clear();
  c.put(r, 12);
  c.play();
  return c.last<fetch_response>(12);
}

TEST(FetchSession, OpensThenAnswersOnlyNews) {
  conversation c;
  const auto opened = fetch_round(c, one_partition(), 0, 0);
  ASSERT_NE(opened.session_id, 0);
  ASSERT_EQ(opened.topics.size(), 1U);
  const auto next = fetch_round(c, {}, opened.session_id, 1);
  EXPECT_EQ(next.error_code, error_code::none);
  EXPECT_TRUE(next.topics.empty());  // nothing new
}

TEST(FetchSession, WrongEpochsAndUnknownSessionsAreTold) {
  conversation c;
  const auto opened = fetch_round(c, one_partition(), 0, 0);
  EXPECT_EQ(fetch_round(c, {}, opened.session_id, 5).error_code, error_code::invalid_fetch_session_epoch);
  EXPECT_EQ(fetch_round(c, {}, opened.session_id + 1, 1).error_code, error_code::fetch_session_id_not_found);
  // Closing: sessionless from then on.
  EXPECT_EQ(fetch_round(c, one_partition(), opened.session_id, -1).session_id, 0);
  EXPECT_EQ(fetch_round(c, {}, opened.session_id, 1).error_code, error_code::fetch_session_id_not_found);
}

fetch_request partitions(std::string_view topic, std::int32_t first, std::int32_t count) {
  fetch_request r = one_partition();
  r.topics[0].name = topic;
  r.topics[0].partitions.resize(static_cast<std::size_t>(count));
  for (std::int32_t i = 0; i < count; ++i) r.topics[0].partitions[static_cast<std::size_t>(i)].index = first + i;
  return r;
}

TEST(FetchSession, APartitionThatIsNamedTwiceCountsOnce) {
  fetch_request r = partitions("t", 0, 3);
  r.topics.push_back(r.topics[0]);
  EXPECT_EQ(targets_of(r).size(), 3U);
  fetch_session s;
  s.update(r);
  EXPECT_EQ(s.targets.size(), 3U);
}

TEST(FetchSession, AllSessionsOfAConnectionShareTheirPartitions) {
  fetch_sessions all(3, 10);
  const auto open = [&](std::string_view topic, std::int32_t count) {
    fetch_request r = partitions(topic, 0, count);
    r.session_epoch = 0;
    return all.on_request(r, false);
  };
  const auto go_on = [&](std::int32_t id, std::int32_t epoch, fetch_request r = {}) {
    r.session_id = id;
    r.session_epoch = epoch;
    return all.on_request(r, false).error;
  };
  EXPECT_EQ(open("t", 11).session, nullptr);  // too large for any: sessionless
  const auto a = open("t", 6);
  const auto b = open("t", 4);
  ASSERT_TRUE(a.session && b.session);
  EXPECT_EQ(go_on(a.session->id, 1), error_code::none);
  const auto c = open("t", 1);  // b is the oldest now
  EXPECT_EQ(go_on(b.session->id, 1), error_code::fetch_session_id_not_found);
  EXPECT_EQ(go_on(a.session->id, 2, partitions("u", 0, 5)), error_code::fetch_session_id_not_found);  // it grew to 11
  EXPECT_EQ(go_on(a.session->id, 3), error_code::fetch_session_id_not_found);
  EXPECT_EQ(go_on(c.session->id, 1), error_code::none);
}

TEST(FetchSession, ErrorsAreToldEachTimeAndWhoGotRecordsGoesToTheEnd) {
  conversation c;
  c.broker.at_once = false;
  const auto round = [&](fetch_request r, std::int32_t id, std::int32_t epoch, auto change) {
    r.session_id = id;
    r.session_epoch = epoch;
    c.received.clear();
    c.put(r, 12);
    c.play();
    change(std::get<model::fetched>(c.broker.waiting.at(0).second).items);
    c.broker.deliver(0);
    c.collect();
    return c.last<fetch_response>(12);
  };
  const auto quiet = [](auto& items) {
    for (auto& i : items) i.high_watermark = model::offset(5);
  };
  const auto id = round(partitions("t", 0, 3), 0, 0, quiet).session_id;
  for (std::int32_t epoch = 1; epoch < 3; ++epoch) {
    const auto r = round({}, id, epoch, [&](auto& items) {
      quiet(items);
      items[1].error = model::refusal::not_leader;
    });
    ASSERT_EQ(r.topics.size(), 1U);
    ASSERT_EQ(r.topics[0].partitions.size(), 1U);
    EXPECT_EQ(r.topics[0].partitions[0].index, 1);
    EXPECT_EQ(r.topics[0].partitions[0].error_code, error_code::not_leader_or_follower);
  }
  const byte_vector record(70);
  const auto served = round({}, id, 3, [&](auto& items) {
    quiet(items);
    items[0].data.entries.push_back({.base = model::offset(0), .count = 1, .payload = record});
  });
  ASSERT_EQ(served.topics.at(0).partitions.size(), 2U);
  EXPECT_EQ(served.topics[0].partitions[0].index, 0);
  EXPECT_EQ(served.topics[0].partitions[1].index, 1);  // the error is over
  EXPECT_TRUE(round({}, id, 4, quiet).topics.empty());
  EXPECT_EQ(c.broker.fetched_partitions, (std::vector<std::int32_t>{1, 2, 0}));
}

TEST(FetchSession, ForgottenPartitionsAreNotAskedAgain) {
  fetch_session s;
  fetch_request r = one_partition();
  r.topics[0].partitions.resize(3);
  for (int i = 0; i < 3; ++i) r.topics[0].partitions[static_cast<std::size_t>(i)].index = i;
  s.update(r);
  ASSERT_EQ(s.targets.size(), 3U);
  fetch_request change = one_partition();
  change.topics[0].partitions[0].index = 2;
  change.topics[0].partitions[0].fetch_offset = 42;
  auto& gone = change.forgotten_topics.emplace_back();
  gone.name = "t";
  gone.partitions = {0};
  s.update(change);
  ASSERT_EQ(s.targets.size(), 2U);
  EXPECT_EQ(s.targets[0].partition, 1);
  EXPECT_EQ(s.targets[1].partition, 2);
  EXPECT_EQ(s.targets[1].from, 42);
}

}  // namespace
}  // namespace weir::kafka
