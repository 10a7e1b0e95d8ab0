// Golden timelines of static membership (KIP-345).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/groups/coordinator_rig.h"

namespace weir::broker::testing {
namespace {

using model::refusal;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Two static members in generation 1, x leads.
struct static_pair {
  explicit static_pair(rig& r, std::int32_t session_ms = 10'000) {
    x.session_ms = y.session_ms = session_ms;
    r.join(x);
    r.join(y);
    r.pass(1'000);
    // Which one leads is who came first; ids begin with the static name.
    r.sync(x, {{"one#1", "X"}, {"two#1", "Y"}});
    r.sync(y);
    (void)r.said();
  }
  client x{.name = "x", .instance = "one"};
  client y{.name = "y", .instance = "two"};
};

TEST(StaticMember, RestartedFollowerGoesOnWithoutRebalance) {
  rig r;
  static_pair m(r);
  const client before = m.y;
  m.y.member.clear();
  r.join(m.y);
  EXPECT_THAT(r.said(), ElementsAre("1000 y join: ok as two#2, generation 1, range, led by one#1"));
  r.sync(m.y);
  EXPECT_THAT(r.said(), ElementsAre("1000 y sync: ok \"Y\""));
  EXPECT_EQ(r.beat(before), refusal::fenced_instance);
  EXPECT_EQ(r.beat(m.x), refusal::none);
  EXPECT_EQ(r.state(), "Stable one#1=X two#2=Y");
}

TEST(StaticMember, RestartedLeaderOfAnOldClientIsNotToldThatItLeads) {
  rig r;
  static_pair m(r);
  m.x.member.clear();
  r.join(m.x);
  EXPECT_THAT(r.said(), ElementsAre("1000 x join: ok as one#2, generation 1, range, led by one#1"));
  r.sync(m.x);
  EXPECT_THAT(r.said(), ElementsAre("1000 x sync: ok \"X\""));
}

TEST(StaticMember, RestartedLeaderThatKnowsSkipsTheAssignment) {
  rig r;
  static_pair m(r);
  m.x.member.clear();
  m.x.knows_skip = true;
  r.join(m.x);
  EXPECT_THAT(r.said(), ElementsAre("1000 x join: ok as one#2, generation 1, range, led by one#2, skips assignment, "
                                    "members one#2=topics two#1=topics"));
}

TEST(StaticMember, RestartWithAnotherProtocolRebalances) {
  rig r;
  static_pair m(r);
  m.x.protocols = {{"range", "topics"}, {"sticky", "topics"}};
  r.join(m.x);
  m.y.protocols = {{"sticky", "topics"}, {"range", "topics"}};
  r.join(m.y);
  EXPECT_EQ(r.said().size(), 2U);
  r.sync(m.x, {{"one#1", "X"}, {"two#1", "Y"}});
  r.sync(m.y);
  (void)r.said();
  m.x.member.clear();
  m.x.protocols = {{"sticky", "topics"}};
  r.join(m.x);
  EXPECT_THAT(r.said(), IsEmpty());
  EXPECT_EQ(r.beat(m.y), refusal::rebalance_in_progress);
}

TEST(StaticMember, RestartWhileCompletingRebalances) {
  rig r;
  client x{.name = "x", .instance = "one"};
  client y{.name = "y", .instance = "two"};
  r.join(x);
  r.join(y);
  r.pass(1'000);
  r.sync(y);
  (void)r.said();
  x.member.clear();
  r.join(x);  // KAFKA-9801: the leader that should have assigned is gone
  EXPECT_THAT(r.said(), ElementsAre("1000 y sync: rebalance_in_progress"));
  r.join(y);
  EXPECT_THAT(
      r.said(),
      ElementsAre("1000 x join: ok as one#2, generation 2, range, led by one#2, members one#2=topics two#1=topics",
                  "1000 y join: ok as two#1, generation 2, range, led by one#2"));
}

TEST(StaticMember, DuplicateWhileParkedFencesTheFirst) {
  rig r;
  client x{.name = "x", .instance = "one"};
  client twin{.name = "twin", .instance = "one"};
  r.join(x);
  r.join(twin);
  EXPECT_THAT(r.said(), ElementsAre("0 x join: fenced_instance"));
  r.pass(1'000);
  EXPECT_THAT(r.said(),
              ElementsAre("500 twin join: ok as one#1, generation 1, range, led by one#1, members one#1=topics"));
}

TEST(StaticMember, StaysThroughARebalanceThatItMissesButNotBeyondItsSession) {
  rig r;
  client x{.name = "x", .session_ms = 200'000};
  client y{.name = "y", .instance = "two", .session_ms = 200'000};
  r.join(x);
  r.join(y);
  r.pass(1'000);
  r.sync(x, {{"x#1", "X"}, {"two#1", "Y"}});
  r.sync(y);
  (void)r.said();
  r.join(x);
  r.pass(60'000);
  EXPECT_THAT(r.said(),
              ElementsAre("61000 x join: ok as x#1, generation 2, range, led by x#1, members two#1=topics x#1=topics"));
}

TEST(StaticMember, OnlyStaticMembersLeftAreWaitedForUntilTheirSessionsEnd) {
  rig r;
  static_pair m(r, 100'000);
  client d{.name = "d", .id_required = true};
  r.join(d);
  r.join(d);  // starts a rebalance
  r.leave(client(d));
  r.pass(61'000);
  EXPECT_EQ(r.state(), "PreparingRebalance one#1 two#1") << "nobody rejoined, nobody is gone";
  r.pass(39'500);
  EXPECT_EQ(r.state(), "Empty");
}

TEST(StaticMember, AnAdministratorRemovesItByName) {
  rig r;
  static_pair m(r);
  client admin{.name = "admin", .instance = "two"};
  r.leave(admin);
  EXPECT_THAT(r.said(), ElementsAre("1000 admin leave: ok"));
  EXPECT_EQ(r.beat(m.y), refusal::unknown_member);
  EXPECT_EQ(r.beat(m.x), refusal::rebalance_in_progress);
  admin.instance = "nobody";
  r.leave(admin);
  EXPECT_THAT(r.said(), ElementsAre("1000 admin leave: unknown_member"));
}

TEST(StaticMember, WrongIdForANameIsFencedEverywhere) {
  rig r;
  static_pair m(r);
  client twin = m.y;
  twin.instance = "one";
  EXPECT_EQ(r.beat(twin), refusal::fenced_instance);
  r.join(twin);
  r.sync(twin);
  r.commit(twin, {{"t", 0, 1}});
  r.leave(twin);
  EXPECT_THAT(r.said(), ElementsAre("1000 y join: fenced_instance", "1000 y sync: fenced_instance",
                                    "1000 y commit: fenced_instance", "1000 y leave: fenced_instance"));
}

TEST(StaticMember, ReplacementSurvivesACrash) {
  rig r;
  static_pair m(r);
  m.y.member.clear();
  r.join(m.y);
  (void)r.said();
  for (const bool by_snapshot : {false, true}) {
    r.restart(by_snapshot);
    EXPECT_EQ(r.state(), "Stable one#1=X two#2=Y");
    EXPECT_EQ(r.beat(m.y), refusal::none);
  }
}

}  // namespace
}  // namespace weir::broker::testing
