#include "server/receive_pool.h"

#include <utility>

namespace weir::server {

bool receive_pool::take(receive_claim& c, std::uint64_t connection, std::size_t whole) {
  const bool large = whole > small_bytes;
  if (whole <= c.held && large == c.large) {
    if (c.waiting()) leave_queue(c);
    return true;
  }
  if (c.waiting() && c.queued_large != large) leave_queue(c);
  share& s = of(large);
  const bool first = s.queue.empty() || (c.waiting() && s.queue.begin()->first == c.place);
  const std::size_t others = s.held - (c.large == large ? c.held : 0);
  if (first && (others == 0 || others + whole <= s.max)) {
    set(c, large, whole);
    if (c.waiting()) leave_queue(c);
    return true;
  }
  if (!c.waiting()) {
    c.place = ++last_place_;
    c.queued_large = large;
    s.queue.emplace(c.place, connection);
  }
  return false;
}

void receive_pool::hold(receive_claim& c, std::size_t bytes) {
  if (c.waiting()) leave_queue(c);
  set(c, bytes > small_bytes, bytes);
}

void receive_pool::set(receive_claim& c, bool large, std::size_t bytes) {
  const bool was_large = c.large;
  of(was_large).held -= c.held;
  of(large).held += bytes;
  const bool gave = was_large != large || bytes < c.held;
  c.held = bytes;
  c.large = large;
  if (gave) call_next(of(was_large));
}

void receive_pool::leave_queue(receive_claim& c) {
  share& s = of(c.queued_large);
  s.queue.erase(c.place);
  c.place = 0;
  call_next(s);
}

void receive_pool::call_next(share& s) {
  if (!s.queue.empty()) turn_(s.queue.begin()->second);
}

}  // namespace weir::server
