#include "broker/refused_producers.h"

namespace weir::broker {

void refused_producers::remember(model::log_id log, const model::producer_facts& facts, std::int64_t now_ms) {
  if (facts.producer_id < 0 || facts.first_sequence < 0) return;
  const auto at = first_.find({log, facts.producer_id});
  const refused now{facts.producer_epoch, facts.first_sequence, now_ms + kept_ms};
  if (at != first_.end()) {
    // The first that was refused is the one to begin with, unless it is too old or of an older epoch.
    if (at->second.until_ms <= now_ms || at->second.epoch < facts.producer_epoch) at->second = now;
    return;
  }
  if (first_.size() >= most) std::erase_if(first_, [&](const auto& f) { return f.second.until_ms <= now_ms; });
  if (first_.size() < most) first_.emplace(std::pair(log, facts.producer_id), now);
}

bool refused_producers::may_begin(model::log_id log, const model::producer_facts& facts, std::int64_t now_ms) const {
  const auto at = first_.find({log, facts.producer_id});
  if (at == first_.end() || at->second.until_ms <= now_ms || at->second.epoch != facts.producer_epoch) return true;
  return at->second.sequence == facts.first_sequence;
}

}  // namespace weir::broker
