#include "server/listener.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "server/config_text.h"

namespace weir::server {

namespace {

constexpr int accepts_per_turn = 64;
constexpr int backlog = 4096;
constexpr std::int64_t pause_after_refusal_ns = 100'000'000;

std::string message(int error) { return std::generic_category().message(error); }

protocol::endpoint endpoint_of(const sockaddr_storage& a) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (a.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(a);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return {text.data(), ntohs(v4.sin_port)};
  }
  if (a.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(a);
    // A client that came by IPv4 to a socket for both is named by its IPv4 address.
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      ::inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, text.data(), text.size());
    } else {
      ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    }
    return {text.data(), ntohs(v6.sin6_port)};
  }
  return {};
}

protocol::endpoint local_endpoint(int fd) {
  sockaddr_storage a{};
  socklen_t length = sizeof a;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &length);
  return endpoint_of(a);
}

void set_option(int fd, int level, int name, int value) { (void)::setsockopt(fd, level, name, &value, sizeof value); }

// A peer that vanished without a word is noticed after about four minutes.
void set_client_options(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 120);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 30);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

result<platform::unique_fd> bind_tcp(const protocol::endpoint& where) {
  const std::string name = print_endpoint(where);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int rc = ::getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &hints, &found); rc != 0) {
    return fault(errc::invalid, "cannot listen on " + name + ": " + ::gai_strerror(rc));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, ::freeaddrinfo);
  platform::unique_fd fd(::socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fault(errc::io, "cannot listen on " + name + ": " + message(errno));
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (::bind(fd.get(), list->ai_addr, list->ai_addrlen) != 0 || ::listen(fd.get(), backlog) != 0) {
    const int error = errno;
    const std::string hint = error == EADDRINUSE ? "; another server is there: choose another port or stop it" : "";
    return fault(error == EADDRINUSE ? errc::busy : errc::io,
                 "cannot listen on " + name + ": " + message(error) + hint);
  }
  return fd;
}

bool somebody_listens(const sockaddr_un& a) {
  const platform::unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0;
}

result<platform::unique_fd> bind_unix(const std::string& path) {
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  if (path.size() >= sizeof a.sun_path) {
    return fault(errc::invalid,
                 fmt::format("cannot listen on {}: the path is longer than {} characters; choose a shorter data folder",
                             path, sizeof a.sun_path - 1));
  }
  std::memcpy(a.sun_path, path.c_str(), path.size() + 1);
  if (somebody_listens(a)) return fault(errc::busy, "cannot listen on " + path + ": another server is there");
  ::unlink(path.c_str());
  platform::unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // Nobody but the owner may connect, not even for a moment.
  const mode_t before = ::umask(0177);
  const bool bound = fd.valid() && ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0;
  const int error = errno;
  ::umask(before);
  if (!bound) return fault(errc::io, "cannot listen on " + path + ": " + message(error));
  if (::listen(fd.get(), 64) != 0) return fault(errc::io, "cannot listen on " + path + ": " + message(errno));
  return fd;
}

}  // namespace

struct listener::state : std::enable_shared_from_this<listener::state> {
  state(platform::reactor& r, connection_census& c, platform::unique_fd fd, handler h)
      : owner(r), census(c), socket(r.context(), fd.release()), on_connection(std::move(h)) {}

  platform::reactor& owner;
  connection_census& census;
  boost::asio::posix::stream_descriptor socket;
  handler on_connection;
  std::string protocol;
  protocol::endpoint address;
  std::string unix_path;
  bool closed = false;
  log logger{"server"};

  void watch() {
    if (closed) return;
    socket.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](const boost::system::error_code& error) {
                        if (error || self->closed) return;
                        if (self->accept_some()) return self->watch();
                        self->owner.at(self->owner.clock().now() + pause_after_refusal_ns, [self] { self->watch(); });
                      });
  }

  // False when the system has no room for more: try again later.
  bool accept_some() {
    for (int i = 0; i < accepts_per_turn; ++i) {
      sockaddr_storage from{};
      socklen_t length = sizeof from;
      platform::unique_fd fd(
          ::accept4(socket.native_handle(), reinterpret_cast<sockaddr*>(&from), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd.valid() && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
      if (!fd.valid() && (errno == EINTR || errno == ECONNABORTED)) continue;
      if (!fd.valid()) {
        logger.limited(log_level::error, "accept", "cannot accept a connection: {}", message(errno));
        return false;
      }
      take(std::move(fd), from);
    }
    return true;
  }

  void take(platform::unique_fd fd, const sockaddr_storage& from) {
    new_connection c;
    c.protocol = protocol;
    c.peer = unix_path.empty() ? endpoint_of(from) : protocol::endpoint{"local", 0};
    c.local = unix_path.empty() ? local_endpoint(fd.get()) : address;
    auto place = census.enter(c.peer.host);
    if (!place) {
      logger.limited(log_level::warn, "refuse", "refused a connection from {}: {}", print_endpoint(c.peer),
                     place.error().text);
      return;
    }
    c.place = std::move(*place);
    if (unix_path.empty()) set_client_options(fd.get());
    c.fd = std::move(fd);
    on_connection(std::move(c));
  }
};

result<std::unique_ptr<listener>> listener::tcp(platform::reactor& owner, connection_census& census,
                                                const listener_config& where, handler on_connection) {
  auto fd = bind_tcp(where.address);
  if (!fd) return fd.error();
  const protocol::endpoint bound = local_endpoint(fd->get());
  auto s = std::make_shared<state>(owner, census, std::move(*fd), std::move(on_connection));
  s->protocol = where.protocol;
  s->address = bound;
  return std::unique_ptr<listener>(new listener(std::move(s)));
}

result<std::unique_ptr<listener>> listener::unix_socket(platform::reactor& owner, connection_census& census,
                                                        const std::string& protocol, const std::string& path,
                                                        handler on_connection) {
  auto fd = bind_unix(path);
  if (!fd) return fd.error();
  auto s = std::make_shared<state>(owner, census, std::move(*fd), std::move(on_connection));
  s->protocol = protocol;
  s->address = {path, 0};
  s->unix_path = path;
  return std::unique_ptr<listener>(new listener(std::move(s)));
}

listener::~listener() {
  state_->closed = true;
  boost::system::error_code ignored;
  state_->socket.close(ignored);
  if (!state_->unix_path.empty()) ::unlink(state_->unix_path.c_str());
}

void listener::start() { state_->watch(); }
const std::string& listener::protocol() const { return state_->protocol; }
const protocol::endpoint& listener::address() const { return state_->address; }

std::int64_t raise_open_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  rlimit wanted = limit;
  wanted.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &wanted) == 0) limit = wanted;
  return limit.rlim_cur == RLIM_INFINITY ? INT64_MAX : static_cast<std::int64_t>(limit.rlim_cur);
}

}  // namespace weir::server
