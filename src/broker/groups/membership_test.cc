// Golden timelines of membership: each test reads as "who does what" and the log as "when, who, what was
// answered".
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/groups/coordinator_rig.h"

namespace weir::broker::testing {
namespace {

using model::refusal;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using lines = std::vector<std::string>;

// a and b in generation 1, a leads, both synced.
struct pair_of_members {
  explicit pair_of_members(rig& r) {
    r.join(a);
    r.join(b);
    r.pass(1'000);
    r.sync(a, {{"a#1", "0,1"}, {"b#1", "2,3"}});
    r.sync(b);
    (void)r.said();
  }
  client a{.name = "a"};
  client b{.name = "b"};
};

TEST(Membership, FirstGenerationWaitsForArrivalsThenLeaderAssigns) {
  rig r;
  client a{.name = "a"};
  client b{.name = "b"};
  r.join(a);
  r.pass(300);
  r.join(b);
  r.pass(199);
  EXPECT_THAT(r.said(), IsEmpty());
  r.pass(1);  // 500: b came in this delay, so one more follows
  EXPECT_THAT(r.said(), IsEmpty());
  r.pass(500);
  EXPECT_THAT(r.said(),
              ElementsAre("1000 a join: ok as a#1, generation 1, range, led by a#1, members a#1=topics b#1=topics",
                          "1000 b join: ok as b#1, generation 1, range, led by a#1"));
  EXPECT_EQ(r.state(), "CompletingRebalance a#1 b#1");
  r.sync(b);
  EXPECT_THAT(r.said(), IsEmpty()) << "a follower waits for its leader";
  r.sync(a, {{"a#1", "0,1"}, {"b#1", "2,3"}});
  EXPECT_THAT(r.said(), ElementsAre("1000 a sync: ok \"0,1\"", "1000 b sync: ok \"2,3\""));
  EXPECT_EQ(r.state(), "Stable a#1=0,1 b#1=2,3");
}

TEST(Membership, InitialDelayEndsAtTheRebalanceTimeout) {
  rig r;
  std::vector<client> all;
  for (int i = 0; i < 6; ++i)
    all.push_back({.name = std::string(1, static_cast<char>('a' + i)), .rebalance_ms = 1'200});
  for (client& c : all) {
    r.join(c);
    r.pass(300);
  }
  const lines said = r.said();
  ASSERT_THAT(said, ::testing::SizeIs(::testing::Ge(4U)));
  EXPECT_TRUE(said[0].starts_with("1200 a join: ok")) << said[0];
}

TEST(Membership, MemberIdIsRequiredBeforeADynamicMemberCounts) {
  rig r;
  client a{.name = "a", .id_required = true};
  r.join(a);
  EXPECT_THAT(r.said(), ElementsAre("0 a join: member_id_required as a#1"));
  EXPECT_EQ(r.list(), "g:Empty:");
  r.join(a);
  r.pass(500);
  EXPECT_THAT(r.said(), ElementsAre("500 a join: ok as a#1, generation 1, range, led by a#1, members a#1=topics"));
}

TEST(Membership, PendingIdExpiresAndItsGroupWithIt) {
  rig r;
  client a{.name = "a", .id_required = true};
  r.join(a);
  r.pass(10'000);
  EXPECT_EQ(r.list(), "");
  (void)r.said();
  r.join(a);
  EXPECT_THAT(r.said(), ElementsAre("10000 a join: unknown_member"));
}

TEST(Membership, PendingMemberHoldsTheRebalanceUntilItJoinsOrExpires) {
  rig r;
  pair_of_members m(r);
  client c{.name = "c", .session_ms = 6'000, .id_required = true};
  r.join(c);  // has an id, is no member yet
  r.join(m.a);
  r.join(m.b);
  EXPECT_THAT(r.said(), ElementsAre("1000 c join: member_id_required as c#1"));
  r.pass(6'000);
  EXPECT_THAT(r.said(),
              ElementsAre("7000 a join: ok as a#1, generation 2, range, led by a#1, members a#1=topics b#1=topics",
                          "7000 b join: ok as b#1, generation 2, range, led by a#1"));
}

TEST(Membership, NewMemberRebalancesAndDynamicLaggardsAreDropped) {
  rig r;
  pair_of_members m(r);
  client c{.name = "c"};
  r.join(c);
  EXPECT_EQ(r.beat(m.a), refusal::rebalance_in_progress);
  r.join(m.a);
  for (int i = 0; i < 8; ++i) {  // b lives, but does not rejoin
    r.pass(8'000);
    if (i < 7) {
      EXPECT_EQ(r.beat(m.b), refusal::rebalance_in_progress);
    }
  }
  EXPECT_THAT(r.said(),
              ElementsAre("61000 a join: ok as a#1, generation 2, range, led by a#1, members a#1=topics c#1=topics",
                          "61000 c join: ok as c#1, generation 2, range, led by a#1"));
  EXPECT_EQ(r.beat(m.b), refusal::unknown_member);
}

TEST(Membership, SessionExpiryStartsARebalanceAndHeartbeatsPreventIt) {
  rig r;
  pair_of_members m(r);
  for (int i = 0; i < 5; ++i) {
    r.pass(5'000);
    EXPECT_EQ(r.beat(m.a), i < 1 ? refusal::none : refusal::rebalance_in_progress) << i;
  }
  r.join(m.a);
  EXPECT_THAT(r.said(), ElementsAre("26000 a join: ok as a#1, generation 2, range, led by a#1, members a#1=topics"));
  EXPECT_EQ(r.beat(m.b), refusal::unknown_member);
}

TEST(Membership, SessionsDoNotRunOutWhileAnAnswerIsParked) {
  rig r;
  pair_of_members m(r);
  client c{.name = "c", .session_ms = 30'000};
  r.join(c);
  r.join(m.a);
  r.pass(9'000);
  EXPECT_EQ(r.beat(m.b), refusal::rebalance_in_progress);
  r.pass(9'000);
  EXPECT_EQ(r.beat(m.b), refusal::rebalance_in_progress);
  r.pass(9'000);  // a has been parked for 27 s with a session of 10 s
  r.join(m.b);
  EXPECT_THAT(r.said(), ElementsAre("28000 a join: ok as a#1, generation 2, range, led by a#1, members "
                                    "a#1=topics b#1=topics c#1=topics",
                                    "28000 b join: ok as b#1, generation 2, range, led by a#1",
                                    "28000 c join: ok as c#1, generation 2, range, led by a#1"));
}

TEST(Membership, HeartbeatFollowsTheGroupsState) {
  rig r;
  client a{.name = "a"};
  EXPECT_EQ(r.beat(a), refusal::unknown_member);
  r.join(a);
  r.pass(500);
  EXPECT_EQ(r.beat(a), refusal::none) << "completing";
  r.sync(a, {{"a#1", "x"}});
  EXPECT_EQ(r.beat(a), refusal::none);
  client old = a;
  old.generation = 0;
  EXPECT_EQ(r.beat(old), refusal::illegal_generation);
  r.leave(a);
  EXPECT_EQ(r.beat(a), refusal::unknown_member);
  EXPECT_EQ(r.state(), "Empty");
}

TEST(Membership, FollowerRejoinRepeatsTheGenerationUnlessItChanged) {
  rig r;
  pair_of_members m(r);
  r.join(m.b);
  EXPECT_THAT(r.said(), ElementsAre("1000 b join: ok as b#1, generation 1, range, led by a#1"));
  m.b.protocols = {{"range", "other topics"}};
  r.join(m.b);
  EXPECT_THAT(r.said(), IsEmpty());
  r.join(m.a);
  EXPECT_THAT(
      r.said(),
      ElementsAre("1000 a join: ok as a#1, generation 2, range, led by a#1, members a#1=topics b#1=other topics",
                  "1000 b join: ok as b#1, generation 2, range, led by a#1"));
}

TEST(Membership, LeaderRejoinAlwaysRebalances) {
  rig r;
  pair_of_members m(r);
  r.join(m.a);
  EXPECT_THAT(r.said(), IsEmpty());
  EXPECT_EQ(r.beat(m.b), refusal::rebalance_in_progress);
}

TEST(Membership, RejoinWhileCompletingRepeatsOrRebalances) {
  rig r;
  client a{.name = "a"};
  client b{.name = "b"};
  r.join(a);
  r.join(b);
  r.pass(1'000);
  (void)r.said();
  r.join(a);  // the leader lost its answer: it gets the members again
  EXPECT_THAT(r.said(),
              ElementsAre("1000 a join: ok as a#1, generation 1, range, led by a#1, members a#1=topics b#1=topics"));
  r.sync(b);
  a.protocols = {{"range", "new"}};
  r.join(a);
  EXPECT_THAT(r.said(), ElementsAre("1000 b sync: rebalance_in_progress"));
}

TEST(Membership, WhoNeverSyncsIsRemovedAfterTheRebalanceTimeout) {
  rig r;
  client a{.name = "a", .session_ms = 100'000, .rebalance_ms = 20'000};
  client b{.name = "b", .session_ms = 100'000, .rebalance_ms = 20'000};
  r.join(a);
  r.join(b);
  r.pass(1'000);
  r.sync(b);
  (void)r.said();
  r.pass(20'000);
  EXPECT_THAT(r.said(), ElementsAre("21000 b sync: rebalance_in_progress"));
  EXPECT_EQ(r.state(), "PreparingRebalance b#1");
}

TEST(Membership, FirstJoinVersionUsesTheSessionTimeoutForRebalances) {
  rig r;
  pair_of_members m(r);
  m.a.rebalance_ms = m.b.rebalance_ms = -1;
  r.join(m.a);  // takes the new terms
  r.join(m.b);
  (void)r.said();
  client c{.name = "c", .rebalance_ms = -1};
  r.sync(m.a);
  r.sync(m.b);
  r.join(c);
  r.join(m.a);
  (void)r.said();
  r.pass(10'000);
  EXPECT_THAT(r.said(),
              ElementsAre("11000 a join: ok as a#1, generation 3, range, led by a#1, members a#1=topics c#1=topics",
                          "11000 c join: ok as c#1, generation 3, range, led by a#1"));
}

TEST(Membership, ProtocolIsTheMostWantedOfTheCommonOnes) {
  rig r;
  client a{.name = "a", .protocols = {{"sticky", "s"}, {"range", "r"}, {"rare", "x"}}};
  client b{.name = "b", .protocols = {{"range", "r"}, {"sticky", "s"}}};
  client c{.name = "c", .protocols = {{"range", "r"}, {"sticky", "s"}}};
  client d{.name = "d", .protocols = {{"rare", "x"}}};
  r.join(a);
  r.join(b);
  r.join(c);
  r.join(d);
  EXPECT_THAT(r.said(), ElementsAre("0 d join: inconsistent_protocol"));
  r.pass(1'000);
  EXPECT_THAT(r.said(),
              ElementsAre("1000 a join: ok as a#1, generation 1, range, led by a#1, members a#1=r b#1=r c#1=r",
                          "1000 b join: ok as b#1, generation 1, range, led by a#1",
                          "1000 c join: ok as c#1, generation 1, range, led by a#1"));
}

TEST(Membership, LimitsAreKept) {
  rig r({.session_timeout_min_ms = 6'000, .session_timeout_max_ms = 20'000, .members_max = 2});
  client a{.name = "a", .session_ms = 5'999};
  client b{.name = "b", .session_ms = 20'001};
  r.join(a);
  r.join(b);
  EXPECT_THAT(r.said(), ElementsAre("0 a join: invalid_session_timeout", "0 b join: invalid_session_timeout"));
  a.session_ms = b.session_ms = 20'000;
  r.join(a);
  r.join(b);
  client c{.name = "c"};
  r.join(c);
  EXPECT_THAT(r.said(), ElementsAre("0 c join: group_full"));
  r.join(c, "");
  EXPECT_THAT(r.said(), ElementsAre("0 c join: invalid_group"));
  r.pass(1'000);
  r.join(c);
  EXPECT_EQ(r.said().back(), "1000 c join: group_full");
}

TEST(Membership, WhatMembersBringIsBounded) {
  rig r({.member_bytes_max = 1000, .members_bytes_max = 4000});
  client huge{.name = "huge", .protocols = {{"range", std::string(1000, 'x')}}};
  r.join(huge);
  client many{.name = "many"};
  many.protocols.clear();
  for (int i = 0; i < 100; ++i) many.protocols.emplace_back(std::to_string(i), "");
  r.join(many);
  EXPECT_THAT(r.said(), ElementsAre("0 huge join: invalid_request", "0 many join: invalid_request"));
  client a{.name = "a", .protocols = {{"range", std::string(900, 'x')}}};
  client b{.name = "b", .protocols = {{"range", std::string(900, 'x')}}};
  client c{.name = "c", .protocols = {{"range", std::string(900, 'x')}}};
  r.join(a);
  r.join(b, "other");
  r.join(c);
  EXPECT_THAT(r.said(), ElementsAre("0 c join: group_full"));
  r.pass(1000);
  (void)r.said();
  r.sync(b, {{"b#1", "B"}}, "other");
  r.join(b, "other");  // who is in already takes no more than before
  EXPECT_EQ(r.said().size(), 2U);
  EXPECT_EQ(b.generation, 2);
  r.leave(b, "other");
  r.join(c);
  EXPECT_THAT(r.said(), ElementsAre("1000 b leave: ok"));  // c waits for a
  EXPECT_EQ(r.state(), "PreparingRebalance a#1 c#1");
}

// Also by those who took an id and never come back with it.
TEST(Membership, NamesOfMembersAreBounded) {
  rig r({.members_bytes_max = 30'000});
  const auto joined = [&r](bool id_required) {
    std::size_t in = 0;
    for (int i = 0; i < 100; ++i) {
      client c{.name = std::string(1000, 'n'), .id_required = id_required, .waiter = 1};
      r.join(c);
      in += r.said() == lines{std::to_string(r.time.ms()) + " " + c.name + " join: group_full"} ? 0 : 1;
    }
    r.groups->drop(waiter_id{1});
    return in;
  };
  for (const bool id_required : {true, true, false}) {
    const std::size_t in = joined(id_required);
    EXPECT_GT(in, 5U) << id_required;
    EXPECT_LT(in, 30U) << id_required;
    r.pass(20'000);
    (void)r.said();
  }
}

TEST(Membership, LastOneOutLeavesAnEmptyGroupBehind) {
  rig r;
  pair_of_members m(r);
  r.leave(m.a);
  EXPECT_EQ(r.beat(m.b), refusal::rebalance_in_progress);
  r.leave(m.a);
  r.leave(m.b);
  EXPECT_THAT(r.said(), ElementsAre("1000 a leave: ok", "1000 a leave: unknown_member", "1000 b leave: ok"));
  EXPECT_EQ(r.state(), "Empty");
  EXPECT_EQ(r.list(), "g:Empty:consumer");
}

TEST(Membership, LeavingWhileParkedAnswersTheJoin) {
  rig r;
  client a{.name = "a", .id_required = true};
  r.join(a);
  r.join(a);
  (void)r.said();
  client same = a;
  r.leave(same);
  EXPECT_THAT(r.said(), ElementsAre("0 a join: unknown_member", "0 a leave: ok"));
}

TEST(Membership, DroppedSessionIsForgottenAndItsMemberExpires) {
  rig r;
  pair_of_members m(r);
  client c{.name = "c", .waiter = 5};
  r.join(c);
  r.groups->drop(waiter_id{5});
  r.join(m.a);
  r.join(m.b);
  EXPECT_THAT(r.said(), IsEmpty()) << "c may still come back";
  r.pass(10'000);
  EXPECT_THAT(r.said(),
              ElementsAre("11000 a join: ok as a#1, generation 2, range, led by a#1, members a#1=topics b#1=topics",
                          "11000 b join: ok as b#1, generation 2, range, led by a#1"));
}

TEST(Membership, NewMemberHasFiveMinutesEvenWhileItWaits) {
  rig r;
  pair_of_members m(r);
  m.a.rebalance_ms = 600'000;
  client c{.name = "c", .rebalance_ms = 600'000};
  r.join(m.a);
  r.join(c);
  for (int i = 0; i < 299; ++i) {
    r.pass(1'000);
    ASSERT_EQ(r.beat(m.b), refusal::rebalance_in_progress);
  }
  EXPECT_THAT(r.said(), IsEmpty());
  r.pass(1'000);
  EXPECT_THAT(r.said(), ElementsAre("301000 c join: unknown_member"));
}

}  // namespace
}  // namespace weir::broker::testing
