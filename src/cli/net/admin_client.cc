#include "cli/net/admin_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace weir::cli {

namespace json = boost::json;

namespace {

constexpr std::size_t answer_bytes_max = std::size_t{256} << 20;

std::string message(int error) { return std::generic_category().message(error); }

}  // namespace

result<admin_client> admin_client::connect(const std::string& data_dir) {
  const std::string path = data_dir + "/admin.sock";
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  if (path.size() >= sizeof a.sun_path) return fault(errc::invalid, "the path " + path + " is too long for a socket");
  std::memcpy(a.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fault(errc::io, "socket: " + message(errno));
  admin_client client(fd);
  const timeval patience{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0) return client;
  const int error = errno;
  if (error == EACCES || error == EPERM) return fault(errc::denied, path + " belongs to another user");
  return fault(errc::not_found, "no server runs on the data folder " + data_dir + " (" + message(error) +
                                    "); name another with --data-dir");
}

admin_client::~admin_client() {
  if (fd_ >= 0) ::close(fd_);
}

result<std::string> admin_client::exchange(const std::string& line) {
  for (std::size_t at = 0; at < line.size();) {
    const ssize_t n = ::send(fd_, line.data() + at, line.size() - at, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fault(errc::io, "the server hung up: " + message(errno));
    at += static_cast<std::size_t>(n);
  }
  std::string answer;
  std::array<char, 65536> buffer;
  while (answer.empty() || answer.back() != '\n') {
    const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fault(errc::io, "the server does not answer: " + message(errno));
    if (n == 0 || answer.size() > answer_bytes_max) return fault(errc::closed, "the server hung up");
    answer.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return answer;
}

result<json::object> admin_client::ask(const json::object& request) {
  const auto line = exchange(json::serialize(request) + "\n");
  if (!line) return line.error();
  return read_admin_answer(*line);
}

result<json::object> read_admin_answer(const std::string& line) {
  json::error_code error;
  json::value answer = json::parse(line, error);
  const json::value* ok = !error && answer.is_object() ? answer.get_object().if_contains("ok") : nullptr;
  if (ok == nullptr || !ok->is_bool()) return fault(errc::corrupt, "the server's answer is not understood");
  json::object out = std::move(answer.get_object());
  if (ok->get_bool()) {
    out.erase("ok");
    return out;
  }
  const json::value* why = out.if_contains("error");
  const json::value* text = why != nullptr && why->is_object() ? why->get_object().if_contains("message") : nullptr;
  return fault(errc::invalid,
               text != nullptr && text->is_string() ? std::string(text->get_string()) : "the server refused");
}

}  // namespace weir::cli
