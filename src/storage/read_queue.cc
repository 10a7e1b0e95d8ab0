#include "storage/read_queue.h"

#include <algorithm>
#include <utility>

namespace weir::storage {

void read_queue::read(const std::shared_ptr<platform::file>& f, std::uint64_t position, mutable_bytes into,
                      platform::io_done done) {
  waiting_.push_back({f, position, into, std::move(done)});
  start_waiting();
}

void read_queue::read_ahead(const std::shared_ptr<platform::file>& f, std::uint64_t position, mutable_bytes into,
                            platform::io_done done) {
  ahead_.push_back({f, position, into, std::move(done)});
  start_waiting();
}

void read_queue::hurry(const std::byte* into) {
  const auto at = std::find_if(ahead_.begin(), ahead_.end(), [&](const waiting& w) { return w.into.data() == into; });
  if (at == ahead_.end()) return;
  waiting_.push_back(std::move(*at));
  ahead_.erase(at);
}

void read_queue::limit(std::uint64_t bytes_max) {
  bytes_max_ = bytes_max;
  start_waiting();
}

void read_queue::start_waiting() {
  while (!waiting_.empty() || !ahead_.empty()) {
    auto& from = waiting_.empty() ? ahead_ : waiting_;
    if (under_way_ != 0 && under_way_ + from.front().into.size() > bytes_max_) return;
    waiting next = std::move(from.front());
    from.pop_front();
    start(std::move(next));
  }
}

void read_queue::start(waiting&& next) {
  const std::size_t size = next.into.size();
  under_way_ += size;
  next.file->read(next.position, next.into,
                  [this, size, done = std::move(next.done), file = next.file,
                   alive = std::weak_ptr(alive_)](result<std::size_t> got) {
                    if (alive.expired()) return;
                    under_way_ -= size;
                    start_waiting();
                    done(std::move(got));
                  });
}

}  // namespace weir::storage
