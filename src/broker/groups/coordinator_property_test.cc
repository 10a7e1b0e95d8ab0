// Random members, crashes, slow and refusing disks, by seed. What must hold whatever happens:
//   - members whose heartbeat is accepted are all in one generation;
//   - a member is only ever given what a leader of its generation meant for it;
//   - no join or sync stays unanswered beyond the rebalance timeout (new members: and their grace);
//   - what a commit was answered for is there after a crash; replayed records give the same state as a snapshot;
//   - once everybody behaves, the group becomes stable with everybody in it.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <set>

#include "broker/groups/coordinator_rig.h"

namespace weir::broker::testing {
namespace {

using model::refusal;

constexpr std::int32_t session_ms = 10'000;
constexpr std::int32_t rebalance_ms = 20'000;

struct actor {
  client c;
  bool alive = false;
  bool asking = false;  // a join or sync is unanswered
  bool needs_sync = false;
  bool syncs = false;  // what is unanswered is a sync
  std::int64_t asked_ms = 0;
  std::int64_t beat_ms = 0;
  std::int64_t committed = -1;  // acknowledged
};

class chaos {
 public:
  explicit chaos(std::uint64_t seed) : random_(seed), r_({}, seed ^ 0x5eed) {
    r_.journal.auto_durable = false;
    for (int i = 0; i < 6; ++i) {
      actor& a = actors_.emplace_back();
      a.c.name = std::string(1, static_cast<char>('a' + i));
      if (i >= 4) a.c.instance = "static-" + a.c.name;
      a.c.session_ms = session_ms;
      a.c.rebalance_ms = rebalance_ms;
      a.c.id_required = i % 2 == 0;
      a.c.knows_skip = i == 5;
      a.c.waiter = static_cast<std::uint64_t>(i) + 1;
    }
    r_.on_joined = [this](client& c, const model::group_joined& e) { joined(of(c), e); };
    r_.on_synced = [this](client& c, const model::group_synced& e) { synced(of(c), e); };
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      disturb();
      step();
    }
    calm_ = true;
    r_.journal.refusing = false;
    for (int i = 0; i < 400 && !::testing::Test::HasFailure(); ++i) step();
    if (::testing::Test::HasFailure()) return;
    EXPECT_TRUE(r_.state().starts_with("Stable")) << r_.state();
    for (actor& a : actors_) EXPECT_EQ(r_.beat(a.c), refusal::none) << a.c.name;
    std::set<std::string> parts;
    for (const actor& a : actors_) parts.insert(a.c.assignment);
    EXPECT_EQ(parts.size(), actors_.size()) << "everybody has its own part";
  }

 private:
  [[nodiscard]] bool chance(std::uint64_t percent) { return random_.below(100) < percent; }
  actor& of(const client& c) {
    return *std::ranges::find_if(actors_, [&](const actor& a) { return &a.c == &c; });
  }
  // Static members keep their part through a change of id, so it is named after the static name.
  [[nodiscard]] static std::string owner_of(const std::string& member) {
    return member.starts_with("static-") ? member.substr(0, 8) : member;
  }

  void ask_join(actor& a) {
    a.asking = true;
    a.asked_ms = r_.time.ms();
    a.needs_sync = false;
    a.syncs = false;
    r_.join(a.c);
  }
  void ask_sync(actor& a) {
    a.asking = true;
    a.asked_ms = r_.time.ms();
    a.needs_sync = false;
    a.syncs = true;
    std::vector<std::pair<std::string, std::string>> parts;
    if (a.c.leader == a.c.member)
      for (const std::string& m : a.c.members)
        parts.emplace_back(m, owner_of(m) + "@" + std::to_string(a.c.generation));
    r_.sync(a.c, parts);
  }
  // A rebalance is on: the next step joins.
  static void ask_later(actor& a) { a.c.generation = -1; }
  void forget(actor& a) {
    a.c.member.clear();
    a.c.generation = -1;
    a.c.members.clear();
    a.c.assignment.clear();
    a.needs_sync = false;
    a.asking = false;
  }

  void joined(actor& a, const model::group_joined& e) {
    a.asking = false;
    if (!a.alive) return;
    if (e.error == refusal::none) {
      a.needs_sync = true;
      if (e.skip_assignment) a.c.leader = "somebody else";
    } else if (e.error != refusal::member_id_required && e.error != refusal::rebalance_in_progress) {
      EXPECT_TRUE(e.error == refusal::unknown_member || e.error == refusal::fenced_instance) << text_of(e.error);
      forget(a);
    }
  }
  void synced(actor& a, const model::group_synced& e) {
    a.asking = false;
    if (!a.alive) return;
    if (e.error == refusal::rebalance_in_progress) return ask_later(a);
    if (e.error == refusal::coordinator_not_available) {
      a.needs_sync = true;
      return;
    }
    if (e.error != refusal::none) return forget(a);
    const std::string mine = owner_of(a.c.member) + "@" + std::to_string(a.c.generation);
    // Nothing: the leader did not know this member, which is only so for one that joined since.
    EXPECT_EQ(a.c.assignment, mine) << a.c.name << " was given somebody else's part";
  }

  void disturb() {
    actor& a = actors_[random_.below(actors_.size())];
    if (chance(3) && a.alive) {  // the process dies; a static one comes back under its name
      r_.groups->drop(waiter_id{a.c.waiter});
      a.alive = false;
      forget(a);
    } else if (chance(3) && a.alive && !a.asking && !a.c.member.empty()) {
      const client leaving = a.c;
      r_.leave(leaving);
      a.alive = false;
      forget(a);
    }
    if (chance(1)) r_.journal.refusing = !r_.journal.refusing;
    if (chance(1)) crash();
  }

  void crash() {
    for (actor& a : actors_) {  // connections broke; clients ask again
      if (a.asking && a.syncs) a.needs_sync = true;
      a.asking = false;
    }
    const byte_vector before = r_.snapshot();
    r_.restart(chance(50));
    EXPECT_EQ(before, r_.snapshot());
    for (const actor& a : actors_)
      if (a.committed >= 0) {
        EXPECT_EQ(r_.fetch({{"t", a.c.name[0] - 'a'}}),
                  "t/" + std::to_string(a.c.name[0] - 'a') + "@" + std::to_string(newest(a)));
      }
  }
  // The last commit that was taken; it may be newer than the last that was answered.
  std::int64_t newest(const actor& a) { return std::max(a.committed, sent_[a.c.name]); }

  void act(actor& a) {
    if (!a.alive && (calm_ || chance(10))) {
      a.alive = true;
      forget(a);
    }
    if (!a.alive) return;
    if (a.asking) {
      const std::int64_t waited = r_.time.ms() - a.asked_ms;
      EXPECT_LE(waited, rebalance_ms + 2'500) << a.c.name << " hangs in " << r_.state();
      return;
    }
    if (a.needs_sync) return ask_sync(a);
    if (a.c.generation < 0 || a.c.member.empty()) return ask_join(a);
    if (r_.time.ms() - a.beat_ms < 3'000) return;
    a.beat_ms = r_.time.ms();
    const refusal seen = r_.beat(a.c);
    if (seen == refusal::none) return commit(a);
    if (seen != refusal::rebalance_in_progress) forget(a);
    ask_join(a);
  }

  void commit(actor& a) {
    if (r_.journal.refusing) return;
    const std::int64_t at = ++commits_;
    model::commit_offsets o;
    o.group = "g";
    o.member = a.c.member;
    if (a.c.instance) o.instance = *a.c.instance;
    o.generation = a.c.generation;
    o.items.push_back({{"t", {}}, a.c.name[0] - 'a', model::offset{at}, model::epoch{-1}, ""});
    const std::size_t records = r_.journal.entries.size();
    r_.groups->commit(rig::shard, r_.who, o, [&a, at](model::offsets_committed&& e) {
      if (e.items.at(0) == refusal::none) a.committed = at;
    });
    if (r_.journal.entries.size() != records) sent_[a.c.name] = at;
  }

  void one_generation() {
    std::set<std::int32_t> accepted;
    for (const actor& a : actors_) {
      if (!a.alive || a.c.member.empty() || a.asking) continue;
      if (a.c.generation >= 0 && r_.beat(a.c) == refusal::none) accepted.insert(a.c.generation);
    }
    EXPECT_LE(accepted.size(), 1U);
  }

  void step() {
    r_.pass(static_cast<std::int64_t>(random_.below(900)));
    if (calm_ || chance(60)) r_.settle();
    for (actor& a : actors_) act(a);
    if (chance(10)) one_generation();
  }

  counting_rng random_;
  rig r_;
  std::deque<actor> actors_;
  std::map<std::string, std::int64_t> sent_;
  std::int64_t commits_ = 0;
  bool calm_ = false;
};

TEST(GroupProperty, HoldsForEverySeed) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    chaos(seed).run(300);
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace weir::broker::testing
