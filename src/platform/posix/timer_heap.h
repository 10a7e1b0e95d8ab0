// Timers of one reactor: a heap ordered by due time, cancelled entries are skipped when they surface.
// Owner thread: the reactor.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/executor.h"

namespace weir::platform {

class timer_heap {
 public:
  timer_id add(mono_ns when, task t);
  void cancel(timer_id id);
  // The earliest time at which a live timer is due.
  [[nodiscard]] std::optional<mono_ns> next_due();
  // Takes the earliest timer that is due at `now`, empty when there is none. Equal times come in the order of add().
  [[nodiscard]] task take_due(mono_ns now);
  [[nodiscard]] std::size_t size() const { return live_.size(); }

 private:
  struct entry {
    mono_ns when;
    std::uint64_t id;
  };
  struct later {
    bool operator()(const entry& a, const entry& b) const { return a.when != b.when ? a.when > b.when : a.id > b.id; }
  };
  void drop_cancelled_front();
  void rebuild_if_mostly_cancelled();

  std::vector<entry> heap_;
  std::unordered_map<std::uint64_t, task> live_;
  std::uint64_t last_id_ = 0;
};

}  // namespace weir::platform
