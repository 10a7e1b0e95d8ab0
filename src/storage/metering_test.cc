// How the store uses the disk: when it writes, in which pieces, what it reads ahead.
#include <gtest/gtest.h>

#include <array>

#include "storage/store_fixture.h"

namespace weir::storage {
namespace {

using platform::sim::op_kind;

class metering : public store_fixture {
 protected:
  std::uint64_t seen(op_kind kind, const std::string& file) const {
    const auto it = volume.sites().find({kind, file});
    return it == volume.sites().end() ? 0 : it->second.seen;
  }
  void fill(std::size_t records) {
    create(log_one);
    for (std::size_t i = 0; i < records; ++i) put(log_one, std::to_string(i) + std::string(1000, '.'));
    settle();
  }
};

TEST_F(metering, a_checkpoint_that_nobody_waits_for_is_spread_over_half_the_time_of_its_data) {
  crash();
  options.gentle_write_bytes = 16U << 10;
  open();
  wait(2000);
  fill(600);  // more than checkpoint_bytes
  wait(100);
  const std::uint64_t early = s->stats().segment_bytes;
  EXPECT_LT(early, options.checkpoint_bytes / 4);
  EXPECT_EQ(s->stats().checkpoints, 0U);
  wait(2000);
  EXPECT_EQ(s->stats().checkpoints, 1U);
  EXPECT_GT(s->stats().segment_bytes, options.checkpoint_bytes / 4 * 3);
}

TEST_F(metering, a_checkpoint_under_way_hurries_when_somebody_waits_for_it) {
  crash();
  options.gentle_write_bytes = 16U << 10;
  open();
  wait(8000);
  fill(600);
  wait(100);
  EXPECT_EQ(s->stats().checkpoints, 0U);
  const mono_ns before = world.now();
  checkpoint();
  EXPECT_LT(world.now() - before, 500'000'000);
  EXPECT_EQ(s->stats().checkpoints, 2U) << "the one under way and the one that was asked for";
}

TEST_F(metering, a_checkpoint_under_way_hurries_when_memory_fills) {
  crash();
  options.gentle_write_bytes = 16U << 10;
  open();
  wait(8000);
  fill(600);
  const mono_ns before = world.now();
  for (int i = 0; i < 600; ++i) put(log_one, std::string(1000, '+'));
  run([&] { return s->stats().checkpoints == 1; });
  EXPECT_LT(world.now() - before, 500'000'000);
}

TEST_F(metering, whole_blocks_of_an_own_file_are_written_apart_from_its_partial_ones) {
  fill(100);
  checkpoint();
  const std::uint64_t first = seen(op_kind::write, "data/#.log");
  EXPECT_EQ(first, 2U) << "blocks from the start of the file, and the rest";
  for (int i = 0; i < 100; ++i) put(log_one, std::string(1000, '+'));
  checkpoint();
  EXPECT_EQ(seen(op_kind::write, "data/#.log") - first, 3U);
  close();
  open();
  EXPECT_EQ(get(log_one, 99, 2), "99:99.................. ");
  EXPECT_EQ(get(log_one, 100, 2), "100:++++++++++++++++++++ ");
}

// Readers of what only the disk has, from the beginning on.
class reading_in_order : public metering {
 protected:
  reading_in_order() {
    options.read_ahead_bytes = 64U << 10;
    options.block_read_bytes = 16U << 10;
    options.cache_bytes_max = 0;
  }
  void fill_and_reopen(std::size_t records) {
    fill(records);
    close();
    open();
  }
  // Reads on from `next`; how long it took.
  std::int64_t read_on(std::int64_t& next, std::size_t bytes) {
    const mono_ns before = world.now();
    const std::string got = get(log_one, next, bytes);
    for (const std::int64_t last = last_of(got); next <= last; ++next) {
      EXPECT_NE(got.find(std::to_string(next) + ":" + std::to_string(next) + "."), std::string::npos) << next;
    }
    return world.now() - before;
  }
  static std::int64_t last_of(const std::string& got) {
    return std::stoll(got.substr(got.rfind(' ', got.size() - 2) + 1));
  }
};

TEST_F(reading_in_order, finds_the_next_part_read_already) {
  fill_and_reopen(400);
  std::int64_t next = 0;
  EXPECT_GT(read_on(next, 5'000), 0);
  wait(100);
  EXPECT_GT(read_on(next, 5'000), 0) << "a first small read may be the only one: nothing was read ahead";
  wait(100);
  EXPECT_EQ(read_on(next, 50'000), 0) << "it was there";
  EXPECT_EQ(next, 57);
  wait(options.tick_ms * 50);
  EXPECT_GT(read_on(next, 50'000), 0) << "what nobody came for was dropped";
  EXPECT_EQ(next, 106) << "and nothing was left out";
}

TEST_F(reading_in_order, who_takes_much_at_once_most_likely_goes_on) {
  fill_and_reopen(400);
  std::int64_t next = 0;
  EXPECT_GT(read_on(next, 50'000), 0);
  wait(100);
  EXPECT_EQ(read_on(next, 50'000), 0);
}

TEST_F(reading_in_order, an_answer_is_not_held_up_for_its_last_part) {
  fill_and_reopen(400);
  std::int64_t next = 0;
  (void)read_on(next, 150'000);
  EXPECT_LT(next, 100) << "what one read of the disk gave";
  EXPECT_GT(next, 75) << "which is at least half";
}

TEST_F(reading_in_order, is_read_ahead_for_further_with_each_answer) {
  fill_and_reopen(1000);
  std::int64_t next = 0;
  for (int i = 0; i < 6; ++i) {
    (void)read_on(next, 90'000);
    wait(20);
  }
  for (int i = 0; i < 3; ++i) EXPECT_EQ(read_on(next, 90'000), 0) << i;
}

TEST_F(reading_in_order, takes_all_of_a_part_in_small_answers) {
  fill_and_reopen(1000);
  std::int64_t next = 0;
  const std::uint64_t before = volume.read_bytes();
  while (next < 900) {
    (void)read_on(next, 5'000);
    wait(1);
  }
  EXPECT_LE(volume.read_bytes() - before, 1'300'000U) << "little more than there is";
}

TEST_F(reading_in_order, comes_past_an_entry_that_is_larger_than_a_part) {
  create(log_one);
  for (std::size_t i = 0; i < 600; ++i) put(log_one, std::to_string(i) + std::string(i == 100 ? 120'000 : 1000, '.'));
  settle();
  close();
  open();
  const std::uint64_t before = volume.read_bytes();
  for (std::int64_t next = 0; next < 600;) (void)read_on(next, 50'000);
  EXPECT_LE(volume.read_bytes() - before, 1'300'000U);
}

TEST_F(reading_in_order, a_search_by_time_reads_nothing_ahead) {
  fill_and_reopen(600);
  const auto reads_of_search = [&] {
    const std::uint64_t before = volume.reads();
    bool done = false;
    s->find_time(log_one, 5, offset(INT64_MAX), [&](const auto& r) { done = static_cast<bool>(r); });
    run([&] { return done; });
    wait(100);
    return volume.reads() - before;
  };
  (void)reads_of_search();  // the index, too
  EXPECT_EQ(reads_of_search(), 2U);
}

TEST_F(reading_in_order, several_of_one_log_do_not_disturb_each_other) {
  fill_and_reopen(600);
  std::array<std::int64_t, 3> next{0, 100, 200};
  for (std::int64_t& each : next) (void)read_on(each, 50'000);
  for (std::int64_t& each : next) (void)read_on(each, 50'000);
  wait(100);
  for (std::int64_t& each : next) EXPECT_EQ(read_on(each, 50'000), 0);
  EXPECT_GT(next[2], 330);
}

TEST_F(reading_in_order, goes_on_behind_a_checkpoint_and_a_removed_log) {
  fill_and_reopen(200);
  std::int64_t next = 0;
  (void)read_on(next, 50'000);
  (void)read_on(next, 50'000);
  for (std::size_t i = 200; i < 400; ++i) put(log_one, std::to_string(i) + std::string(1000, '.'));
  checkpoint();
  while (next < 400) (void)read_on(next, 50'000);
  EXPECT_EQ(next, 400);
  model::new_record r;
  r.shard = shard_one;
  r.changes.push_back({model::log_change_kind::remove, log_one, {}});
  (void)s->append(r);
  settle();
  wait(options.tick_ms * 3);
  EXPECT_EQ(get(log_one, 98, 50'000).substr(0, 9), "not found");
}

TEST_F(reading_in_order, reads_leave_the_disk_to_appends) {
  options.reads_in_flight_bytes = 1U << 20;
  options.reads_beside_writes_bytes = 1;  // one at a time
  fill_and_reopen(600);
  const auto four_reads = [&] {
    int missing = 4;
    for (const std::int64_t from : {10, 150, 300, 450}) {
      s->read({log_one, offset(from), offset(INT64_MAX), 1, true}, [&](const result<model::read_batch>& r) {
        EXPECT_TRUE(r);
        --missing;
      });
    }
    const mono_ns before = world.now();
    run([&] { return missing == 0; });
    return world.now() - before;
  };
  (void)four_reads();  // the index
  const std::int64_t alone = four_reads();
  put(log_one, "x");
  const std::int64_t beside = four_reads();
  EXPECT_GT(beside, alone * 3 / 2);
  settle();
  wait(options.tick_ms * 3);
  EXPECT_LT(four_reads(), beside);
}

TEST_F(reading_in_order, what_is_read_ahead_leaves_memory_for_other_reads) {
  options.read_bytes_max = 400U << 10;
  close();
  open();
  fill_and_reopen(1000);
  std::array<std::int64_t, 8> next{0, 100, 200, 300, 400, 500, 600, 700};
  for (int round = 0; round < 4; ++round)
    for (std::int64_t& each : next) (void)read_on(each, 20'000);  // none is refused
  wait(100);
  EXPECT_LE(s->stats().read_bytes, options.read_bytes_max);
  wait(2 * options.idle_release_ms + options.tick_ms * 3);
  EXPECT_EQ(s->stats().read_bytes, 0U) << "when nobody comes it goes";
}

}  // namespace
}  // namespace weir::storage
