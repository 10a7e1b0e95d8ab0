// The executor seam: one reactor's run loop. Core objects have one owner reactor; `send` is the only
// crossing.
#pragma once

#include <cstdint>
#include <functional>

#include "base/clock.h"
#include "base/strong.h"

namespace weir {

using task = std::function<void()>;
using timer_id = strong<struct timer_id_tag, std::uint64_t>;  // 0 is no timer

class executor {
 public:
  executor() = default;
  executor(const executor&) = delete;
  executor& operator=(const executor&) = delete;
  virtual ~executor() = default;

  // Runs `t` on this reactor after the current task, in the order of the calls. Owner thread only.
  virtual void defer(task t) = 0;
  // Runs `t` on this reactor; from any thread. Tasks of one sender keep their order. Sends are collected and
  // the reactor is woken once per batch.
  virtual void send(task t) = 0;
  // Runs `t` once at or after `when`. Owner thread only.
  virtual timer_id at(mono_ns when, task t) = 0;
  // After cancel returns the task will not run. Cancelling a timer that ran is harmless. Owner thread only.
  virtual void cancel(timer_id id) = 0;
};

}  // namespace weir
