#include "storage/read_cursors.h"

#include <gtest/gtest.h>

#include "storage/store_fixture.h"

namespace weir::storage {
namespace {

struct cursors : ::testing::Test {
  platform::sim::sim_world world{3};
  platform::sim::sim_volume volume{world, {}};
  platform::sim::sim_executor& reactor = world.add_reactor();
  platform::sim::sim_disk disk{volume, reactor};
  platform::sim::sim_rng random{5};
  format_registry formats;
  chain_machine machine;
  core tables{disk, reactor, world.time(), random, formats, machine, small_options()};
  read_queue queue{1U << 20};
  read_cursors all{tables, queue};

  void stop(std::uint64_t log, std::int64_t next) {
    all.stop(nullptr, model::log_id(log), {offset(next), 1, 64}, false);
  }
  bool resumes(std::uint64_t log, std::int64_t next) { return all.resume(model::log_id(log), offset(next)) != nullptr; }
};

TEST_F(cursors, a_reader_goes_on_where_it_stopped_and_once) {
  stop(1, 10);
  stop(1, 20);
  stop(2, 10);
  EXPECT_FALSE(resumes(1, 11));
  EXPECT_FALSE(resumes(3, 10));
  EXPECT_TRUE(resumes(1, 20));
  EXPECT_FALSE(resumes(1, 20));
  EXPECT_TRUE(resumes(1, 10));
  EXPECT_TRUE(resumes(2, 10));
}

TEST_F(cursors, who_reads_here_and_there_takes_a_bounded_number_of_places) {
  for (std::int64_t next = 0; next < 100; ++next) stop(1, next);
  EXPECT_FALSE(resumes(1, 0)) << "the oldest went";
  EXPECT_TRUE(resumes(1, 99));
  for (std::uint64_t log = 2; log < 2 * read_cursors::cursors_max; ++log) stop(log, 0);
  EXPECT_TRUE(resumes(2, 0));
  EXPECT_FALSE(resumes(2 * read_cursors::cursors_max - 1, 0));
  for (std::uint32_t tick = 0; tick <= read_cursors::cursor_ticks_many; ++tick) all.age();
  EXPECT_FALSE(resumes(3, 0)) << "many do not stay for long";
  stop(7, 5);
  for (std::uint32_t tick = 0; tick <= read_cursors::cursor_ticks_many; ++tick) all.age();
  EXPECT_TRUE(resumes(7, 5)) << "few do";
}

}  // namespace
}  // namespace weir::storage
