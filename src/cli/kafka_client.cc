#include "cli/kafka_client.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

namespace weir::cli {
namespace {

constexpr std::size_t answer_bytes_max = std::size_t{256} << 20;

std::string hint_if_refused(int error) {
  return error == ECONNREFUSED || error == ETIMEDOUT ? ". Is the broker running? Try: weir doctor" : "";
}

fault system_fault(const std::string& what, int error) {
  return {errc::closed, what + ": " + std::strerror(error) + hint_if_refused(error)};
}

// Connects within the timeout; gives 0 or an errno.
int connect_within(int fd, const sockaddr* to, socklen_t size, std::int64_t timeout_ms) {
  if (::connect(fd, to, size) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd p{.fd = fd, .events = POLLOUT, .revents = 0};
  const int n = ::poll(&p, 1, static_cast<int>(timeout_ms));
  if (n <= 0) return n == 0 ? ETIMEDOUT : errno;
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}

}  // namespace

std::int64_t steady_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}
std::int64_t steady_ms() { return steady_ns() / 1'000'000; }
std::int64_t wall_clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

result<broker_address> parse_address(std::string_view text) {
  broker_address a;
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return fault(errc::invalid, "\"" + std::string(text) + "\": ] is missing");
    host = text.substr(1, end - 1);
    if (text.size() > end + 1 && text[end + 1] == ':') port = text.substr(end + 2);
  } else if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  if (!host.empty()) a.host = host;
  if (port.empty()) return a;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), a.port);
  if (error != std::errc() || end != port.data() + port.size() || a.port == 0)
    return fault(errc::invalid, "\"" + std::string(text) + "\": the port must be a number from 1 to 65535");
  return a;
}

result<std::vector<broker_address>> parse_addresses(std::string_view text) {
  std::vector<broker_address> out;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    auto one = parse_address(text.substr(0, comma));
    if (!one) return one.error();
    out.push_back(std::move(*one));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  if (out.empty()) return fault(errc::invalid, "no broker address given; for example 127.0.0.1:9092");
  return out;
}

tcp_socket& tcp_socket::operator=(tcp_socket&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

tcp_socket::~tcp_socket() {
  if (fd_ >= 0) ::close(fd_);
}

result<tcp_socket> tcp_socket::connect(const broker_address& to, std::int64_t timeout_ms) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &hints, &found);
  if (error != 0) return fault(errc::closed, "cannot find the host " + to.host + ": " + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  int last = ECONNREFUSED;
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    tcp_socket s(::socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (s.fd() < 0) return system_fault("cannot make a socket", errno);
    last = connect_within(s.fd(), a->ai_addr, a->ai_addrlen, timeout_ms);
    if (last != 0) continue;
    const int on = 1;
    ::setsockopt(s.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return s;
  }
  return system_fault("cannot connect to " + to.text(), last);
}

void api_ranges::set(std::int16_t key, std::int16_t min, std::int16_t max) {
  if (key >= 0 && static_cast<std::size_t>(key) < ranges_.size()) ranges_[static_cast<std::size_t>(key)] = {min, max};
}

std::int16_t api_ranges::pick(kafka::api_key key, std::int16_t min, std::int16_t max) const {
  const auto k = static_cast<std::size_t>(key);
  if (k >= ranges_.size()) return -1;
  const std::int16_t best = std::min(max, ranges_[k].max);
  return best >= std::max(min, ranges_[k].min) ? best : std::int16_t{-1};
}

result<std::unique_ptr<kafka_client>> kafka_client::connect(const std::vector<broker_address>& to,
                                                            std::int64_t timeout_ms) {
  fault last(errc::invalid, "no broker address given");
  for (const broker_address& address : to) {
    auto socket = tcp_socket::connect(address, timeout_ms);
    if (!socket) {
      last = socket.error();
      continue;
    }
    std::unique_ptr<kafka_client> client(new kafka_client(std::move(*socket), address, timeout_ms));
    if (auto asked = client->ask_versions(); !asked) {
      last = asked.error();
      continue;
    }
    return client;
  }
  return last;
}

result<void> kafka_client::ask_versions() {
  // Before we know anything: version 0, which every broker answers.
  ranges_.set(static_cast<std::int16_t>(kafka::api_key::api_versions), 0, 0);
  const auto a = call<kafka::api_versions_response>(kafka::api_versions_request{});
  if (!a) return a.error();
  if (a->message.error_code != kafka::error_code::none) return fault(errc::invalid, explain(a->message.error_code));
  for (const auto& k : a->message.api_keys) ranges_.set(k.key, k.min_version, k.max_version);
  return {};
}

fault kafka_client::no_version(kafka::api_key key) {
  return {errc::unsupported,
          "the broker has no version of " + std::string(kafka::info_of(key).name) + " that this program knows"};
}

fault kafka_client::lost(std::string_view doing) const {
  return {errc::closed, "the connection to " + address_.text() + " was closed while " + std::string(doing) +
                            ". Is this a Kafka listener? Try: weir doctor"};
}

result<void> kafka_client::wait_for(short events, std::int64_t deadline_ms) {
  for (;;) {
    const std::int64_t left = deadline_ms - steady_ms();
    if (left <= 0) return fault(errc::busy, "no answer from " + address_.text() + " in time. Try: weir doctor");
    pollfd p{.fd = socket_.fd(), .events = events, .revents = 0};
    const int n = ::poll(&p, 1, static_cast<int>(std::min<std::int64_t>(left, INT32_MAX)));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return fault(errc::io, std::strerror(errno));
  }
}

result<void> kafka_client::send_all(bytes data, std::int64_t deadline_ms) {
  while (!data.empty()) {
    const ssize_t n = ::send(socket_.fd(), data.data(), data.size(), MSG_NOSIGNAL);
    if (n > 0) {
      data = data.subspan(static_cast<std::size_t>(n));
    } else if (n < 0 && errno == EAGAIN) {
      if (auto waited = wait_for(POLLOUT, deadline_ms); !waited) return waited;
    } else if (n == 0 || errno != EINTR) {
      return lost("sending");
    }
  }
  return {};
}

result<void> kafka_client::receive_all(mutable_bytes into, std::int64_t deadline_ms) {
  while (!into.empty()) {
    const ssize_t n = ::recv(socket_.fd(), into.data(), into.size(), 0);
    if (n > 0) {
      into = into.subspan(static_cast<std::size_t>(n));
    } else if (n < 0 && errno == EAGAIN) {
      if (auto waited = wait_for(POLLIN, deadline_ms); !waited) return waited;
    } else if (n == 0 || errno != EINTR) {
      return lost("waiting for its answer");
    }
  }
  return {};
}

result<byte_vector> kafka_client::exchange(const protocol::output& out, kafka::api_key key, std::int16_t version,
                                           std::int64_t extra_wait_ms) {
  const std::int64_t deadline = steady_ms() + timeout_ms_ + extra_wait_ms;
  std::vector<bytes> pieces;
  out.gather(pieces);
  for (const bytes piece : pieces)
    if (auto sent = send_all(piece, deadline); !sent) return sent.error();
  std::array<std::byte, 4> head{};
  if (auto got = receive_all(head, deadline); !got) return got.error();
  const auto size = load_be<std::uint32_t>(head.data());
  if (size > answer_bytes_max) return fault(errc::invalid, address_.text() + " does not speak Kafka's protocol");
  byte_vector frame(size);
  if (auto got = receive_all(frame, deadline); !got) return got.error();
  const auto header = kafka::decode_response_header(frame, key, version);
  if (!header || header->correlation_id != correlation_)
    return fault(errc::invalid, address_.text() + " gave an answer that does not fit the question");
  return frame;
}

std::string explain(kafka::error_code code, std::string_view text) {
  std::string out(kafka::name_of(code));
  if (!text.empty()) out.append(": ").append(text);
  switch (code) {
    case kafka::error_code::unknown_topic_or_partition:
      return out + " (there is no such topic or partition; see: weir topic list)";
    case kafka::error_code::non_empty_group:
    case kafka::error_code::unknown_member_id:
      return out + " (the group has members; stop its consumers first)";
    case kafka::error_code::group_id_not_found:
      return out + " (see: weir group list)";
    case kafka::error_code::not_leader_or_follower:
      return out + " (another broker leads this partition; give its address with --brokers)";
    default:
      return out;
  }
}

}  // namespace weir::cli
