// Questions about offsets: ListOffsets (also by time, inside compressed entries), the ends of leader epochs, DeleteRecords,
// and what producers a partition remembers. Owner thread: the core's reactor.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "broker/kernel.h"

namespace weir::broker {

class offsets_part {
 public:
  explicit offsets_part(kernel& k) : k_(k) {}

  void list(const reply_to& to, const model::caller& who, const model::list_offsets& c);
  void epochs(const reply_to& to, const model::caller& who, const model::epoch_ends& c);
  void trim(const reply_to& to, const model::caller& who, const model::delete_records& c);
  void producers(const reply_to& to, const model::caller& who, const model::describe_producers& c);

 private:
  // A ListOffsets whose searches may have to read the disk: answered when the last one is done.
  struct listing {
    reply_to to;
    model::offsets_listed out;
    std::size_t open = 1;  // searches under way, and the submit itself
  };
  using listing_ptr = std::shared_ptr<listing>;
  using planned_trim = std::pair<std::size_t, model::log_change>;  // index of the item

  void list_one(const listing_ptr& l, std::size_t index, const model::caller& who, const model::list_offsets::item& in);
  void find_latest_time(const listing_ptr& l, std::size_t index, model::log_id log, model::offset below);
  void find_time(const listing_ptr& l, std::size_t index, model::log_id log, std::int64_t from_ms, model::offset below);
  // The first record of these entries at or after the time and the log's start; false when there is none.
  [[nodiscard]] bool pick(const model::read_batch& batch, model::log_id log, std::int64_t from_ms,
                          model::offsets_listed::item& out) const;
  void read_on(const listing_ptr& l, std::size_t index, model::log_id log, std::int64_t from_ms, model::offset from,
               model::offset below);
  void done(const listing_ptr& l);
  void trim_shard(model::shard_id shard, const std::vector<planned_trim>& trims, model::records_deleted& out);

  kernel& k_;
};

}  // namespace weir::broker
