#include "broker/epoch_cache.h"

#include <algorithm>

namespace weir::broker {

void epoch_cache::note(model::epoch at, model::offset base) {
  if (at.raw() < 0) return;
  if (!starts_.empty() && starts_.back().at >= at) return;
  starts_.push_back({at, base});
}

void epoch_cache::trim(model::offset start) {
  auto keep = starts_.begin();
  while (keep != starts_.end() && std::next(keep) != starts_.end() && std::next(keep)->start <= start) ++keep;
  starts_.erase(starts_.begin(), keep);
  if (!starts_.empty() && starts_.front().start < start) starts_.front().start = start;
}

model::epoch epoch_cache::at(model::offset o) const {
  const auto above = std::upper_bound(starts_.begin(), starts_.end(), o,
                                      [](model::offset x, const epoch_start& e) { return x < e.start; });
  return above == starts_.begin() ? model::epoch(-1) : std::prev(above)->at;
}

epoch_end epoch_cache::end_of(model::epoch asked, model::epoch current, model::offset end) const {
  if (asked.raw() < 0 || asked > current) return {};
  if (asked == current) return {asked, end};
  const auto above = std::upper_bound(starts_.begin(), starts_.end(), asked,
                                      [](model::epoch x, const epoch_start& e) { return x < e.at; });
  // Nothing was written after `asked` yet: it ends where the current epoch will begin.
  const model::offset until = above == starts_.end() ? end : above->start;
  if (above == starts_.begin()) return {asked, until};
  return {std::prev(above)->at, until};
}

void epoch_cache::write(byte_writer& w) const {
  w.varint(starts_.size());
  for (const epoch_start& e : starts_) {
    w.le(e.at.raw());
    w.le(e.start.raw());
  }
}

void epoch_cache::read(byte_reader& r) {
  const std::uint64_t n = r.varint();
  if (n > r.remaining() / 12) r.fail();
  starts_.clear();
  if (!r.ok()) return;
  starts_.resize(n);
  for (epoch_start& e : starts_) {
    e.at = model::epoch(r.le<std::int32_t>());
    e.start = model::offset(r.le<std::int64_t>());
  }
}

}  // namespace weir::broker
