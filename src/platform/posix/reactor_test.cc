#include "platform/posix/reactor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "platform/posix/posix_rng.h"

namespace weir::platform {
namespace {

TEST(reactor, deferred_tasks_run_in_order_after_the_current_one) {
  reactor r;
  std::vector<int> seen;
  r.defer([&] {
    r.defer([&] { seen.push_back(3); });
    seen.push_back(1);
  });
  r.defer([&] { seen.push_back(2); });
  r.run_until([&] { return seen.size() == 3; });
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3}));
}

TEST(reactor, timers_fire_in_order_of_their_time_and_not_after_cancel) {
  reactor r;
  std::vector<int> seen;
  const mono_ns now = r.clock().now();
  r.at(now + 3'000'000, [&] { seen.push_back(3); });
  r.at(now + 1'000'000, [&] { seen.push_back(1); });
  const timer_id cancelled = r.at(now + 2'000'000, [&] { seen.push_back(2); });
  r.cancel(cancelled);
  r.run_until([&] { return seen.size() == 2; });
  EXPECT_EQ(seen, (std::vector<int>{1, 3}));
  EXPECT_GE(r.clock().now() - now, 3'000'000);
  r.cancel(cancelled);  // harmless
}

TEST(reactor, a_timer_may_cancel_another_that_is_due_in_the_same_turn) {
  reactor r;
  bool wrong = false;
  bool done = false;
  const mono_ns past = r.clock().now();
  timer_id second{};
  r.at(past, [&] { r.cancel(second); });
  second = r.at(past + 1, [&] { wrong = true; });
  r.at(past + 2, [&] { done = true; });
  r.run_until([&] { return done; });
  EXPECT_FALSE(wrong);
}

TEST(reactor, cancelled_timers_do_not_pile_up) {
  timer_heap heap;
  for (int i = 0; i < 100'000; ++i) heap.cancel(heap.add(mono_ns(1'000'000 + i), [] {}));
  EXPECT_EQ(heap.size(), 0U);
  EXPECT_FALSE(heap.next_due().has_value());
}

TEST(reactor, sends_from_many_threads_all_arrive_each_sender_in_order) {
  constexpr int senders = 3;
  constexpr int each = 20'000;
  reactor r;
  std::vector<int> last(senders, -1);
  int total = 0;
  std::vector<std::thread> threads;
  for (int s = 0; s < senders; ++s) {
    threads.emplace_back([&, s] {
      for (int i = 0; i < each; ++i) {
        r.send([&, s, i] {
          EXPECT_EQ(last[s], i - 1);
          last[s] = i;
          ++total;
        });
      }
    });
  }
  r.run_until([&] { return total == senders * each; });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(total, senders * each);
}

TEST(reactor, a_send_wakes_a_sleeping_reactor) {
  reactor r;
  std::atomic<int> round{0};
  std::thread other([&] {
    for (int i = 0; i < 200; ++i) {
      r.send([&] { ++round; });
      while (round.load() != i + 1) std::this_thread::yield();
    }
    r.stop();
  });
  r.run();
  other.join();
  EXPECT_EQ(round.load(), 200);
}

TEST(reactor, hooks_run_after_deferred_tasks_and_their_tasks_run_without_another_event) {
  reactor r;
  std::vector<int> seen;
  bool hooked = false;
  r.add_turn_hook([&] {
    if (hooked || seen.empty()) return false;
    hooked = true;
    seen.push_back(2);
    r.defer([&] { seen.push_back(3); });
    return true;
  });
  r.defer([&] { seen.push_back(1); });
  r.run_until([&] { return seen.size() == 3; });
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3}));
}

TEST(reactor, spinning_reactors_see_everything_too) {
  reactor r({std::chrono::microseconds(50)});
  int seen = 0;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) r.send([&] { ++seen; });
  });
  r.at(r.clock().now() + 100'000, [&] { ++seen; });
  r.run_until([&] { return seen == 1001; });
  other.join();
  EXPECT_EQ(seen, 1001);
}

TEST(posix_rng, two_generators_differ_and_below_stays_below) {
  posix_rng a;
  posix_rng b;
  EXPECT_NE(a.next(), b.next());
  std::vector<int> buckets(10);
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t v = a.below(10);
    ASSERT_LT(v, 10U);
    ++buckets[v];
  }
  for (const int n : buckets) EXPECT_GT(n, 700);
}

}  // namespace
}  // namespace weir::platform
