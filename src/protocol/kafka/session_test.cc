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
