#include "broker/producer_table.h"

#include <algorithm>
#include <vector>

namespace weir::broker {

const producer_state* producer_table::find(std::int64_t id) const {
  const auto at = by_id_.find(id);
  return at == by_id_.end() ? nullptr : &at->second;
}

bool producer_table::knows(std::int64_t id, std::int64_t expired_before_ms) const {
  const producer_state* s = find(id);
  return s != nullptr && s->seen_ms >= expired_before_ms;
}

producer_check producer_table::check(const model::producer_facts& facts, std::int64_t expired_before_ms) const {
  if (!knows(facts.producer_id, expired_before_ms)) return {};
  const producer_state* s = find(facts.producer_id);
  if (facts.producer_epoch < s->epoch) return {.what = producer_verdict::stale_epoch};
  if (facts.producer_epoch > s->epoch) {
    return {.what = facts.first_sequence == 0 ? producer_verdict::append : producer_verdict::out_of_order};
  }
  for (std::size_t i = 0; i < s->count; ++i) {
    const written_batch& b = s->batches[i];
    if (b.first_sequence == facts.first_sequence && b.last_sequence == facts.last_sequence) {
      return {producer_verdict::duplicate, b.base, b.timestamp_ms};
    }
  }
  if (facts.first_sequence == next(s->last().last_sequence)) return {};
  return {.what = producer_verdict::out_of_order};
}

void producer_table::note(const model::producer_facts& facts, const model::applied_entry& entry, std::int64_t now_ms) {
  producer_state& s = by_id_[facts.producer_id];
  const bool follows =
      s.count > 0 && s.epoch == facts.producer_epoch && facts.first_sequence == next(s.last().last_sequence);
  // An accepted batch that does not follow begins anew: another epoch, or a producer that was forgotten.
  if (!follows) s.count = 0;
  s.epoch = facts.producer_epoch;
  s.seen_ms = now_ms;
  if (s.count == producer_state::window) {
    std::move(s.batches.begin() + 1, s.batches.end(), s.batches.begin());
    --s.count;
  }
  s.batches[s.count++] = {facts.first_sequence, facts.last_sequence, entry.base, entry.max_timestamp_ms};
  // What is behind the count stays zero, so that equal tables are equal bytes.
  std::fill(s.batches.begin() + s.count, s.batches.end(), written_batch{});
}

std::size_t producer_table::expire(std::int64_t expired_before_ms) {
  return std::erase_if(by_id_, [&](const auto& item) { return item.second.seen_ms < expired_before_ms; });
}

std::size_t producer_table::forget_above(std::size_t most) {
  if (by_id_.size() <= most) return 0;
  using idle = std::pair<std::int64_t, std::int64_t>;  // last seen, id: the order does not depend on the hash table
  std::vector<idle> order;
  order.reserve(by_id_.size());
  for (const auto& [id, s] : by_id_) order.emplace_back(s.seen_ms, id);
  const std::size_t drop = by_id_.size() - most + most / 8;
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(drop), order.end());
  for (std::size_t i = 0; i < drop; ++i) by_id_.erase(order[i].second);
  return drop;
}

void producer_table::write(byte_writer& w) const {
  std::vector<std::int64_t> ids;
  ids.reserve(by_id_.size());
  for (const auto& [id, s] : by_id_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  w.varint(ids.size());
  for (const std::int64_t id : ids) {
    const producer_state& s = by_id_.at(id);
    w.le(id);
    w.le(s.epoch);
    w.le(s.seen_ms);
    w.u8(s.count);
    for (std::size_t i = 0; i < s.count; ++i) {
      w.le(s.batches[i].first_sequence);
      w.le(s.batches[i].last_sequence);
      w.le(s.batches[i].base.raw());
      w.le(s.batches[i].timestamp_ms);
    }
  }
}

void producer_table::read(byte_reader& r, bool timestamps) {
  const std::uint64_t n = r.varint();
  by_id_.clear();
  if (n > r.remaining() / 35) return r.fail();
  for (std::uint64_t i = 0; i < n && r.ok(); ++i) {
    const auto id = r.le<std::int64_t>();
    producer_state s;
    s.epoch = r.le<std::int16_t>();
    s.seen_ms = r.le<std::int64_t>();
    s.count = r.u8();
    if (s.count == 0 || s.count > producer_state::window) return r.fail();
    for (std::size_t b = 0; b < s.count; ++b) {
      s.batches[b].first_sequence = r.le<std::int32_t>();
      s.batches[b].last_sequence = r.le<std::int32_t>();
      s.batches[b].base = model::offset(r.le<std::int64_t>());
      if (timestamps) s.batches[b].timestamp_ms = r.le<std::int64_t>();
    }
    by_id_.insert_or_assign(id, s);
  }
}

}  // namespace weir::broker
