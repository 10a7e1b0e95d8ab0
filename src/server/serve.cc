#include "server/serve.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <csignal>
#include <cstdio>
#include <optional>

#include "base/version.h"
#include "server/config_text.h"
#include "server/node.h"

namespace weir::server {

namespace {

exit_code code_of(const fault& f) {
  switch (f.code) {
    case errc::corrupt:
    case errc::torn:
    case errc::unsupported:
      return exit_code::damaged;
    case errc::invalid:
      return exit_code::usage;
    case errc::fenced:
      return exit_code::fenced;
    default:
      return exit_code::failed;
  }
}

// Signals as events of reactor 0. Blocked for the whole process before a thread is made.
class stop_signals {
 public:
  stop_signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);  // NOLINT: EPIPE is enough
  }

  void watch(node& n) {
    descriptor_.emplace(n.main_loop().context(), ::signalfd(-1, &set_, SFD_NONBLOCK | SFD_CLOEXEC));
    descriptor_->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                            [this, &n](const boost::system::error_code& error) {
                              if (error) return;
                              signalfd_siginfo info{};
                              if (::read(descriptor_->native_handle(), &info, sizeof info) != sizeof info)
                                return watch_again(n);
                              log("server").info("stopping: {}", info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
                              // Whoever asks twice does not want to wait.
                              ::pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
                              n.request_stop();
                            });
  }
  // Before the reactor goes.
  void forget() { descriptor_.reset(); }

 private:
  void watch_again(node& n) {
    descriptor_.reset();
    watch(n);
  }
  sigset_t set_{};
  std::optional<boost::asio::posix::stream_descriptor> descriptor_;
};

void say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

exit_code failed(const fault& f) {
  log("server").error("{}", f.text.empty() ? f.describe() : f.text);
  flush_logging();
  return code_of(f);
}

}  // namespace

exit_code serve(const server_config& config) {
  if (auto ok = set_up_logging({config.log_level, config.log_levels, config.log_format == "json"}); !ok)
    return failed(ok.error());
  stop_signals signals;
  log("server").info("weir {} starts, data folder {}", version, config.data_dir);
  auto opened = node::open(config);
  if (!opened) return failed(opened.error());
  node& n = **opened;
  if (auto ok = n.start(); !ok) return failed(ok.error());
  signals.watch(n);
  for (const auto& [protocol, where] : n.listening()) say("listening " + protocol + " " + print_endpoint(where));
  say("ready");
  const auto outcome = n.run();
  signals.forget();
  if (!outcome) return failed(outcome.error());
  log("server").info("stopped");
  flush_logging();
  return exit_code::ok;
}

}  // namespace weir::server
