#include "platform/sim/sim_world.h"

#include <algorithm>
#include <cstdio>
#include <limits>

#include "base/assert.h"

namespace weir::platform::sim {

namespace {

constexpr mono_ns never{std::numeric_limits<std::int64_t>::max()};
// Sources of a reactor's ready work, as take() names them; senders follow.
constexpr int from_deferred = 0;
constexpr int from_timers = 1;
constexpr int first_sender = 2;
constexpr std::uint64_t mail_delay_ns = 60'000;
constexpr std::uint64_t task_cost_ns = 3'000;

}  // namespace

void sim_executor::defer(task t) { deferred_.push_back(std::move(t)); }

void sim_executor::send(task t) {
  auto& box = mail_[world_.current_];
  mono_ns ready = world_.now() + static_cast<std::int64_t>(world_.random().below(mail_delay_ns));
  if (!box.empty()) ready = std::max(ready, box.back().ready);
  box.push_back({ready, std::move(t)});
}

timer_id sim_executor::at(mono_ns when, task t) {
  const std::uint64_t id = next_timer_++;
  timers_.emplace(std::pair{when, id}, std::move(t));
  timer_times_.emplace(id, when);
  return timer_id{id};
}

void sim_executor::cancel(timer_id id) {
  const auto found = timer_times_.find(id.raw());
  if (found == timer_times_.end()) return;
  const auto node = timers_.find({found->second, id.raw()});
  timer_times_.erase(found);
  const task dying = std::move(node->second);  // its captures may call back into this reactor when they die
  timers_.erase(node);
}

void sim_executor::drop_all() {
  // Captures may own objects that call back when they die, so the containers are emptied first, until nothing
  // returns.
  while (pending() != 0) {
    auto deferred = std::exchange(deferred_, {});
    auto mail = std::exchange(mail_, {});
    auto timers = std::exchange(timers_, {});
    timer_times_.clear();
  }
}

std::size_t sim_executor::pending() const {
  std::size_t n = deferred_.size() + timers_.size();
  for (const auto& [sender, box] : mail_) n += box.size();
  return n;
}

std::size_t sim_executor::ready_sources(mono_ns now, std::vector<int>& out) const {
  out.clear();
  if (!deferred_.empty()) out.push_back(from_deferred);
  if (!timers_.empty() && timers_.begin()->first.first <= now) out.push_back(from_timers);
  int i = first_sender;
  for (const auto& [sender, box] : mail_) {
    if (!box.empty() && box.front().ready <= now) out.push_back(i);
    ++i;
  }
  return out.size();
}

mono_ns sim_executor::next_event() const {
  mono_ns next = never;
  if (!deferred_.empty()) next = mono_ns{0};
  if (!timers_.empty()) next = std::min(next, timers_.begin()->first.first);
  for (const auto& [sender, box] : mail_) {
    if (!box.empty()) next = std::min(next, box.front().ready);
  }
  return next;
}

task sim_executor::take(int source) {
  task t;
  if (source == from_deferred) {
    t = std::move(deferred_.front());
    deferred_.pop_front();
  } else if (source == from_timers) {
    const auto first = timers_.begin();
    t = std::move(first->second);
    timer_times_.erase(first->first.second);
    timers_.erase(first);
  } else {
    auto& box = std::next(mail_.begin(), source - first_sender)->second;
    t = std::move(box.front().run);
    box.pop_front();
  }
  return t;
}

sim_executor& sim_world::add_reactor() {
  reactors_.push_back(std::make_unique<sim_executor>(*this, reactors_.size()));
  return *reactors_.back();
}

bool sim_world::step() {
  ready_.clear();
  mono_ns next = never;
  for (const auto& r : reactors_) {
    const mono_ns at = r->next_event();
    if (at <= now()) ready_.push_back(r->index());
    next = std::min(next, at);
  }
  if (ready_.empty()) {
    if (next == never) return false;
    clock_.now_ = next;
    for (const auto& r : reactors_) {
      if (r->next_event() <= next) ready_.push_back(r->index());
    }
  }
  sim_executor& r = *reactors_[ready_.size() == 1 ? ready_[0] : ready_[random_.below(ready_.size())]];
  const std::size_t n = r.ready_sources(now(), sources_);
  WEIR_ASSERT(n > 0);
  task t = r.take(n == 1 ? sources_[0] : sources_[random_.below(n)]);
  current_ = r.index();
  t();
  t = nullptr;
  current_ = outside;
  clock_.now_ = clock_.now_ + static_cast<std::int64_t>(random_.below(task_cost_ns));
  return true;
}

run_end sim_world::run_until(const std::function<bool()>& reached, std::uint64_t steps) {
  stopped_ = false;
  for (std::uint64_t i = 0; i < steps; ++i) {
    if (reached()) return run_end::reached;
    if (!step()) return run_end::idle;
    if (stopped_) return run_end::stopped;
  }
  return reached() ? run_end::reached : run_end::step_limit;
}

run_end sim_world::run_for(std::int64_t nanoseconds, std::uint64_t steps) {
  const mono_ns end = now() + nanoseconds;
  bool due = false;
  // A timer of nobody in particular keeps time moving to `end` when all reactors sleep longer than that.
  const auto reached = [&] {
    mono_ns next = never;
    for (const auto& r : reactors_) next = std::min(next, r->next_event());
    due = now() >= end || next > end;
    return due;
  };
  const run_end how = run_until(reached, steps);
  if (how == run_end::reached && now() < end) clock_.now_ = end;
  return how;
}

void sim_world::trace(const std::string& line) {
  if (!sink) return;
  char head[48];
  const auto ns = now().raw();
  const std::string who = current_ == outside ? "--" : "r" + std::to_string(current_);
  std::snprintf(head, sizeof head, "%6lld.%06lld %s ", static_cast<long long>(ns / 1'000'000),
                static_cast<long long>(ns % 1'000'000), who.c_str());
  sink(head + line);
}

}  // namespace weir::platform::sim
