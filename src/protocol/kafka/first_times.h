// Which of the partitions (or topics, or groups) that a request names come for the first time. Whoever names one twice is
// answered once, as by Kafka: otherwise a small request could ask for a huge answer many times over.
//
// Ordered instead of hashed: no choice of names makes it slow, and names that count up, as most do, cost no search.
// Borrows the names. Thread: a value, none.
#pragma once

#include <cstdint>
#include <set>
#include <string_view>
#include <tuple>

#include "protocol/kafka/wire.h"

namespace weir::kafka {

class first_times {
 public:
  [[nodiscard]] bool operator()(std::string_view name, const uuid& id = {}, std::int32_t partition = -1) {
    const std::size_t before = seen_.size();
    seen_.emplace_hint(seen_.end(), name, id, partition);
    return seen_.size() != before;
  }

 private:
  std::set<std::tuple<std::string_view, uuid, std::int32_t>> seen_;
};

}  // namespace weir::kafka
