// Recent data that stays in memory after it went to files: how much, and for how long. Consumers that are a little behind
// read from here, and so do those who work off what was just written. Owner thread: the store's reactor.
#pragma once

#include <cstddef>
#include <cstdint>

#include "storage/core.h"

namespace weir::storage {

class tail_cache {
 public:
  explicit tail_cache(core& c) : core_(c), limit_(c.options.cache_bytes_max) {}

  // At most so many bytes from now on; what is above goes within the next ticks.
  void set_limit(std::uint64_t bytes) { limit_ = bytes; }
  [[nodiscard]] std::uint64_t limit() const { return limit_; }
  // A checkpoint has put more into files. However much that was, the limit holds.
  void covered() { evict(limit_, SIZE_MAX); }
  // `quiet_ms`: since the last append. When nobody came to read for as long either, everything goes back to the system. Who
  // looks at a few records now and then does not count: that needs no such memory.
  void tick(std::int64_t now_ns, std::int64_t quiet_ms) {
    if (core_.cache_read_bytes >= core_.options.wal_write_bytes_max) {
      last_read_ns_ = now_ns;
      core_.cache_read_bytes = 0;
    }
    const std::int64_t unread_ms = (now_ns - last_read_ns_) / 1'000'000;
    const bool idle = quiet_ms >= core_.options.idle_release_ms && unread_ms >= core_.options.idle_release_ms;
    if (idle) core_.cache_read_bytes = 0;
    evict(idle ? 0 : limit_, chunks_at_once);
    if (quiet_ms >= core_.options.idle_release_ms) core_.memory.release_kept();
  }

 private:
  // In a tick: each takes some microseconds to forget and to unmap. With chunks of 1 MiB and four ticks a second these are
  // 4 GiB in 4 s.
  static constexpr std::size_t chunks_at_once = 256;

  void evict(std::uint64_t bytes, std::size_t most) {
    core_.memory.evict(bytes, most, [this](chunk& c) { core_.forget_chunk(c); });
  }

  core& core_;
  std::uint64_t limit_;
  std::int64_t last_read_ns_ = 0;
};

}  // namespace weir::storage
