// Committed offsets: who may commit, what is kept, how it ends, and that answers wait for the disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/groups/coordinator_rig.h"

namespace weir::broker::testing {
namespace {

using model::refusal;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

client member_of(rig& r, const std::string& topics_read = "t", const std::string& group = "g") {
  client a{.name = "a", .protocols = {{"range", subscription_to({topics_read})}}};
  r.join(a, group);
  r.pass(500);
  r.sync(a, {{a.member, "all"}}, group);
  (void)r.said();
  return a;
}

TEST(Offsets, SimpleConsumerCommitsWhileTheGroupIsEmpty) {
  rig r;
  client solo{.name = "solo"};
  r.commit(solo, {{"t", 3, 42, "note", 7}, {"t", 1, 5}, {"u", 0, 9}});
  EXPECT_THAT(r.said(), ElementsAre("0 solo commit: ok ok ok"));
  EXPECT_EQ(r.fetch({{"t", 1}, {"t", 2}, {"t", 3}, {"u", 0}}), "t/1@5 t/2@-1 t/3@42:note(7) u/0@9");
  EXPECT_EQ(r.fetch_all(), "t/1@5 t/3@42:note(7) u/0@9");
  EXPECT_EQ(r.list(), "g:Empty:");
  r.commit(solo, {{"t", 3, 43}});
  EXPECT_EQ(r.fetch({{"t", 3}}), "t/3@43") << "the old note and epoch are gone with the old offset";
}

TEST(Offsets, GenerationRules) {
  rig r;
  client a = member_of(r);
  client stranger{.name = "stranger"};
  r.commit(stranger, {{"t", 0, 1}});
  client old = a;
  old.generation = 0;
  r.commit(old, {{"t", 0, 1}});
  client ghost = a;
  ghost.member = "ghost";
  r.commit(ghost, {{"t", 0, 1}});
  r.commit(ghost, {{"t", 0, 1}}, "no such group");
  r.commit(a, {{"t", 0, 10}});
  EXPECT_THAT(r.said(),
              ElementsAre("500 stranger commit: unknown_member", "500 a commit: illegal_generation",
                          "500 a commit: unknown_member", "500 a commit: illegal_generation", "500 a commit: ok"));
  client b{.name = "b", .protocols = a.protocols};
  r.join(b);  // preparing: the old generation may still commit
  r.commit(a, {{"t", 0, 11}});
  EXPECT_THAT(r.said(), ElementsAre("500 a commit: ok"));
  const client before = a;
  r.join(a);
  (void)r.said();
  r.commit(a, {{"t", 0, 12}});
  r.commit(before, {{"t", 0, 13}});
  EXPECT_THAT(r.said(), ElementsAre("500 a commit: rebalance_in_progress", "500 a commit: illegal_generation"));
  EXPECT_EQ(r.fetch({{"t", 0}}), "t/0@11");
}

TEST(Offsets, RefusesItemsNotCommits) {
  rig r;
  client solo{.name = "solo"};
  r.commit(solo,
           {{"t", 0, 1, std::string(4'097, 'x')}, {"nope", 0, 1}, {"u", 10, 1}, {"u", 9, 1, std::string(4'096, 'y')}});
  EXPECT_THAT(r.said(), ElementsAre("0 solo commit: offset_metadata_too_large unknown_topic_or_partition "
                                    "unknown_topic_or_partition ok"));
  EXPECT_EQ(r.fetch({{"t", 0}, {"nope", 0}}), "t/0@-1 nope/0@-1");
  r.commit(solo, {{"t", 0, 1, std::string(4'097, 'x')}}, "other");
  EXPECT_EQ(r.list(), "g:Empty:") << "a commit of nothing makes no group";
}

TEST(Offsets, AnswersWaitForTheDiskAndSoDoReaders) {
  rig r;
  r.journal.auto_durable = false;
  client solo{.name = "solo"};
  r.commit(solo, {{"t", 0, 1}});
  bool read = false;
  r.groups->fetch_offsets(rig::shard, r.who, {.group = "g", .items = {}}, [&](model::offsets_fetched&& e) {
    read = true;
    EXPECT_EQ(e.items.at(0).at.raw(), 1);
  });
  EXPECT_THAT(r.said(), IsEmpty());
  EXPECT_FALSE(read);
  r.settle();
  EXPECT_THAT(r.said(), ElementsAre("0 solo commit: ok"));
  EXPECT_TRUE(read);
  // An absence is an observation, too.
  bool gone = false;
  r.groups->remove(rig::shard, r.who, {.groups = {"g"}}, [](model::groups_deleted&&) {});
  r.groups->fetch_offsets(rig::shard, r.who, {.group = "g", .items = {}},
                          [&](model::offsets_fetched&& e) { gone = e.items.empty(); });
  EXPECT_FALSE(gone);
  r.settle();
  EXPECT_TRUE(gone);
}

TEST(Offsets, WhoSeesATopicsOffsetsGoneWaitsForTheDeletion) {
  rig r;
  client solo{.name = "solo"};
  r.commit(solo, {{"t", 0, 1}});
  r.journal.auto_durable = false;
  r.groups->on_topic_deleted(r.topics.remove("t"));
  bool answered = false;
  r.groups->fetch_offsets(rig::shard, r.who, {.group = "g", .items = {}}, [&](model::offsets_fetched&& e) {
    answered = true;
    EXPECT_TRUE(e.items.empty());
  });
  EXPECT_FALSE(answered);
  r.settle();
  EXPECT_TRUE(answered);
}

TEST(Offsets, ACommitKeepsItsMemberAlive) {
  rig r;
  client a = member_of(r);
  for (int i = 0; i < 5; ++i) {
    r.pass(9'000);
    r.commit(a, {{"t", 0, i}});
  }
  EXPECT_EQ(r.beat(a), refusal::none);
}

TEST(Offsets, AssignmentIsOnDiskBeforeAnybodyHearsOfIt) {
  rig r;
  r.journal.auto_durable = false;
  client a{.name = "a"};
  client b{.name = "b"};
  r.join(a);
  r.join(b);
  r.pass(1'000);
  r.settle();
  (void)r.said();
  r.sync(b);
  r.sync(a, {{"a#1", "A"}, {"b#1", "B"}});
  EXPECT_THAT(r.said(), IsEmpty());
  EXPECT_EQ(r.beat(b), refusal::none);
  r.settle();
  EXPECT_THAT(r.said(), ElementsAre("1000 a sync: ok \"A\"", "1000 b sync: ok \"B\""));
}

TEST(Offsets, RebalanceDuringTheWriteWins) {
  rig r;
  r.journal.auto_durable = false;
  client a{.name = "a"};
  client b{.name = "b"};
  r.join(a);
  r.pass(1'000);
  r.settle();
  (void)r.said();
  r.sync(a, {{"a#1", "A"}});
  r.join(b);
  r.settle();
  EXPECT_THAT(r.said(), ElementsAre("1000 a sync: rebalance_in_progress"));
  EXPECT_EQ(r.state(), "PreparingRebalance a#1 b#1");
}

TEST(Offsets, RefusedWritesAreTemporaryRefusals) {
  rig r;
  client a{.name = "a"};
  r.join(a);
  r.pass(500);
  (void)r.said();
  r.journal.refusing = true;
  r.sync(a, {{"a#1", "A"}});
  client solo{.name = "solo"};
  r.commit(solo, {{"t", 0, 1}}, "other");
  EXPECT_THAT(r.said(),
              ElementsAre("500 a sync: coordinator_not_available", "500 solo commit: coordinator_not_available"));
  EXPECT_EQ(r.list(), "g:PreparingRebalance:consumer");
  r.journal.refusing = false;
  r.join(a);
  r.sync(a, {{"a#1", "A"}});
  EXPECT_EQ(r.said().back(), "500 a sync: ok \"A\"");
}

// What does not fit a record never will: nobody is told to try again.
TEST(Offsets, WhatIsTooLargeForARecordIsSaidSo) {
  rig r;
  client a{.name = "a"};
  r.join(a);
  r.pass(500);
  (void)r.said();
  r.journal.refusing = true;
  r.journal.why = errc::out_of_range;
  r.sync(a, {{"a#1", "A"}});
  client solo{.name = "solo"};
  r.commit(solo, {{"t", 0, 1}}, "other");
  EXPECT_THAT(r.said(), ElementsAre("500 a sync: internal", "500 solo commit: commit_too_large"));
}

TEST(Offsets, WhatGroupsKeepForEverHasALimitAndWhatIsThereMovesOn) {
  group_settings s;
  s.stored_bytes_max = 64 << 10;
  rig r(s);
  client solo{.name = "solo"};
  const std::string text(4'000, 'x');
  int refused = 0;
  for (int i = 0; i < 100; ++i) {
    r.commit(solo, {{"t", 0, 1, text}}, "g" + std::to_string(i));
    refused += r.said().back().ends_with("commit_too_large") ? 1 : 0;
    EXPECT_LE(r.groups->stored_bytes(), s.stored_bytes_max);
  }
  EXPECT_GE(refused, 80);
  EXPECT_LT(refused, 90);
  r.commit(solo, {{"t", 0, 2, text}}, "g0");
  EXPECT_TRUE(r.said().back().ends_with("commit: ok"));
  EXPECT_EQ(r.fetch({{"t", 0}}, "g0"), "t/0@2:" + text);
  r.commit(solo, {{"t", 1, 2, text}}, "g0");
  EXPECT_TRUE(r.said().back().ends_with("commit_too_large"));
  // What is given back can be used.
  EXPECT_EQ(r.remove("g1"), refusal::none);
  r.commit(solo, {{"t", 1, 2, text}}, "g0");
  EXPECT_TRUE(r.said().back().ends_with("commit: ok"));
}

TEST(Offsets, NoGroupIsMadeByAJoinPastWhatGroupsMayKeep) {
  group_settings s;
  s.stored_bytes_max = 8 << 10;
  rig r(s);
  client solo{.name = "solo"};
  for (int i = 0; r.groups->stored_bytes() < s.stored_bytes_max && i < 100; ++i) {
    r.commit(solo, {{"t", 0, 1, std::string(s.stored_bytes_max - r.groups->stored_bytes() > 4'500 ? 4'000 : 0, 'x')}},
             "g" + std::to_string(i));
    if (r.said().back().ends_with("commit_too_large")) break;
  }
  // The last bytes.
  const std::size_t left = s.stored_bytes_max - r.groups->stored_bytes();
  r.commit(solo, {{"t", 0, 2, std::string(left, 'y')}}, "g5");
  EXPECT_TRUE(r.said().back().ends_with("commit: ok"));
  EXPECT_EQ(r.groups->stored_bytes(), s.stored_bytes_max);
  client a{.name = "a"};
  r.join(a, "fresh");
  r.pass(500);
  EXPECT_THAT(r.said().back(), ::testing::HasSubstr("group_full"));
}

TEST(Offsets, GoneWithTheirTopicAndNotInheritedByItsSuccessor) {
  rig r;
  client solo{.name = "solo"};
  r.commit(solo, {{"t", 0, 10}, {"u", 0, 20}});
  r.groups->on_topic_deleted(r.topics.remove("t"));
  r.topics.add("t", 4);
  EXPECT_EQ(r.fetch({{"t", 0}, {"u", 0}}), "t/0@-1 u/0@20");
  EXPECT_EQ(r.fetch_all(), "u/0@20");
}

TEST(Offsets, OfATopicDeletedUnseenAreForgottenAtStart) {
  rig r;
  client solo{.name = "solo"};
  r.commit(solo, {{"t", 0, 10}, {"u", 0, 20}});
  (void)r.topics.remove("t");
  const std::size_t before = r.journal.entries.size();
  r.restart(false);
  EXPECT_EQ(r.journal.entries.size(), before + 1);
  EXPECT_EQ(r.fetch_all(), "u/0@20");
}

TEST(Offsets, NeverExpireUnlessConfigured) {
  rig r;
  client solo{.name = "solo"};
  r.commit(solo, {{"t", 0, 10}});
  r.pass(400LL * 24 * 3600 * 1000);
  EXPECT_EQ(r.fetch_all(), "t/0@10");
}

TEST(Offsets, ExpireOnceTheGroupHasBeenEmptyLongEnough) {
  rig r({.offset_retention_ms = 3'600'000});
  client a = member_of(r);
  r.commit(a, {{"t", 0, 10}, {"u", 0, 20}});
  for (int i = 0; i < 900; ++i) {
    r.pass(5'000);
    ASSERT_EQ(r.beat(a), refusal::none);
  }
  EXPECT_EQ(r.fetch_all(), "t/0@10") << "nobody subscribes to u";
  r.leave(a);
  r.pass(3'500'000);
  EXPECT_EQ(r.fetch_all(), "t/0@10");
  r.pass(700'000);
  EXPECT_EQ(r.fetch_all(), "");
  EXPECT_EQ(r.list(), "") << "an empty group without offsets ends";
}

TEST(Offsets, ARetentionThatTheClientAsksForCounts) {
  rig r;
  client solo{.name = "solo"};
  r.commit(solo, {{"t", 0, 10}}, "g", 60'000);
  r.commit(solo, {{"u", 0, 20}});
  r.pass(600'000);
  EXPECT_EQ(r.fetch_all(), "u/0@20");
}

TEST(Offsets, ARetentionBeyondAllTimeIsForEver) {
  rig r({.offset_retention_ms = 60'000});
  client solo{.name = "solo"};
  r.commit(solo, {{"t", 0, 10}}, "g", INT64_MAX);
  r.commit(solo, {{"u", 0, 20}});
  r.pass(1'200'000);
  EXPECT_EQ(r.fetch_all(), "t/0@10");
}

TEST(Offsets, DeletedOnlyWhereNobodyReads) {
  rig r;
  client a = member_of(r, "t");
  r.commit(a, {{"t", 0, 10}, {"u", 0, 20}});
  EXPECT_EQ(r.remove_offsets({{"t", 0}, {"u", 0}, {"u", 1}, {"nope", 0}}),
            "ok group_subscribed ok ok unknown_topic_or_partition");
  EXPECT_EQ(r.fetch_all(), "t/0@10");
  EXPECT_EQ(r.remove_offsets({{"t", 0}}, "nobody"), "group_not_found");
  r.leave(a);
  EXPECT_EQ(r.remove_offsets({{"t", 0}}), "ok ok");
  EXPECT_EQ(r.fetch_all(), "");
}

// What a record says must be readable again at the next start, whatever a request named twice.
TEST(Offsets, DeletedOnceHoweverOftenARequestNamesThem) {
  for (const bool by_snapshot : {false, true}) {
    rig r;
    client solo{.name = "solo"};
    r.commit(solo, {{"t", 0, 10}, {"t", 1, 11}, {"u", 0, 20}, {"u", 1, 21}});
    EXPECT_EQ(r.remove_offsets({{"t", 0}, {"t", 1}, {"t", 0}, {"u", 0}, {"t", 1}, {"u", 0}, {"t", 0}}),
              "ok ok ok ok ok ok ok ok");
    r.restart(by_snapshot);
    EXPECT_EQ(r.fetch_all(), "u/1@21");
  }
}

TEST(Offsets, UnreadableSubscriptionsProtectEverything) {
  rig r;
  client a{.name = "a"};  // its metadata is no subscription
  r.join(a);
  r.pass(500);
  r.sync(a, {{"a#1", "A"}});
  r.commit(a, {{"u", 0, 1}});
  EXPECT_EQ(r.remove_offsets({{"u", 0}}), "ok group_subscribed");
}

TEST(Groups, DeletedOnlyWhenEmpty) {
  rig r;
  client a = member_of(r);
  r.commit(a, {{"t", 0, 10}});
  EXPECT_EQ(r.remove(), refusal::group_not_empty);
  EXPECT_EQ(r.remove("nobody"), refusal::group_not_found);
  r.leave(a);
  EXPECT_EQ(r.remove(), refusal::none);
  EXPECT_EQ(r.state(), "Dead group_not_found");
  EXPECT_EQ(r.fetch_all(), "");
  r.restart(false);
  EXPECT_EQ(r.list(), "");
}

TEST(Groups, ListFiltersByStateAndType) {
  rig r;
  client a = member_of(r, "t", "busy");
  client solo{.name = "solo"};
  r.commit(solo, {{"t", 0, 1}}, "idle");
  EXPECT_EQ(r.list(), "busy:Stable:consumer idle:Empty:");
  EXPECT_EQ(r.list({"empty"}), "idle:Empty:");
  EXPECT_EQ(r.list({"Stable", "Dead"}), "busy:Stable:consumer");
  EXPECT_EQ(r.list({}, {"consumer"}), "");
  EXPECT_EQ(r.list({}, {"Classic"}), "busy:Stable:consumer idle:Empty:");
  r.who.vhost = "another";
  EXPECT_EQ(r.list(), "");
  EXPECT_EQ(r.fetch_all("idle"), "");
}

TEST(Groups, GoOnAfterACrash) {
  for (const bool by_snapshot : {false, true}) {
    rig r;
    client a = member_of(r);
    r.commit(a, {{"t", 5, 10, "m", 3}});
    r.restart(by_snapshot);
    EXPECT_EQ(r.state(), "Stable a#1=all");
    EXPECT_EQ(r.beat(a), refusal::none);
    r.commit(a, {{"t", 5, 11}});
    EXPECT_EQ(r.fetch_all(), "t/5@11");
    r.sync(a);
    EXPECT_EQ(a.assignment, "all");
    r.pass(10'000);
    EXPECT_EQ(r.state(), "Empty") << "sessions run again";
  }
}

TEST(Groups, DamagedStateIsAFaultNotACrash) {
  rig r;
  client a = member_of(r);
  r.commit(a, {{"t", 5, 10, "m", 3}, {"u", 1, 2}});
  const byte_vector good = r.snapshot();
  rig other;
  for (std::size_t cut = 0; cut < good.size(); ++cut)
    EXPECT_FALSE(other.groups->restore(rig::shard, bytes(good).first(cut)).has_value()) << cut;
  for (const journal_entry& e : r.journal.entries)
    for (std::size_t cut = 0; cut < e.state.size(); ++cut) {
      group_coordinator fresh(r.settings, r.reactor, r.time, r.random, r.journal, r.topics);
      const auto done = fresh.apply(e.shard, e.kind, e.version, bytes(e.state).first(cut));
      // A list of runs may end after any whole run; everything else is noticed.
      if (done.has_value()) {
        EXPECT_EQ(e.kind, static_cast<std::uint16_t>(group_record::offsets)) << cut;
      }
    }
  EXPECT_FALSE(r.groups->apply(rig::shard, 59, 1, {}).has_value());
  EXPECT_FALSE(r.groups->apply(rig::shard, 40, 2, {}).has_value());
}

}  // namespace
}  // namespace weir::broker::testing
