// How the store uses the disk: when it writes, in which pieces, what it reads ahead.
#include <gtest/gtest.h>

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

TEST_F(metering, a_reader_in_order_finds_the_next_part_read_already) {
  crash();
  options.read_ahead_bytes = 64U << 10;
  options.block_read_bytes = 16U << 10;
  open();
  fill(400);
  close();
  open();
  std::int64_t next = 0;
  const auto read_on = [&] {  // how long it took
    const mono_ns before = world.now();
    const std::string got = get(log_one, next, 50'000);
    next = 1 + std::stoll(got.substr(got.rfind(' ', got.size() - 2) + 1));
    return world.now() - before;
  };
  EXPECT_GT(read_on(), 0);
  EXPECT_GT(read_on(), 0) << "a first read may be the only one: nothing was read ahead";
  wait(100);
  EXPECT_EQ(read_on(), 0) << "it was there";
  EXPECT_GT(read_on(), 0) << "it had just been begun";
  wait(options.tick_ms * 3);
  EXPECT_GT(read_on(), 0) << "what nobody came for was dropped";
  EXPECT_EQ(next, 245) << "and nothing was left out";
}

}  // namespace
}  // namespace weir::storage
