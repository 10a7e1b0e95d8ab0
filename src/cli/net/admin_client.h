// Asks the server of a data folder over its admin socket. Blocking; one connection per client.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "base/result.h"

namespace weir::cli {

// One line of the admin socket: the answer without "ok", or the server's refusal as a fault; corrupt: it is neither.
[[nodiscard]] result<boost::json::object> read_admin_answer(const std::string& line);

class admin_client {
 public:
  // The fault says that no server runs there, or that it belongs to somebody else.
  [[nodiscard]] static result<admin_client> connect(const std::string& data_dir);
  admin_client(admin_client&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  admin_client& operator=(admin_client&&) = delete;
  ~admin_client();

  // The answer without "ok"; the server's refusal as a fault. Waits at most ten seconds.
  [[nodiscard]] result<boost::json::object> ask(const boost::json::object& request);

 private:
  explicit admin_client(int fd) : fd_(fd) {}
  [[nodiscard]] result<std::string> exchange(const std::string& line);
  int fd_;
};

}  // namespace weir::cli
