#include "platform/sim/sim_world.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::platform::sim {
namespace {

std::string play(std::uint64_t seed) {
  sim_world world(seed);
  std::string out;
  for (int i = 0; i < 3; ++i) (void)world.add_reactor();
  for (std::size_t i = 0; i < 3; ++i) {
    sim_executor& mine = world.reactor(i);
    sim_executor& next = world.reactor((i + 1) % 3);
    mine.defer([&, i] {
      for (int k = 0; k < 4; ++k) next.send([&out, i, k] { out += std::to_string(i) + std::to_string(k) + " "; });
      mine.defer([&out] { out += "d "; });
    });
  }
  EXPECT_EQ(world.run_until([] { return false; }, 1000), run_end::idle);
  return out;
}

TEST(sim_world, one_seed_is_one_run_and_seeds_differ) {
  EXPECT_EQ(play(7), play(7));
  int different = 0;
  for (std::uint64_t s = 0; s < 20; ++s) different += play(s) != play(s + 1);
  EXPECT_GT(different, 15);
}

TEST(sim_world, mail_of_one_sender_and_deferred_tasks_keep_their_order) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const std::string run = play(seed);
    for (char sender : {'0', '1', '2'}) {
      std::size_t last = 0;
      for (char k : {'0', '1', '2', '3'}) {
        const auto at = run.find(std::string{sender, k, ' '});
        ASSERT_NE(at, std::string::npos);
        EXPECT_GE(at, last) << run;
        last = at;
      }
    }
  }
}

TEST(sim_world, timers_run_in_time_once_and_not_when_cancelled) {
  sim_world world(1);
  sim_executor& r = world.add_reactor();
  std::vector<int> ran;
  const mono_ns start = world.now();
  (void)r.at(start + 2'000'000, [&] { ran.push_back(2); });
  (void)r.at(start + 1'000'000, [&] { ran.push_back(1); });
  const timer_id never = r.at(start + 1'500'000, [&] { ran.push_back(9); });
  const timer_id late = r.at(start + 3'000'000, [&] { ran.push_back(3); });
  r.cancel(never);
  EXPECT_EQ(world.run_until([] { return false; }, 100), run_end::idle);
  r.cancel(late);
  EXPECT_EQ(ran, (std::vector<int>{1, 2, 3}));
  EXPECT_GE(world.now(), start + 3'000'000);
}

TEST(sim_world, run_for_lets_exactly_that_time_pass_for_sleepers) {
  sim_world world(1);
  sim_executor& r = world.add_reactor();
  bool ran = false;
  const mono_ns start = world.now();
  (void)r.at(start + 5'000'000, [&] { ran = true; });
  EXPECT_EQ(world.run_for(4'000'000, 100), run_end::reached);
  EXPECT_FALSE(ran);
  EXPECT_EQ(world.now(), start + 4'000'000);
  (void)world.run_for(2'000'000, 100);
  EXPECT_TRUE(ran);
}

TEST(sim_world, a_dead_process_runs_nothing) {
  sim_world world(3);
  sim_executor& r = world.add_reactor();
  int ran = 0;
  r.defer([&] { ++ran; });
  r.send([&] { ++ran; });
  (void)r.at(world.now(), [&] { ++ran; });
  r.drop_all();
  EXPECT_EQ(r.pending(), 0U);
  EXPECT_FALSE(world.step());
  EXPECT_EQ(ran, 0);
}

TEST(sim_world, the_wall_clock_may_step_and_the_other_does_not) {
  sim_world world(3);
  const auto mono = world.now();
  const auto wall = world.time().wall();
  world.time().step_wall(-5000);
  EXPECT_EQ(world.time().wall() - wall, -5000);
  EXPECT_EQ(world.now(), mono);
}

TEST(sim_rng, is_uniform_enough_and_chance_of_zero_takes_no_number) {
  sim_rng a(5);
  sim_rng b(5);
  EXPECT_FALSE(a.chance(0));
  EXPECT_EQ(a.next(), b.next());
  int hits = 0;
  for (int i = 0; i < 10000; ++i) hits += a.chance(0.25);
  EXPECT_NEAR(hits, 2500, 200);
  for (int i = 0; i < 1000; ++i) EXPECT_LE(a.between(3, 5) - 3, 2U);
}

}  // namespace
}  // namespace weir::platform::sim
