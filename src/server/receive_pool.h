// The memory of one reactor for requests that are arriving: a cap for the receive buffers of all its connections together
// (limits.receive_bytes).
//
// Two shares, each with a queue, so that large requests cannot keep small ones waiting: a quarter for requests of at most
// `small_bytes`, the rest for larger ones. A connection takes the whole of what its unfinished request announced before it
// reads more of it; so what has begun can always end, and nobody waits for somebody who waits. One that gets nothing stops
// reading and is told when it is its turn. What it had read until then is counted but never refused: at most
// `read_bytes()` of each connection, which is little when little is left. One request larger than its share goes on alone.
// Owner thread: the reactor.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>

namespace weir::server {

// What one connection holds of the pool.
struct receive_claim {
  std::size_t held = 0;
  std::uint64_t place = 0;  // in a queue; 0: does not wait
  bool large = false;       // the share that `held` is of, and the queue
  bool queued_large = false;

  [[nodiscard]] bool waiting() const { return place != 0; }
};

class receive_pool {
 public:
  static constexpr std::size_t small_bytes = 256 << 10;
  static constexpr std::size_t least_read_bytes = 4 << 10;

  // `turn` hears of the connection that may try again; not from within a call of its own.
  receive_pool(std::size_t max, std::function<void(std::uint64_t connection)> turn)
      : small_{.max = max / 4}, large_{.max = max - max / 4}, turn_(std::move(turn)) {}

  // Takes `whole` bytes for the request that is arriving, all or nothing. False: wait, and try again when told.
  [[nodiscard]] bool take(receive_claim& c, std::uint64_t connection, std::size_t whole);
  // What the connection's buffer has, nothing announced beside it: never refused. Ends its waiting.
  void hold(receive_claim& c, std::size_t bytes);

  // How much a connection without a claim reads at once.
  [[nodiscard]] std::size_t read_bytes() const {
    const std::size_t left = small_.max - std::min(small_.held, small_.max);
    return std::clamp(left / 16, least_read_bytes, small_bytes);
  }
  // Somebody waits: holders must go on or give back.
  [[nodiscard]] bool contended() const { return !small_.queue.empty() || !large_.queue.empty(); }
  [[nodiscard]] std::size_t held() const { return small_.held + large_.held; }
  [[nodiscard]] std::size_t max() const { return small_.max + large_.max; }
  [[nodiscard]] std::size_t waiting() const { return small_.queue.size() + large_.queue.size(); }

 private:
  struct share {
    std::size_t max = 0;
    std::size_t held = 0;
    std::map<std::uint64_t, std::uint64_t> queue = {};  // place -> connection
  };
  [[nodiscard]] share& of(bool large) { return large ? large_ : small_; }
  void set(receive_claim& c, bool large, std::size_t bytes);
  void leave_queue(receive_claim& c);
  void call_next(share& s);

  share small_;
  share large_;
  std::function<void(std::uint64_t)> turn_;
  std::uint64_t last_place_ = 0;
};

}  // namespace weir::server
