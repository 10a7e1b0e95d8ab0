#include "platform/posix/thread_disk.h"

#include <fcntl.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/assert.h"

namespace weir::platform {

namespace {

// Runs jobs off the reactor and their completions on it.
class worker_pool {
 public:
  worker_pool(reactor& owner, unsigned threads) : owner_(owner) {
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  worker_pool(const worker_pool&) = delete;
  worker_pool& operator=(const worker_pool&) = delete;
  ~worker_pool() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    ready_.notify_all();
    for (std::thread& t : threads_) t.join();
  }

  // `job` runs in a worker and returns what is to run on the reactor.
  void run(std::function<task()> job) {
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    ready_.notify_one();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      ready_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      const std::function<task()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      owner_.send(job());
      lock.lock();
    }
  }

  reactor& owner_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<task()>> jobs_;  // under mutex_
  bool stopping_ = false;                   // under mutex_
  std::vector<std::thread> threads_;
};

// Packs a job and its typed completion for the pool.
template<class Result>
void run_job(worker_pool& pool, std::function<Result()> job, std::function<void(Result)> done) {
  pool.run([job = std::move(job), done = std::move(done)]() mutable -> task {
    return [outcome = job(), done = std::move(done)] { done(outcome); };
  });
}

class thread_file final : public posix_file {
 public:
  thread_file(std::shared_ptr<open_file> f, std::shared_ptr<worker_pool> pool)
      : posix_file(std::move(f)), pool_(std::move(pool)) {}

  void write(std::uint64_t pos, std::vector<bytes> parts, io_done done) override {
    assert_aligned(pos, parts);
    const std::uint64_t id = order_->begin_write();
    run_job<result<std::size_t>>(
        *pool_,
        [f = f_, pos, parts = std::move(parts)]() -> result<std::size_t> {
          auto written = write_all(f->fd.get(), pos, to_iovecs(parts), f->path);
          if (!written || !f->durable) return written;
          if (auto synced = sync_fd(f->fd.get(), f->path); !synced) return synced.error();
          return written;
        },
        [order = order_, id, done = std::move(done)](result<std::size_t> r) {
          order->end_write(id);
          done(std::move(r));
        });
  }

  void read(std::uint64_t pos, mutable_bytes into, io_done done) override {
    run_job<result<std::size_t>>(
        *pool_, [f = f_, pos, into] { return read_up_to(f->fd.get(), pos, into, f->path); }, std::move(done));
  }

  void sync(op_done done) override {
    order_->after_writes([pool = pool_, f = f_, done = std::move(done)] {
      run_job<result<void>>(
          *pool,
          [f] {
            auto synced = sync_fd(f->fd.get(), f->path);
            if (synced && f->written_once) (void)::posix_fadvise(f->fd.get(), 0, 0, POSIX_FADV_DONTNEED);
            return synced;
          },
          done);
    });
  }

  void allocate(std::uint64_t length, op_done done) override {
    run_job<result<void>>(
        *pool_, [f = f_, length] { return allocate_fd(f->fd.get(), length, f->path); }, std::move(done));
  }

 private:
  std::shared_ptr<worker_pool> pool_;
  std::shared_ptr<write_order> order_ = std::make_shared<write_order>();
};

class thread_disk final : public posix_disk {
 public:
  thread_disk(reactor& owner, const std::string& folder, thread_disk_options options)
      : posix_disk(folder), pool_(std::make_shared<worker_pool>(owner, options.threads)) {}

  [[nodiscard]] result<std::shared_ptr<file>> open(const std::string& path, open_options options) override {
    auto f = open_fds(path, options, false);
    if (!f) return f.error();
    return std::shared_ptr<file>(std::make_shared<thread_file>(std::move(*f), pool_));
  }
  void unlink(const std::string& path, op_done done) override {
    run_job<result<void>>(
        *pool_, [full = full(path), path] { return unlink_path(full, path); }, std::move(done));
  }
  void sync_folder(const std::string& path, op_done done) override {
    run_job<result<void>>(
        *pool_, [full = full(path), path] { return sync_folder_path(full, path); }, std::move(done));
  }
  [[nodiscard]] bool direct() const override { return false; }

 private:
  std::shared_ptr<worker_pool> pool_;
};

}  // namespace

std::shared_ptr<disk> make_thread_disk(reactor& owner, const std::string& folder, thread_disk_options options) {
  return std::make_shared<thread_disk>(owner, folder, options);
}

}  // namespace weir::platform
