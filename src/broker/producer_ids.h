// Producer ids: unique for the life of the data folder, also over a crash.
//
// Ids are taken from blocks; a block is recorded in shard 0 before an id of it is told (the answer waits for the record),
// and after a start the next block begins where the last recorded one ended. Only reactor 0's is used.
// Owner thread: reactor 0.
#pragma once

#include <cstdint>

#include "broker/kernel.h"

namespace weir::broker {

class producer_ids {
 public:
  explicit producer_ids(kernel& k) : k_(k) {}

  void init(const reply_to& to, const model::caller& who, const model::init_producer& c);

  // State: the lowest id that was never in a block.
  void apply(std::int64_t next_block);
  [[nodiscard]] std::int64_t next_block() const { return next_block_; }

 private:
  static constexpr std::int64_t block_size = 1000;
  kernel& k_;
  std::int64_t next_block_ = 0;
  std::int64_t next_ = 0;  // of the block in hand
  std::int64_t limit_ = 0;
  model::ticket block_ticket_{};
};

}  // namespace weir::broker
