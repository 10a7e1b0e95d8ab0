#include "storage/log_state.h"

#include "base/assert.h"

namespace weir::storage {

log_state& log_table::add(model::log_id id, model::shard_id shard) {
  WEIR_ASSERT(lookup(id.raw()) == none);
  std::uint32_t slot;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  }
  slots_[slot] = std::make_unique<log_state>();
  log_state& log = *slots_[slot];
  log.id = id;
  log.shard = shard;
  log.slot = slot;
  ++count_;
  if (count_ * 2 > cells_.size()) grow();
  insert(id.raw(), slot);
  return log;
}

void log_table::insert(std::uint64_t id, std::uint32_t slot) {
  std::size_t i = spread(id) >> shift_;
  while (cells_[i].slot != none) i = (i + 1) & mask_;
  cells_[i] = {id, slot};
}

void log_table::grow() {
  const std::size_t size = cells_.empty() ? 64 : cells_.size() * 2;
  std::vector<cell> old(size);
  old.swap(cells_);
  mask_ = size - 1;
  shift_ = 64U - static_cast<unsigned>(std::bit_width(mask_));
  for (const cell& c : old) {
    if (c.slot != none) insert(c.id, c.slot);
  }
}

void log_table::remove(log_state& log) {
  WEIR_ASSERT(!log.removed);
  log.removed = true;
  --count_;
  std::size_t i = spread(log.id.raw()) >> shift_;
  while (cells_[i].id != log.id.raw() || cells_[i].slot == none) i = (i + 1) & mask_;
  // Close the gap: move back every following cell that would not be found across it.
  std::size_t gap = i;
  for (std::size_t j = (i + 1) & mask_; cells_[j].slot != none; j = (j + 1) & mask_) {
    const std::size_t home = spread(cells_[j].id) >> shift_;
    if (((j - home) & mask_) >= ((j - gap) & mask_)) {
      cells_[gap] = cells_[j];
      gap = j;
    }
  }
  cells_[gap] = {};
}

void log_table::free_slot(std::uint32_t slot) {
  WEIR_ASSERT(slots_[slot] != nullptr && slots_[slot]->removed);
  slots_[slot].reset();
  free_.push_back(slot);
}

}  // namespace weir::storage
