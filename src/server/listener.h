// Listening sockets: TCP for clients, a Unix socket for the admin API. Accepts, checks the caps, hands connections on.
// Uses Boost.Asio for readiness (in the .cc). Owner thread: the reactor that it was made for.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "platform/posix/reactor.h"
#include "server/connection_group.h"

namespace weir::server {

class listener {
 public:
  using handler = std::function<void(new_connection&&)>;

  // A host name listens on the first address that it resolves to. The fault says which address and why.
  [[nodiscard]] static result<std::unique_ptr<listener>> tcp(platform::reactor& owner, connection_census& census,
                                                             const listener_config& where, handler on_connection);
  // Replaces a socket file that nobody listens on any more. Mode 0600.
  [[nodiscard]] static result<std::unique_ptr<listener>> unix_socket(platform::reactor& owner,
                                                                     connection_census& census,
                                                                     const std::string& protocol,
                                                                     const std::string& path, handler on_connection);
  ~listener();
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;

  // From here on connections are accepted; before, they wait in the kernel's queue.
  void start();
  [[nodiscard]] const std::string& protocol() const;
  [[nodiscard]] const protocol::endpoint& address() const;  // with the port that was picked

 private:
  struct state;
  explicit listener(std::shared_ptr<state> s) : state_(std::move(s)) {}
  std::shared_ptr<state> state_;
};

// Raises this process's limit of open files to what the system allows; returns the limit now.
std::int64_t raise_open_file_limit();

}  // namespace weir::server
