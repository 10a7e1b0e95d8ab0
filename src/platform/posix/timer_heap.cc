#include "platform/posix/timer_heap.h"

#include <algorithm>
#include <utility>

namespace weir::platform {

timer_id timer_heap::add(mono_ns when, task t) {
  const std::uint64_t id = ++last_id_;
  live_.emplace(id, std::move(t));
  heap_.push_back({when, id});
  std::push_heap(heap_.begin(), heap_.end(), later{});
  return timer_id(id);
}

void timer_heap::cancel(timer_id id) {
  live_.erase(id.raw());
  rebuild_if_mostly_cancelled();
}

std::optional<mono_ns> timer_heap::next_due() {
  drop_cancelled_front();
  if (heap_.empty()) return std::nullopt;
  return heap_.front().when;
}

task timer_heap::take_due(mono_ns now) {
  drop_cancelled_front();
  if (heap_.empty() || heap_.front().when > now) return {};
  const auto it = live_.find(heap_.front().id);
  task t = std::move(it->second);
  live_.erase(it);
  std::pop_heap(heap_.begin(), heap_.end(), later{});
  heap_.pop_back();
  return t;
}

void timer_heap::drop_cancelled_front() {
  while (!heap_.empty() && !live_.contains(heap_.front().id)) {
    std::pop_heap(heap_.begin(), heap_.end(), later{});
    heap_.pop_back();
  }
}

// Long polls set and cancel a timer each: without this the heap would hold every one until its time comes.
void timer_heap::rebuild_if_mostly_cancelled() {
  if (heap_.size() < 64 || heap_.size() < 2 * live_.size()) return;
  std::erase_if(heap_, [this](const entry& e) { return !live_.contains(e.id); });
  std::make_heap(heap_.begin(), heap_.end(), later{});
}

}  // namespace weir::platform
