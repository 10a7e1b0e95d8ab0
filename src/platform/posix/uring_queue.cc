#include "platform/posix/uring_queue.h"

#include <array>
#include <cerrno>
#include <initializer_list>
#include <system_error>
#include <utility>

#include "base/assert.h"

namespace weir::platform {

namespace {

bool has_operations(io_uring& ring) {
  const std::unique_ptr<io_uring_probe, void (*)(io_uring_probe*)> probe(io_uring_get_probe_ring(&ring),
                                                                         io_uring_free_probe);
  if (!probe) return false;
  for (const int op : {IORING_OP_WRITEV, IORING_OP_READ, IORING_OP_FSYNC, IORING_OP_FALLOCATE, IORING_OP_UNLINKAT}) {
    if (!io_uring_opcode_supported(probe.get(), op)) return false;
  }
  return true;
}

}  // namespace

result<std::unique_ptr<uring_queue>> uring_queue::make(unsigned entries) {
  std::unique_ptr<uring_queue> q(new uring_queue());
  // Completions wait for the reactor's next system call instead of interrupting it; older kernels do not know that.
  int rc = io_uring_queue_init(entries, &q->ring_, IORING_SETUP_CLAMP | IORING_SETUP_COOP_TASKRUN);
  if (rc == -EINVAL) rc = io_uring_queue_init(entries, &q->ring_, IORING_SETUP_CLAMP);
  if (rc != 0) return fault(errc::unsupported, "io_uring: " + std::generic_category().message(-rc));
  q->open_ = true;
  if (!has_operations(q->ring_))
    return fault(errc::unsupported, "io_uring: this kernel lacks operations that are needed");
  return q;
}

uring_queue::~uring_queue() {
  if (!open_) return;
  abandon();
  io_uring_queue_exit(&ring_);
}

// The kernel may still read or write the memory of operations in flight: it must be done before anything is freed.
void uring_queue::abandon() {
  submit();
  while (in_flight_ > 0) {
    io_uring_cqe* cqe = nullptr;
    const int rc = io_uring_wait_cqe(&ring_, &cqe);
    if (rc == -EINTR) continue;
    if (rc != 0) break;
    const completion dropped = give_back(io_uring_cqe_get_data64(cqe));
    io_uring_cqe_seen(&ring_, cqe);
    --in_flight_;
  }
}

std::uint64_t uring_queue::keep(completion done) {
  if (free_.empty()) {
    slots_.push_back(std::move(done));
    return slots_.size() - 1;
  }
  const std::uint64_t slot = free_.back();
  free_.pop_back();
  slots_[slot] = std::move(done);
  return slot;
}

uring_queue::completion uring_queue::give_back(std::uint64_t slot) {
  free_.push_back(slot);
  return std::exchange(slots_[slot], nullptr);
}

io_uring_sqe* uring_queue::free_entry() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {
    submit();
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

bool uring_queue::submit() {
  bool any = false;
  while (io_uring_sq_ready(&ring_) != 0) {
    const int rc = io_uring_submit(&ring_);
    any = true;
    // EBUSY, EAGAIN: the kernel is short of memory or the completions overflow; both pass. All else is our misuse.
    WEIR_ASSERT(rc >= 0 || rc == -EBUSY || rc == -EAGAIN || rc == -EINTR);
    if (rc == -EBUSY || rc == -EAGAIN) break;
  }
  return any;
}

bool uring_queue::complete() {
  std::array<io_uring_cqe*, 64> batch{};
  bool any = false;
  for (;;) {
    const unsigned n = io_uring_peek_batch_cqe(&ring_, batch.data(), batch.size());
    if (n == 0) return any;
    any = true;
    // Copied out before they run: a completion may start operations, which may need room in the ring.
    std::array<completion, 64> done;
    std::array<int, 64> outcome{};
    for (unsigned i = 0; i < n; ++i) {
      done[i] = give_back(io_uring_cqe_get_data64(batch[i]));
      outcome[i] = batch[i]->res;
    }
    io_uring_cq_advance(&ring_, n);
    in_flight_ -= n;
    for (unsigned i = 0; i < n; ++i) done[i](outcome[i]);
  }
}

}  // namespace weir::platform
