// What the table keeps beside its groups (the index of topics, the sum of bytes) is what a walk over all of them would find.
#include "broker/groups/group_table.h"

#include <gtest/gtest.h>

#include "broker/groups/coordinator.h"
#include "broker/groups/records.h"

namespace weir::broker::groups {
namespace {

constexpr int shards = 3;

model::uuid topic(std::uint64_t n) {
  model::uuid id;
  id.data[15] = static_cast<std::uint8_t>(n);
  return id;
}

group_table::holders walk(const group_table& t) {
  group_table::holders out;
  for (const auto& [key, group] : t.all()) {
    for (const auto& [id, of] : group.offsets) out[id].insert(key);
  }
  return out;
}

class change {
 public:
  explicit change(std::uint64_t seed) : state_(seed) {}
  void run(group_table& t) {
    const std::uint64_t group = below(12);
    const model::shard_id shard{group % shards};
    const std::string key = make_key("", "g" + std::to_string(group));
    byte_vector out;
    group_record kind = group_record::offsets;
    const bool there = t.find(key) != nullptr;
    const std::uint64_t what = below(10);
    if (what < 5 || (!there && what < 8)) {
      begin_offsets(out, key, 1, -1);
      run_writer runs(out);
      for (std::uint64_t i = below(4) + 1; i-- > 0;) {
        runs.topic(topic(below(6)));
        runs.offset(static_cast<std::int32_t>(below(5)), model::offset(1), model::epoch(0),
                    std::string(below(50), 'm'));
      }
      runs.finish();
    } else if (what < 7) {
      kind = group_record::offsets_removed;
      begin_offsets_removed(out, key);
      run_writer runs(out);
      runs.topic(topic(below(6)));
      for (std::int32_t p = 0; p < 5; ++p) runs.partition(p);
      runs.finish();
    } else if (what == 7) {
      kind = group_record::group_removed;
      byte_writer(out).text(key);
    } else if (what == 8) {
      kind = group_record::topic_forgotten;
      byte_writer w(out);
      put_uuid(w, topic(below(6)));
    } else {
      kind = group_record::metadata;
      stored_generation g;
      g.members.resize(below(3));
      for (stored_member& m : g.members) m.metadata.resize(below(100));
      write_metadata(out, key, g);
    }
    ASSERT_TRUE(t.apply(shard, static_cast<std::uint16_t>(kind), record_version, out).has_value());
  }

 private:
  std::uint64_t below(std::uint64_t n) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state_ >> 33) % n;
  }
  std::uint64_t state_;
};

TEST(group_table, index_and_bytes_are_what_a_walk_finds_whatever_happened) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    group_table t;
    change next(seed);
    for (int i = 0; i < 200; ++i) {
      next.run(t);
      ASSERT_EQ(t.topics(), walk(t)) << seed;
    }
    group_table again;
    for (std::uint64_t s = 0; s < shards; ++s) {
      byte_vector state;
      t.snapshot(model::shard_id(s), state);
      ASSERT_TRUE(again.restore(model::shard_id(s), state).has_value());
      // Once more over what is there: nothing may count twice.
      ASSERT_TRUE(again.restore(model::shard_id(s), state).has_value());
    }
    EXPECT_EQ(again.stored_bytes(), t.stored_bytes()) << seed;
    EXPECT_EQ(again.topics(), walk(t)) << seed;
  }
}

TEST(group_table, nothing_is_left_of_what_is_gone) {
  group_table t;
  byte_vector out;
  const std::string key = make_key("", "g");
  begin_offsets(out, key, 1, -1);
  run_writer runs(out);
  runs.topic(topic(1));
  runs.offset(0, model::offset(1), model::epoch(0), "text");
  runs.finish();
  ASSERT_TRUE(t.apply(model::shard_id(0), static_cast<std::uint16_t>(group_record::offsets), record_version, out));
  EXPECT_EQ(t.stored_bytes(),
            group_table::bytes_of_group(key) + group_table::bytes_of_topic() + group_table::bytes_of_offset(4));
  out.clear();
  byte_writer(out).text(key);
  ASSERT_TRUE(
      t.apply(model::shard_id(0), static_cast<std::uint16_t>(group_record::group_removed), record_version, out));
  EXPECT_EQ(t.stored_bytes(), 0U);
  EXPECT_TRUE(t.topics().empty());
}

}  // namespace
}  // namespace weir::broker::groups
