#include "platform/posix/reactor.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/assert.h"

namespace weir::platform {

namespace asio = boost::asio;

namespace {

int make_eventfd() {
  const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::system_category(), "eventfd");
  return fd;
}

}  // namespace

struct reactor::asio_part {
  // One thread touches it: no locks inside. Others come in by the mailbox.
  asio::io_context context{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE};
  asio::posix::stream_descriptor wake{context, make_eventfd()};
  std::uint64_t wake_count = 0;
};

reactor::reactor(reactor_options options) : options_(options), asio_(std::make_unique<asio_part>()) { watch_wake_up(); }

reactor::~reactor() = default;

asio::io_context& reactor::context() { return asio_->context; }

bool reactor::in_owner_thread() const {
  const std::thread::id owner = owner_.load(std::memory_order_relaxed);
  return owner == std::thread::id{} || owner == std::this_thread::get_id();
}

void reactor::defer(task t) {
  WEIR_ASSERT(in_owner_thread());
  deferred_.push_back(std::move(t));
}

void reactor::send(task t) {
  bool wake = false;
  {
    const std::lock_guard lock(mailbox_mutex_);
    mailbox_.push_back(std::move(t));
    wake = std::exchange(asleep_, false);
  }
  if (!wake) return;
  const std::uint64_t one = 1;
  // Cannot fail in a way that matters: a full counter means that the wake-up is there already.
  [[maybe_unused]] const ssize_t n = ::write(asio_->wake.native_handle(), &one, sizeof one);
}

timer_id reactor::at(mono_ns when, task t) {
  WEIR_ASSERT(in_owner_thread());
  return timers_.add(when, std::move(t));
}

void reactor::cancel(timer_id id) {
  WEIR_ASSERT(in_owner_thread());
  timers_.cancel(id);
}

void reactor::add_turn_hook(turn_hook hook) { hooks_.push_back(std::move(hook)); }

void reactor::watch_wake_up() {
  asio_->wake.async_read_some(asio::buffer(&asio_->wake_count, sizeof asio_->wake_count),
                              [this](const boost::system::error_code& error, std::size_t) {
                                if (error != asio::error::operation_aborted) watch_wake_up();
                              });
}

void reactor::run() {
  run_until([this] { return stopped_; });
  stopped_ = false;
}

void reactor::run_until(const std::function<bool()>& done) {
  owner_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  more_work_ = true;  // whoever set it up may have deferred tasks and queued disk operations
  while (!done()) turn();
  owner_.store({}, std::memory_order_relaxed);
}

void reactor::stop() {
  send([this] { stopped_ = true; });
}

void reactor::turn() {
  wait_for_work();
  for (int i = 0; i < handlers_per_turn_max && asio_->context.poll_one() != 0; ++i) {
  }
  drain_mailbox();
  run_timers();
  run_deferred();
  // Hooks run even after an idle wake-up: the disk may have completions that no event announced yet. What a hook starts
  // (a session that reads on because its output drained) is looked after by a second round before the next sleep.
  more_work_ = run_hooks();
  if (more_work_) {
    run_deferred();
    more_work_ = run_hooks();
  }
  more_work_ |= !deferred_.empty();
}

// Blocks until there is something to do.
void reactor::wait_for_work() {
  using std::chrono::nanoseconds;
  if (more_work_) return;
  if (options_.spin.count() > 0 && spin_for_work()) return;
  const auto due = timers_.next_due();
  // Rounded up to what epoll can wait for, so that a timer never needs a second, empty turn.
  std::int64_t wait_ns = 1'000'000'000;
  if (due) wait_ns = std::min(wait_ns, *due - clock_.now());
  if (wait_ns <= 0) return;
  {
    const std::lock_guard lock(mailbox_mutex_);
    if (!mailbox_.empty()) return;
    asleep_ = true;
  }
  asio_->context.run_one_for(nanoseconds(wait_ns));
  const std::lock_guard lock(mailbox_mutex_);
  asleep_ = false;
}

bool reactor::spin_for_work() {
  const mono_ns end = clock_.now() + std::chrono::nanoseconds(options_.spin).count();
  do {
    if (asio_->context.poll_one() != 0) return true;
    {
      const std::lock_guard lock(mailbox_mutex_);
      if (!mailbox_.empty()) return true;
    }
    const auto due = timers_.next_due();
    if (due && *due <= clock_.now()) return true;
  } while (clock_.now() < end);
  return false;
}

void reactor::drain_mailbox() {
  {
    const std::lock_guard lock(mailbox_mutex_);
    mailbox_run_.swap(mailbox_);
  }
  for (task& t : mailbox_run_) t();
  mailbox_run_.clear();
}

void reactor::run_timers() {
  const mono_ns now = clock_.now();
  while (task t = timers_.take_due(now)) t();
}

// Tasks that deferred tasks defer run too, but not for ever: what two rounds leave waits for the next turn.
void reactor::run_deferred() {
  for (int round = 0; round < 2 && !deferred_.empty(); ++round) {
    running_.swap(deferred_);
    for (task& t : running_) t();
    running_.clear();
  }
}

bool reactor::run_hooks() {
  bool any = false;
  for (const turn_hook& hook : hooks_) any |= hook();
  return any;
}

}  // namespace weir::platform
