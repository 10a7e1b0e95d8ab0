// Output on its way into a socket: pieces in order, with a position. Owner thread: the connection's reactor.
#pragma once

#include <sys/uio.h>

#include <vector>

#include "protocol/common/output.h"

namespace weir::server {

class send_queue {
 public:
  [[nodiscard]] bool empty() const { return left_ == 0; }
  [[nodiscard]] std::size_t size() const { return left_; }
  // Shared bytes that are kept alive by what is not sent yet (all of them as long as one is).
  [[nodiscard]] std::size_t shared_bytes() const { return shared_; }

  // Takes everything out of `from`, which is empty afterwards. Only when this is empty.
  void take(protocol::output& from);
  // Up to `max` pieces that are to be sent next.
  [[nodiscard]] std::size_t pieces(iovec* out, std::size_t max) const;
  void sent(std::size_t n);
  // Replaces the pieces that are left by a copy, so that nothing shared is held.
  void copy_shared();
  // Gives memory back when there is nothing in it.
  void release_if_empty();

 private:
  protocol::output holding_;
  std::vector<bytes> views_;
  std::size_t first_ = 0;  // of views_
  std::size_t left_ = 0;   // bytes
  std::size_t shared_ = 0;
};

}  // namespace weir::server
