// A simulated world: virtual time, a run loop, and any number of reactors whose ready tasks interleave at
// random.
//
// One real thread runs everything; "owner thread" of a core object means: called from a task of its reactor.
// A run is decided by the seed alone. Time moves a little with each task and jumps to the next event when
// nobody has work.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "platform/sim/sim_rng.h"

namespace weir::platform::sim {

class sim_world;

class sim_clock final : public clock {
 public:
  [[nodiscard]] mono_ns now() const override { return now_; }
  [[nodiscard]] wall_ms wall() const override { return wall_ms{wall_base_ms_ + now_.raw() / 1'000'000}; }
  // Somebody sets the machine's clock; the monotonic one does not notice.
  void step_wall(std::int64_t by_ms) { wall_base_ms_ += by_ms; }

 private:
  friend class sim_world;
  mono_ns now_{1};
  std::int64_t wall_base_ms_ = 1'700'000'000'000;
};

class sim_executor final : public executor {
 public:
  sim_executor(sim_world& world, std::size_t index) : world_(world), index_(index) {}
  ~sim_executor() override { drop_all(); }

  void defer(task t) override;
  void send(task t) override;
  timer_id at(mono_ns when, task t) override;
  void cancel(timer_id id) override;

  // The process died: every task, mail and timer of this reactor is forgotten unrun.
  void drop_all();
  [[nodiscard]] std::size_t index() const { return index_; }
  [[nodiscard]] std::size_t pending() const;

 private:
  friend class sim_world;
  struct letter {
    mono_ns ready{};
    task run;
  };
  [[nodiscard]] std::size_t ready_sources(mono_ns now, std::vector<int>& out) const;
  [[nodiscard]] mono_ns next_event() const;  // the largest time when there is none
  [[nodiscard]] task take(int source);

  sim_world& world_;
  std::size_t index_;
  std::deque<task> deferred_;
  std::map<std::size_t, std::deque<letter>> mail_;  // by sender, each in order
  std::map<std::pair<mono_ns, std::uint64_t>, task> timers_;
  std::map<std::uint64_t, mono_ns> timer_times_;
  std::uint64_t next_timer_ = 1;
};

enum class run_end { reached, idle, step_limit, stopped };

class sim_world {
 public:
  explicit sim_world(std::uint64_t seed) : random_(seed) {}
  sim_world(const sim_world&) = delete;
  sim_world& operator=(const sim_world&) = delete;

  [[nodiscard]] sim_executor& add_reactor();
  [[nodiscard]] sim_executor& reactor(std::size_t i) { return *reactors_[i]; }
  [[nodiscard]] std::size_t reactors() const { return reactors_.size(); }
  [[nodiscard]] sim_clock& time() { return clock_; }
  [[nodiscard]] sim_rng& random() { return random_; }
  [[nodiscard]] mono_ns now() const { return clock_.now(); }

  // Runs one task; false when nothing is left to run.
  bool step();
  // Runs until `reached` is true (asked before each step), nothing is left, `steps` were made, or stop() was
  // called.
  run_end run_until(const std::function<bool()>& reached, std::uint64_t steps);
  run_end run_for(std::int64_t nanoseconds, std::uint64_t steps);
  // Ends the current run after the task that calls it (a power cut, for one).
  void stop() { stopped_ = true; }
  // Lets time pass without running anybody: a pause of the whole machine.
  void advance(std::int64_t nanoseconds) { clock_.now_ = clock_.now_ + nanoseconds; }

  // Trace lines go to `sink` when there is one: "12.345678 r0 write wal/#: ...".
  std::function<void(const std::string&)> sink;
  [[nodiscard]] bool tracing() const { return static_cast<bool>(sink); }
  void trace(const std::string& line);

 private:
  friend class sim_executor;
  static constexpr std::size_t outside = ~std::size_t{0};
  sim_clock clock_;
  sim_rng random_;
  std::vector<std::unique_ptr<sim_executor>> reactors_;
  std::size_t current_ = outside;
  bool stopped_ = false;
  std::vector<int> sources_;
  std::vector<std::size_t> ready_;
};

}  // namespace weir::platform::sim
