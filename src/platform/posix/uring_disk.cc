#include "platform/posix/uring_disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <climits>
#include <utility>

#include "base/assert.h"
#include "platform/posix/posix_error.h"
#include "platform/posix/uring_queue.h"

namespace weir::platform {

namespace asio = boost::asio;

namespace {

constexpr unsigned ring_entries = 256;

bool transient(int rc) { return rc == -EINTR || rc == -EAGAIN; }

// Turns a kernel result without a count into an outcome.
uring_queue::completion plain(std::string what, op_done done) {
  return [what = std::move(what), done = std::move(done)](int rc) {
    if (rc < 0) return done(fault_from_errno(-rc, what));
    done({});
  };
}

// The descriptor that goes past the page cache, or -1 where the file system refuses.
int past_cache_fd(open_file& f) {
  if (f.past_cache_refused) return -1;
  if (!f.past_cache.valid()) {
    // By descriptor: the name may be gone.
    const std::string again = "/proc/self/fd/" + std::to_string(f.fd.get());
    f.past_cache = unique_fd(::open(again.c_str(), O_RDWR | O_CLOEXEC | O_DIRECT));
    f.past_cache_refused = !f.past_cache.valid();
  }
  return f.past_cache.get();
}

bool whole_blocks(std::uint64_t pos, bytes memory) {
  return pos % disk_block_bytes == 0 && memory.size() % disk_block_bytes == 0 &&
         reinterpret_cast<std::uintptr_t>(memory.data()) % disk_block_bytes == 0;
}

// For a read: not for small ones, which profit from the kernel's read-ahead, nor for what is in memory anyway.
int read_past_cache(open_file& f, std::uint64_t pos, bytes into) {
  if (!whole_blocks(pos, into)) return -1;
  if (f.direct_reads) return past_cache_fd(f);
  if (into.size() < past_cache_least_bytes) return -1;
  return in_page_cache(f.fd.get(), pos, into.size()) ? -1 : past_cache_fd(f);
}

// For a write. A larger page would be shared with what is written through the cache beside it.
int write_past_cache(open_file& f, std::uint64_t pos, const std::vector<bytes>& parts) {
  static const bool page_is_block = ::sysconf(_SC_PAGESIZE) == static_cast<long>(disk_block_bytes);
  const bool fits =
      page_is_block && f.written_once && parts.size() == 1 && parts.front().size() >= past_cache_least_bytes;
  return fits && whole_blocks(pos, parts.front()) ? past_cache_fd(f) : -1;
}

// A write that continues until all parts are there.
struct write_op : std::enable_shared_from_this<write_op> {
  std::shared_ptr<uring_queue> ring;
  std::shared_ptr<open_file> f;
  int fd = -1;
  int rw_flags = 0;
  std::uint64_t pos = 0;
  std::vector<iovec> parts;
  std::size_t first = 0;
  std::size_t written = 0;
  io_done done;

  void start() {
    const auto count = static_cast<unsigned>(std::min<std::size_t>(parts.size() - first, IOV_MAX));
    ring->start(
        [&](io_uring_sqe* sqe) {
          io_uring_prep_writev2(sqe, fd, parts.data() + first, count, pos + written, rw_flags);
        },
        [self = shared_from_this()](int rc) { self->on_result(rc); });
  }

  void on_result(int rc) {
    if (transient(rc)) return start();
    if (rc == -EINVAL && fd == f->past_cache.get()) {
      // Larger blocks than ours, or a file system that opens so but does not write so.
      f->past_cache_refused = true;
      fd = f->fd.get();
      return start();
    }
    if (rc < 0) return done(fault_from_errno(-rc, "write " + f->path));
    if (rc == 0) return done(fault(errc::io, "write " + f->path + ": the system wrote nothing"));
    written += static_cast<std::size_t>(rc);
    advance(parts, first, static_cast<std::size_t>(rc));
    if (first == parts.size()) return done(written);
    if (fd != f->fd.get() && static_cast<std::size_t>(rc) % disk_block_bytes != 0) {
      return done(fault(errc::io, "write " + f->path + ": the system wrote a part of a block"));
    }
    start();
  }
};

// A read that continues until `into` is full or the file ends.
struct read_op : std::enable_shared_from_this<read_op> {
  std::shared_ptr<uring_queue> ring;
  std::shared_ptr<open_file> f;
  int direct = -1;
  std::uint64_t pos = 0;
  mutable_bytes into;
  std::size_t have = 0;
  io_done done;

  void start() {
    const auto length = static_cast<unsigned>(std::min<std::size_t>(into.size() - have, 1U << 30));
    ring->start(
        [&](io_uring_sqe* sqe) {
          io_uring_prep_read(sqe, direct < 0 ? f->fd.get() : direct, into.data() + have, length, pos + have);
        },
        [self = shared_from_this()](int rc) { self->on_result(rc); });
  }

  void on_result(int rc) {
    if (transient(rc)) return start();
    if (rc == -EINVAL && direct >= 0) {
      // Larger blocks than ours, or a file system that opens so but does not read so.
      f->past_cache_refused = true;
      direct = -1;
      return start();
    }
    if (rc < 0) return done(fault_from_errno(-rc, "read " + f->path));
    have += static_cast<std::size_t>(rc);
    if (rc == 0 || have == into.size()) return done(have);
    if (have % disk_block_bytes != 0) direct = -1;  // the end of the file, most likely
    start();
  }
};

class uring_file final : public posix_file {
 public:
  uring_file(std::shared_ptr<open_file> f, reactor& owner, std::shared_ptr<uring_queue> ring, bool direct)
      : posix_file(std::move(f)), owner_(owner), ring_(std::move(ring)), direct_(direct) {}

  void write(std::uint64_t pos, std::vector<bytes> parts, io_done done) override {
    assert_aligned(pos, parts);
    auto op = std::make_shared<write_op>();
    op->ring = ring_;
    op->f = f_;
    op->pos = pos;
    op->parts = to_iovecs(parts);
    const bool direct = f_->direct.valid();
    const int past_cache = direct_ ? write_past_cache(*f_, pos, parts) : -1;
    op->fd = direct ? f_->direct.get() : past_cache >= 0 ? past_cache : f_->fd.get();
    op->rw_flags = direct ? RWF_DSYNC : 0;
    if (op->fd == f_->fd.get()) {
      for (const bytes& p : parts) f_->cached_bytes += p.size();
    }
    op->done = [order = order_, id = order_->begin_write(), done = std::move(done)](result<std::size_t> r) {
      order->end_write(id);
      done(std::move(r));
    };
    if (f_->durable && !direct) op->done = sync_after(std::move(op->done));
    if (op->parts.empty()) return owner_.defer([op] { op->done(std::size_t{0}); });
    op->start();
  }

  void read(std::uint64_t pos, mutable_bytes into, io_done done) override {
    if (into.empty()) return owner_.defer([done = std::move(done)] { done(std::size_t{0}); });
    auto op = std::make_shared<read_op>();
    op->ring = ring_;
    op->f = f_;
    op->pos = pos;
    op->into = into;
    op->direct = direct_ ? read_past_cache(*f_, pos, into) : -1;
    op->done = std::move(done);
    op->start();
  }

  void sync(op_done done) override {
    order_->after_writes([ring = ring_, f = f_, done = std::move(done)] { start_sync(*ring, f, done); });
  }

  void allocate(std::uint64_t length, op_done done) override {
    auto finish = [f = f_, length, done = std::move(done)](int rc) {
      if (rc == -EOPNOTSUPP) return done(allocate_fd(f->fd.get(), length, f->path));
      if (rc < 0) return done(fault_from_errno(-rc, "allocate " + f->path));
      done({});
    };
    ring_->start(
        [&](io_uring_sqe* sqe) { io_uring_prep_fallocate(sqe, f_->fd.get(), 0, 0, static_cast<off_t>(length)); },
        std::move(finish));
  }

 private:
  static void start_sync(uring_queue& ring, const std::shared_ptr<open_file>& f, op_done done) {
    // The completion holds the file: its descriptor must not be closed and given away under the operation.
    ring.start([&](io_uring_sqe* sqe) { io_uring_prep_fsync(sqe, f->fd.get(), IORING_FSYNC_DATASYNC); },
               [&ring, f, finish = plain("sync " + f->path, std::move(done))](int rc) {
                 if (rc == 0 && f->written_once) drop_pages(ring, f);
                 finish(rc);
               });
  }

  // Only clean pages go; what was written meanwhile stays. A few are left: the last block of a file that grows is
  // written to again.
  static void drop_pages(uring_queue& ring, const std::shared_ptr<open_file>& f) {
    if (f->cached_bytes < past_cache_least_bytes) return;
    f->cached_bytes = 0;
    ring.start([&](io_uring_sqe* sqe) { io_uring_prep_fadvise(sqe, f->fd.get(), 0, 0, POSIX_FADV_DONTNEED); },
               [f](int) {});
  }

  // Durable writes where O_DIRECT is refused: the write counts only after a sync behind it.
  io_done sync_after(io_done done) {
    return [ring = ring_, f = f_, done = std::move(done)](result<std::size_t> written) {
      if (!written) return done(std::move(written));
      start_sync(*ring, f, [done, n = *written](result<void> synced) {
        if (!synced) return done(synced.error());
        done(n);
      });
    };
  }

  reactor& owner_;
  std::shared_ptr<uring_queue> ring_;
  bool direct_;
  std::shared_ptr<write_order> order_ = std::make_shared<write_order>();
};

class uring_disk final : public posix_disk {
 public:
  uring_disk(reactor& owner, const std::string& folder, bool direct, std::shared_ptr<uring_queue> ring)
      : posix_disk(folder),
        owner_(owner),
        ring_(std::move(ring)),
        direct_(direct),
        watch_(owner.context(), ::dup(ring_->fd())) {
    watch();
    owner.add_turn_hook([weak = std::weak_ptr<uring_queue>(ring_)] {
      const auto queue = weak.lock();
      if (!queue) return false;
      // Submitted last: completions may start new operations. What the kernel finished inside the submission (pages that
      // were cached) is picked up by the next round.
      const bool completed = queue->complete();
      return queue->submit() || completed;
    });
  }

  // Operations own the ring and the ring owns them: cut here.
  ~uring_disk() override { ring_->abandon(); }

  [[nodiscard]] result<std::shared_ptr<file>> open(const std::string& path, open_options options) override {
    auto f = open_fds(path, options, direct_);
    if (!f) return f.error();
    return std::shared_ptr<file>(std::make_shared<uring_file>(std::move(*f), owner_, ring_, direct_));
  }

  void unlink(const std::string& path, op_done done) override {
    auto name = std::make_shared<const std::string>(full(path));
    ring_->start([&](io_uring_sqe* sqe) { io_uring_prep_unlinkat(sqe, AT_FDCWD, name->c_str(), 0); },
                 [name, finish = plain("remove " + path, std::move(done))](int rc) { finish(rc); });
  }

  void sync_folder(const std::string& path, op_done done) override {
    auto fd = std::make_shared<unique_fd>(::open(full(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd->valid()) {
      return owner_.defer([done = std::move(done), f = fault_from_errno(errno, "open folder " + path)] { done(f); });
    }
    ring_->start([&](io_uring_sqe* sqe) { io_uring_prep_fsync(sqe, fd->get(), 0); },
                 [fd, finish = plain("sync folder " + path, std::move(done))](int rc) { finish(rc); });
  }

  [[nodiscard]] bool direct() const override { return direct_; }

 private:
  // Wakes the reactor when completions are there; the turn hook runs them. The descriptor stays readable until then.
  void watch() {
    watch_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
      if (error) return;
      ring_->complete();
      watch();
    });
  }

  reactor& owner_;
  std::shared_ptr<uring_queue> ring_;
  bool direct_;
  asio::posix::stream_descriptor watch_;
};

}  // namespace

result<std::shared_ptr<disk>> make_uring_disk(reactor& owner, const std::string& folder, bool direct_writes) {
  auto ring = uring_queue::make(ring_entries);
  if (!ring) return ring.error();
  return std::shared_ptr<disk>(
      std::make_shared<uring_disk>(owner, folder, direct_writes, std::shared_ptr<uring_queue>(std::move(*ring))));
}

}  // namespace weir::platform
