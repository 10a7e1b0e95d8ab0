#include "protocol/kafka/fetch_session.h"

#include "protocol/kafka/session_testing.h"

namespace weir::kafka {
namespace {

using testing::conversation;
using testing::one_partition;

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

TEST(FetchSession, NamesThatNoTopicHasAreNotRemembered) {
  fetch_sessions all(8);
  const std::string longest(249, 'x');
  const std::string longer(250, 'x');
  const auto ask = [&](const std::string& name, std::int32_t id, std::int32_t epoch) {
    fetch_request r = partitions(name, 0, 1);
    r.session_id = id;
    r.session_epoch = epoch;
    return all.on_request(r, false);
  };
  EXPECT_EQ(ask(longer, 0, 0).session, nullptr);
  const auto s = ask(longest, 0, 0).session;
  ASSERT_TRUE(s);
  EXPECT_EQ(ask(longer, s->id, 1).error, error_code::fetch_session_id_not_found);
  EXPECT_EQ(ask(longest, s->id, 2).error, error_code::fetch_session_id_not_found);
}

// The same as a plain walk over the request would do, whatever the order of its parts.
TEST(FetchSession, UpdatesFollowTheRequest) {
  fetch_session s;
  s.update(partitions("b", 0, 3));
  fetch_request r = partitions("c", 7, 1);
  r.topics.push_back(partitions("a", 5, 1).topics[0]);
  r.topics.push_back(partitions("b", 0, 2).topics[0]);
  r.topics.push_back(partitions("c", 6, 2).topics[0]);
  for (std::size_t i = 0; i < r.topics.size(); ++i)
    for (auto& p : r.topics[i].partitions) p.fetch_offset = static_cast<std::int64_t>(i) + 10;
  auto& gone = r.forgotten_topics.emplace_back();
  gone.name = "b";
  gone.partitions = {1, 2, 9};
  s.update(r);
  std::string seen;
  for (const fetch_target& t : s.targets)
    seen += t.name + std::to_string(t.partition) + "@" + std::to_string(t.from) + " ";
  EXPECT_EQ(seen, "b0@12 c7@10 a5@11 c6@13 ");
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
