// Where each leader epoch of one log begins: Kafka's leader epoch cache (KIP-101, KIP-279, KIP-320).
//
// Filled by apply() alone, from the entries themselves: the first entry of a new epoch begins it. So it is the same after
// recovery, and in the snapshot. Epochs and offsets both rise. Owner thread: the log's reactor.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "model/ids.h"

namespace weir::broker {

struct epoch_start {
  model::epoch at{};
  model::offset start{};
  friend bool operator==(const epoch_start&, const epoch_start&) = default;
};

struct epoch_end {
  model::epoch found{-1};  // -1: nothing is known about it
  model::offset end{-1};
};

class epoch_cache {
 public:
  // An entry of epoch `at` was appended at `base`.
  void note(model::epoch at, model::offset base);
  // Nothing below `start` is left: epochs that ended there are forgotten, the one that covers it begins there.
  void trim(model::offset start);
  // The epoch of the entry at `o`; -1 when unknown.
  [[nodiscard]] model::epoch at(model::offset o) const;
  // Where epoch `asked` (or the largest one below it) ends. `current` is the leader's epoch, which exists even if nothing
  // was written in it, `end` the log's end. Asked above the current epoch: unknown. Asked below all that is known: it
  // ends where the first known one begins.
  [[nodiscard]] epoch_end end_of(model::epoch asked, model::epoch current, model::offset end) const;

  [[nodiscard]] const std::vector<epoch_start>& all() const { return starts_; }
  void write(byte_writer& w) const;
  void read(byte_reader& r);

 private:
  std::vector<epoch_start> starts_;
};

}  // namespace weir::broker
