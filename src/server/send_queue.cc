#include "server/send_queue.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace weir::server {

void send_queue::take(protocol::output& from) {
  WEIR_ASSERT(left_ == 0);
  std::swap(holding_, from);
  views_.clear();
  holding_.gather(views_);
  first_ = 0;
  left_ = holding_.size();
  shared_ = left_ - holding_.tail().size();
}

std::size_t send_queue::pieces(iovec* out, std::size_t max) const {
  const std::size_t n = std::min(max, views_.size() - first_);
  for (std::size_t i = 0; i < n; ++i) {
    const bytes& v = views_[first_ + i];
    out[i] = {const_cast<std::byte*>(v.data()), v.size()};
  }
  return n;
}

void send_queue::sent(std::size_t n) {
  left_ -= n;
  while (n > 0) {
    bytes& v = views_[first_];
    const std::size_t step = std::min(n, v.size());
    v = v.subspan(step);
    n -= step;
    if (v.empty()) ++first_;
  }
  if (left_ > 0) return;
  views_.clear();
  first_ = 0;
  shared_ = 0;
  holding_.clear();
}

void send_queue::copy_shared() {
  protocol::output copy;
  copy.tail().reserve(left_);
  for (std::size_t i = first_; i < views_.size(); ++i) copy.append(views_[i]);
  holding_ = std::move(copy);
  views_.clear();
  holding_.gather(views_);
  first_ = 0;
  shared_ = 0;
}

void send_queue::release_if_empty() {
  if (left_ > 0) return;
  holding_ = {};
  views_ = {};
}

}  // namespace weir::server
