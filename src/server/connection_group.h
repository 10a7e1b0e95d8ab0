// All client connections of one reactor: their sweep for time limits, their flush at the end of each turn, what they share.
// This header names Boost.Asio through connection.h only. Owner thread: the reactor, except connection_census.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "platform/posix/reactor.h"
#include "platform/posix/unique_fd.h"
#include "protocol/common/session.h"
#include "server/config.h"
#include "server/logging.h"
#include "server/receive_pool.h"

namespace weir::server {

class connection;

class connection_census;

// One connection's place in the census that let it in; given back at the latest by the destructor. Any thread.
class connection_place {
 public:
  connection_place() = default;
  connection_place(connection_place&& other) noexcept
      : census_(std::exchange(other.census_, nullptr)), address_(std::move(other.address_)) {}
  connection_place& operator=(connection_place&& other) noexcept {
    std::swap(census_, other.census_);
    address_.swap(other.address_);
    return *this;
  }
  ~connection_place() { give_back(); }
  void give_back();

 private:
  friend class connection_census;
  connection_place(connection_census& census, std::string address) : census_(&census), address_(std::move(address)) {}
  connection_census* census_ = nullptr;
  std::string address_;
};

// Counts the connections of listeners with a common cap, over all reactors. Any thread; outlives its places.
class connection_census {
 public:
  // `limit`: what the cap is called, for the refusal.
  connection_census(std::int64_t max, std::int64_t per_address, std::string limit = "limits.connections")
      : max_(max), per_address_(per_address), limit_(std::move(limit)) {}
  // The fault says which limit is reached.
  [[nodiscard]] result<connection_place> enter(const std::string& address);
  [[nodiscard]] std::int64_t now() const { return now_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t accepted() const { return accepted_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  friend class connection_place;
  void leave(const std::string& address);
  const std::int64_t max_;
  const std::int64_t per_address_;
  const std::string limit_;
  std::atomic<std::int64_t> now_{0};
  std::atomic<std::int64_t> accepted_{0};
  std::atomic<std::int64_t> refused_{0};
  std::mutex mutex_;
  std::map<std::string, std::int64_t> by_address_;  // under mutex_, only with a limit per address
};

// Numbers for connections, each given once in the process's life. Any thread.
class connection_numbers {
 public:
  [[nodiscard]] std::uint64_t next() { return last_.fetch_add(1, std::memory_order_relaxed) + 1; }

 private:
  std::atomic<std::uint64_t> last_{0};
};

// An accepted socket on its way to its reactor.
struct new_connection {
  platform::unique_fd fd;
  protocol::endpoint local;
  protocol::endpoint peer;
  std::string protocol;
  connection_place place;
};

struct connection_info {
  std::uint64_t id = 0;
  std::string protocol;
  protocol::endpoint peer;
  std::string what;  // the session's own words
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::size_t unsent = 0;
  std::int64_t age_ms = 0;
};

class connection_group {
 public:
  // References outlive the group; the reactor's turn hook is added here.
  connection_group(platform::reactor& owner, connection_numbers& numbers, const connection_limits& limits);
  ~connection_group();
  connection_group(const connection_group&) = delete;
  connection_group& operator=(const connection_group&) = delete;

  void adopt(new_connection&& c, const protocol::session_factory& make);
  // Sends what can be sent at once and closes everything.
  void close_all();
  [[nodiscard]] std::size_t size() const { return all_.size(); }
  [[nodiscard]] std::vector<connection_info> list(std::size_t max) const;
  // What the sockets' requests may take together.
  [[nodiscard]] receive_pool& receiving() { return receiving_; }
  // Of all connections together.
  [[nodiscard]] std::size_t buffered_bytes() const;

  // ---- for connection
  void mark_dirty(connection& c);
  void remove(connection& c);
  [[nodiscard]] mutable_bytes scratch() { return {scratch_.get(), scratch_bytes}; }
  [[nodiscard]] platform::reactor& owner() { return owner_; }
  [[nodiscard]] const connection_limits& limits() const { return limits_; }
  [[nodiscard]] mono_ns now() const { return owner_.clock().now(); }
  [[nodiscard]] const log& logger() const { return log_; }

 private:
  static constexpr std::size_t scratch_bytes = receive_pool::small_bytes;
  static constexpr std::int64_t sweep_ns = 1'000'000'000;

  bool flush_dirty();
  void call(std::uint64_t id);
  void sweep();
  void schedule_sweep();

  platform::reactor& owner_;
  connection_numbers& numbers_;
  connection_limits limits_;
  receive_pool receiving_;
  log log_{"server"};
  std::unique_ptr<std::byte[]> scratch_;  // where idle connections read to: one for all
  std::unordered_map<std::uint64_t, std::shared_ptr<connection>> all_;
  std::vector<std::shared_ptr<connection>> dirty_;
  std::vector<std::shared_ptr<connection>> flushing_;
  bool sweeping_ = false;
  // Cleared by the destructor: the reactor's hook and timers may outlive the group.
  std::shared_ptr<connection_group*> alive_;
};

}  // namespace weir::server
