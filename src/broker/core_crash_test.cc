// Random life of a node by seed: idempotent producers that retry like real ones, commits, topics that come and go, stores
// that sync late, get full, read late and lose what was not durable, checkpoints at any time. After each crash: everything
// that was acknowledged is there once and in order, and what a reader saw never changes.
#include <gtest/gtest.h>

#include <deque>

#include "broker/testing/rig.h"

namespace weir::broker::node_testing {
namespace {

using model::refusal;

// What is believed about one partition by those who talk to the broker.
struct believed {
  std::deque<std::pair<std::int32_t, std::uint32_t>> unacknowledged;  // first sequence, records: in order
  std::int32_t next_sequence = 0;
  std::map<std::int64_t, std::int64_t> seen;  // offset -> value, as readers saw them
  std::int64_t committed = -1;                // acknowledged
  std::int64_t committing = -1;               // asked for last
};

class life {
 public:
  explicit life(std::uint64_t seed) : dice_(seed), node_(seed % 3 == 0 ? 3 : 1) {
    node_.create("t", partitions);
    node_.create("groups-only", 1);
    producer_ = node_.ask<model::producer_ready>(model::init_producer{}).producer_id;
  }

  void run() {
    for (int generation = 0; generation < 5; ++generation) {
      for (int i = 0; i < 60; ++i) step();
      const bool whole = dice(2) == 0;
      if (whole) node_.settle();
      take_answers();
      node_.restart();
      tokens_.clear();
      commits_.clear();
      resend_all();
      node_.settle();
      take_answers();
      verify();
      if (::testing::Test::HasFailure()) return;
    }
  }

 private:
  static constexpr std::int32_t partitions = 5;
  std::uint64_t dice(std::uint64_t n) { return dice_.below(n); }
  fake_store& any_store() { return node_.store(static_cast<std::uint32_t>(dice(node_.stores.size()))); }

  void step() {
    switch (dice(16)) {
      default:
        produce(static_cast<std::int32_t>(dice(partitions)));
        break;
      case 1:
        commit(static_cast<std::int32_t>(dice(partitions)));
        break;
      case 2:
        churn();
        break;
      case 3:
        node_.checkpoint();
        break;
      case 4:
        any_store().reads_later = !any_store().reads_later;
        break;
      case 5:
        any_store().set_room(dice(2) == 0 ? errc::busy : errc::ok);
        break;
      case 6: {
        fake_store& s = any_store();
        s.sync_to(s.durable_ticket().raw() + dice(s.last_ticket().raw() - s.durable_ticket().raw() + 1));
        break;
      }
      case 7:
        node_.exec->run_for(static_cast<std::int64_t>(dice(20)));
        break;
      case 8:
        node_.send(rig::fetch_of("t", static_cast<std::int32_t>(dice(partitions)), 0, 1000));
        break;
    }
    take_answers();
  }

  // The value of a record says who wrote it: the sequence is in it, so a reader sees gaps and doubles.
  void send_batch(std::int32_t p, std::int32_t first, std::uint32_t count) {
    fake_format::spec s;
    s.timestamps.clear();
    for (std::uint32_t i = 0; i < count; ++i) s.timestamps.push_back(first + i);
    s.producer_id = producer_;
    s.producer_epoch = 0;
    s.first_sequence = first;
    const byte_vector e = fake_format::make(s);
    tokens_[node_.send(rig::produce_of("t", p, e))] = {p, first};
  }
  void produce(std::int32_t p) {
    believed& b = known_[p];
    if (b.unacknowledged.size() >= 5) return;
    const auto count = static_cast<std::uint32_t>(1 + dice(4));
    b.unacknowledged.push_back({b.next_sequence, count});
    send_batch(p, b.next_sequence, count);
    b.next_sequence += static_cast<std::int32_t>(count);
  }
  void resend_all() {
    for (auto& [p, b] : known_) {
      for (const auto& [first, count] : b.unacknowledged) send_batch(p, first, count);
    }
  }
  void commit(std::int32_t p) {
    believed& b = known_[p];
    b.committing = std::max(b.committing, b.committed) + 1;
    model::commit_offsets c;
    c.group = "g";
    c.items.push_back({{"t", {}}, p, model::offset(b.committing), model::epoch(0), ""});
    commits_[node_.send(std::move(c))] = {p, b.committing};
  }
  void churn() {
    const std::string name = "churn" + std::to_string(dice(3));
    if (dice(2) == 0) {
      model::create_topics c;
      c.topics.emplace_back().name = name;
      c.topics.back().partitions = static_cast<std::int32_t>(1 + dice(7));
      node_.send(std::move(c));
    } else {
      model::delete_topics d;
      d.topics.push_back({name, {}});
      node_.send(std::move(d));
    }
  }

  void take_answers() {
    for (auto at = tokens_.begin(); at != tokens_.end();) {
      if (!node_.me.has(at->first)) {
        ++at;
        continue;
      }
      const auto& item = node_.me.get<model::produced>(at->first).items.at(0);
      const auto [p, first] = at->second;
      at = tokens_.erase(at);
      ASSERT_EQ(item.error, refusal::none) << "partition " << p << " sequence " << first;
      auto& open = known_[p].unacknowledged;
      ASSERT_FALSE(open.empty());
      ASSERT_EQ(open.front().first, first) << "answers out of order";
      for (std::uint32_t i = 0; i < open.front().second; ++i) known_[p].seen[item.base.raw() + i] = first + i;
      open.pop_front();
    }
    for (auto at = commits_.begin(); at != commits_.end();) {
      if (!node_.me.has(at->first)) {
        ++at;
        continue;
      }
      ASSERT_EQ(node_.me.get<model::offsets_committed>(at->first).items.at(0), refusal::none);
      known_[at->second.first].committed = std::max(known_[at->second.first].committed, at->second.second);
      at = commits_.erase(at);
    }
  }

  void verify() {
    for (std::int32_t p = 0; p < partitions; ++p) {
      believed& b = known_[p];
      ASSERT_TRUE(b.unacknowledged.empty()) << p;
      const auto got = node_.get("t", p, 0);
      ASSERT_EQ(got.error, refusal::none);
      ASSERT_EQ(got.high_watermark.raw(), b.next_sequence) << p;
      std::int64_t expected = 0;
      for (const auto& e : got.data.entries) {
        (void)node_.format.for_each(e.payload, [&](const model::record_view& r) {
          EXPECT_EQ(r.at.raw(), expected);
          EXPECT_EQ(r.timestamp_ms, expected) << "lost, doubled or out of order";
          const auto before = b.seen.find(expected);
          EXPECT_TRUE(before == b.seen.end() || before->second == r.timestamp_ms);
          b.seen[expected++] = r.timestamp_ms;
          return true;
        });
      }
      ASSERT_EQ(expected, b.next_sequence) << p;
      model::fetch_offsets f;
      f.group = "g";
      f.items = {{{{"t", {}}, p}}};
      const auto offsets = node_.ask<model::offsets_fetched>(f);
      EXPECT_GE(offsets.items.at(0).at.raw(), b.committed) << p;
      EXPECT_LE(offsets.items.at(0).at.raw(), b.committing) << p;
      b.committed = offsets.items.at(0).at.raw();
    }
    std::size_t counted = 0;
    for (const auto& t : node_.ask<model::topics_described>(model::describe_topics{}).topics) {
      counted += static_cast<std::size_t>(t.partitions);
    }
    std::size_t owned = 0;
    for (std::uint32_t r = 0; r < node_.stores.size(); ++r) owned += node_.at(r).stats().partitions;
    EXPECT_EQ(counted, owned) << "logs and topics do not agree";
  }

  struct dice_box final : rng {
    explicit dice_box(std::uint64_t seed) : state(seed * 0x9e3779b97f4a7c15ULL + 1) {}
    [[nodiscard]] std::uint64_t next() override {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      return state * 0x2545f4914f6cdd1dULL;
    }
    std::uint64_t state;
  };
  dice_box dice_;
  rig node_;
  std::int64_t producer_ = -1;
  std::map<std::int32_t, believed> known_;
  std::map<std::uint64_t, std::pair<std::int32_t, std::int32_t>> tokens_;
  std::map<std::uint64_t, std::pair<std::int32_t, std::int64_t>> commits_;
};

TEST(crash, nothing_acknowledged_is_lost_doubled_or_moved) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    life(seed).run();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace weir::broker::node_testing
