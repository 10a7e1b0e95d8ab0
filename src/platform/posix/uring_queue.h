// One io_uring and its operations in flight. Knows the kernel interface and nothing of files' names or meanings.
// Owner thread: the reactor.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace weir::platform {

class uring_queue {
 public:
  // Gets the kernel's result: a count, or a negative error number.
  using completion = std::function<void(int)>;

  [[nodiscard]] static result<std::unique_ptr<uring_queue>> make(unsigned entries);
  ~uring_queue();
  uring_queue(const uring_queue&) = delete;
  uring_queue& operator=(const uring_queue&) = delete;

  // Queues an operation: `prepare` fills the entry. What it points to must live until the completion ran; the completion
  // owns it best. Nothing is seen by the kernel before submit(), unless the ring is full.
  template<class Prepare>
  void start(Prepare&& prepare, completion done) {
    io_uring_sqe* sqe = free_entry();
    prepare(sqe);
    io_uring_sqe_set_data64(sqe, keep(std::move(done)));
    ++in_flight_;
  }
  // Gives what is queued to the kernel. Returns whether there was something.
  bool submit();
  // Runs the completions that have come. Returns whether there were any.
  bool complete();
  // Waits until the kernel is done with everything in flight and drops the completions without running them.
  void abandon();
  [[nodiscard]] int fd() const { return ring_.ring_fd; }
  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }

 private:
  uring_queue() = default;
  io_uring_sqe* free_entry();
  std::uint64_t keep(completion done);
  completion give_back(std::uint64_t slot);

  io_uring ring_{};
  std::size_t in_flight_ = 0;
  std::vector<completion> slots_;  // of operations in flight; the kernel carries the index
  std::vector<std::uint64_t> free_;
  bool open_ = false;
};

}  // namespace weir::platform
