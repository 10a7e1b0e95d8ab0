// The real executor: one thread's run loop on a Boost.Asio io_context.
//
// A turn: wait for events, run what is ready (bounded), the mailbox, due timers, deferred tasks, then the turn hooks (the
// disk submits its batch, connections write what they collected). So a turn costs one write per connection and one disk
// submission however many requests it brought. Owner thread: the one that calls run(); before run(), whoever sets it up.
// Only send(), stop() and the wake-up inside them may be called from other threads.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/executor.h"
#include "platform/posix/posix_clock.h"
#include "platform/posix/timer_heap.h"

namespace boost::asio {
class io_context;
}

namespace weir::platform {

struct reactor_options {
  // How long to poll before sleeping. Saves wake-up latency where a core is to spare; 0 where cores are few.
  std::chrono::microseconds spin{0};
};

class reactor final : public executor {
 public:
  // Throws std::system_error when the kernel refuses an eventfd or epoll: the process cannot start.
  explicit reactor(reactor_options options = {});
  ~reactor() override;

  void defer(task t) override;
  void send(task t) override;
  timer_id at(mono_ns when, task t) override;
  void cancel(timer_id id) override;

  // Runs at the end of every turn, in the order of registration; returns whether it did something that may need another
  // round. Hooks live as long as the reactor. Set up before run().
  using turn_hook = std::function<bool()>;
  void add_turn_hook(turn_hook hook);

  // Runs until stop(). The thread that calls it becomes the owner.
  void run();
  // Runs turns until `done()` holds; for start-up, shut-down and tests.
  void run_until(const std::function<bool()>& done);
  void stop();

  [[nodiscard]] bool in_owner_thread() const;
  // For code in platform/posix and server/ only. Single-threaded: owner thread only.
  [[nodiscard]] boost::asio::io_context& context();
  [[nodiscard]] const posix_clock& clock() const { return clock_; }

 private:
  struct asio_part;
  // How many handlers one turn runs at most, so that input cannot starve timers, disk and output.
  static constexpr int handlers_per_turn_max = 256;

  void turn();
  void wait_for_work();
  bool spin_for_work();
  void drain_mailbox();
  void run_timers();
  void run_deferred();
  bool run_hooks();
  void watch_wake_up();

  posix_clock clock_;
  reactor_options options_;
  std::unique_ptr<asio_part> asio_;
  std::vector<task> deferred_;
  std::vector<task> running_;
  timer_heap timers_;
  std::vector<turn_hook> hooks_;
  bool more_work_ = false;
  bool stopped_ = false;
  std::atomic<std::thread::id> owner_{};

  std::mutex mailbox_mutex_;   // held for a push or a swap only
  std::vector<task> mailbox_;  // under mailbox_mutex_
  bool asleep_ = false;        // under mailbox_mutex_: the next sender must write the eventfd
  std::vector<task> mailbox_run_;
};

}  // namespace weir::platform
