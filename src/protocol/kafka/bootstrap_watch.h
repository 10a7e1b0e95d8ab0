// Finds clients that bootstrap and never come back: they asked Metadata, got an address that they cannot
// reach, and went away. It is the most common first failure with Kafka, and silent on the broker's side
// without this.
//
// Owner thread: the listener's reactor. Bounded: remembers at most `peers_max` addresses.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "protocol/common/session.h"

namespace weir::kafka {

class bootstrap_watch {
 public:
  static constexpr std::size_t peers_max = 256;
  static constexpr std::int64_t patience_ns = 10'000'000'000;

  // A connection of `peer` ended after it had asked for nothing but Metadata, which named `told`.
  void on_bootstrap_only(const std::string& peer, const protocol::endpoint& told, mono_ns now);
  // A connection of `peer` did real work: it does reach us.
  void on_work(const std::string& peer);

  struct hint {
    std::string peer;
    protocol::endpoint told;
  };
  // Peers that have not come back in time; each is told of once until it works again.
  [[nodiscard]] std::vector<hint> due(mono_ns now);

 private:
  struct watched {
    protocol::endpoint told;
    mono_ns since{};
    bool reported = false;
  };
  std::map<std::string, watched> peers_;
};

// The sentence for the log.
[[nodiscard]] std::string describe(const bootstrap_watch::hint& h);

}  // namespace weir::kafka
