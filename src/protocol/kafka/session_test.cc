#include "protocol/kafka/session.h"

#include "protocol/kafka/session_testing.h"

namespace weir::kafka {
namespace {

using testing::conversation;
using testing::one_partition;

heartbeat_request beat() {
  heartbeat_request r;
  r.group_id = "g";
  r.member_id = "m";
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

TEST(KafkaSession, WhatIsUnsentStopsReadingOnlyAsLongAsItIs) {
  conversation c;
  c.host.unsent_bytes = protocol::output_high_bytes;
  c.put(beat(), 4, 1);
  c.play();
  EXPECT_TRUE(c.answered().empty());
  EXPECT_FALSE(c.s->wants_read());
  c.host.unsent_bytes = 0;  // all went out at once
  EXPECT_TRUE(c.s->wants_read());
  c.play();
  EXPECT_EQ(c.answered(), std::vector<std::int32_t>{1});
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

// A name is told with each of its partitions from here on: that product is what takes memory.
TEST(KafkaSession, ALongNameOverManyPartitionsEndsTheConnection) {
  const std::string name(text_bytes_max, 'x');
  const std::size_t fits = decoded_bytes_max / name.size();
  const auto ends = [&](const auto& request, std::int16_t version) {
    conversation c;
    c.put(request, version);
    c.play();
    EXPECT_EQ(c.answered().size(), c.s->wants_close() ? 0U : 1U);
    return c.s->wants_close();
  };
  for (const std::size_t n : {fits, fits + 1}) {
    fetch_request f;
    auto& t = f.topics.emplace_back();
    t.name = name;
    t.partitions.resize(n);
    EXPECT_EQ(ends(f, 4), n > fits);
    offset_fetch_request o;
    o.topics.emplace().emplace_back().name = name;
    o.topics->back().partition_indexes.resize(n);
    EXPECT_EQ(ends(o, 2), n > fits);
    offset_fetch_request several;
    several.groups.emplace_back().topics.emplace().emplace_back().name = name;
    several.groups[0].topics->back().partition_indexes.resize(n);
    EXPECT_EQ(ends(several, 8), n > fits);
    list_offsets_request l;
    l.topics.emplace_back().name = name;
    l.topics.back().partitions.resize(n);
    EXPECT_EQ(ends(l, 5), n > fits);
  }
}

TEST(KafkaSession, TheAnswersBeforeABadRequestStillLeave) {
  for (const bool too_long : {true, false}) {
    conversation c;
    c.broker.at_once = false;
    c.put(some_produce(), 9, 1);
    if (too_long) {
      byte_writer(c.input).be<std::int32_t>(INT32_MAX);
    } else {
      byte_writer w(c.input);
      w.be<std::int32_t>(10);
      w.be<std::int16_t>(0);
      w.be<std::int16_t>(8);
      w.be<std::int32_t>(2);
      w.be<std::int16_t>(-1);  // and no body
    }
    c.play();
    EXPECT_FALSE(c.s->wants_close());
    EXPECT_FALSE(c.s->wants_read());
    c.broker.deliver(0);
    c.collect();
    EXPECT_TRUE(c.s->wants_close());
    EXPECT_EQ(c.answered(), std::vector<std::int32_t>{1});
  }
}

TEST(KafkaSession, APartitionIsSearchedOncePerListOffsets) {
  conversation c;
  list_offsets_request r;
  r.topics.emplace_back().name = "t";
  for (const std::int32_t index : {0, 1, 0}) r.topics[0].partitions.push_back({.index = index, .timestamp = 5});
  c.put(r, 5);
  c.play();
  const auto out = c.last<list_offsets_response>(5);
  ASSERT_EQ(out.topics.at(0).partitions.size(), 3U);
  EXPECT_EQ(out.topics[0].partitions[0].error_code, error_code::none);
  EXPECT_EQ(out.topics[0].partitions[1].error_code, error_code::none);
  EXPECT_EQ(out.topics[0].partitions[2].error_code, error_code::invalid_request);
}

TEST(KafkaSession, AnyCursorOfDescribeTopicPartitionsIsTaken) {
  conversation c;
  describe_topic_partitions_request r;
  for (const std::string_view name : {"b", "a", "a"}) r.topics.emplace_back().name = name;
  r.cursor = {.topic_name = "a", .partition_index = INT32_MAX};
  c.put(r, 0);
  c.play();
  const auto out = c.last<describe_topic_partitions_response>(0);
  ASSERT_EQ(out.topics.size(), 2U);
  EXPECT_TRUE(out.topics[0].partitions.empty());
  EXPECT_EQ(out.topics[1].partitions.size(), 1U);
  EXPECT_FALSE(out.next_cursor);
}

TEST(KafkaSession, WhatCannotBeConfiguredIsRefusedInItsPlace) {
  conversation c;
  incremental_alter_configs_request r;
  const auto add = [&](std::int8_t type, std::string_view name, std::int8_t operation) {
    auto& one = r.resources.emplace_back();
    one.resource_type = type;
    one.resource_name = name;
    one.configs.push_back({.name = "k", .config_operation = operation, .value = "v"});
  };
  add(3, "foreign", 0);
  add(2, "a", 0);
  add(2, "odd", 4);
  add(2, "b", 1);
  add(32, "last", 0);
  c.put(r, 1);
  c.play();
  ASSERT_FALSE(c.s->wants_close()) << c.s->close_reason();
  const auto out = c.last<incremental_alter_configs_response>(1);
  ASSERT_EQ(out.responses.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(out.responses[i].resource_name, r.resources[i].resource_name);
    const bool fine = i == 1 || i == 3;
    EXPECT_EQ(out.responses[i].error_code, fine ? error_code::none : error_code::invalid_request) << i;
  }
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

}  // namespace
}  // namespace weir::kafka
