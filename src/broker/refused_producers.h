// Producers that begin: idempotent producers of which a log knows nothing, and whose first batch was refused for now (a full
// disk, no room, no time). Kafka lets a producer that a log does not know begin at any sequence; after such a refusal that
// would let the second batch of a pipeline in front of the first, and the first could never follow.
//
// Kept in memory alone: after a crash every client begins anew and in order. Owner thread: the core's reactor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "model/entry_format.h"
#include "model/ids.h"

namespace weir::broker {

class refused_producers {
 public:
  static constexpr std::size_t most = 10'000;       // further ones are not remembered
  static constexpr std::int64_t kept_ms = 300'000;  // clients give a batch up after two to five minutes

  void remember(model::log_id log, const model::producer_facts& facts, std::int64_t now_ms);
  // Whether this batch may be the first of its producer, which the log does not know.
  [[nodiscard]] bool may_begin(model::log_id log, const model::producer_facts& facts, std::int64_t now_ms) const;
  void forget(model::log_id log, std::int64_t producer_id) { first_.erase({log, producer_id}); }
  [[nodiscard]] bool empty() const { return first_.empty(); }
  [[nodiscard]] std::size_t size() const { return first_.size(); }

 private:
  struct refused {
    std::int16_t epoch = -1;
    std::int32_t sequence = -1;
    std::int64_t until_ms = 0;
  };
  std::map<std::pair<model::log_id, std::int64_t>, refused> first_;
};

}  // namespace weir::broker
