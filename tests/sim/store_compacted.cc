// What compaction may leave out, and what it must not.
#include <map>

#include "tests/sim/store_node.h"

namespace weir::sim_tests {

void store_node::note_verified(model::log_id log, const model::read_batch& batch) {
  if (!known.compacted.contains(log)) return;
  for (const auto& e : batch.entries) {
    if (e.format != keyed_tag) continue;
    const auto decoded = decode_keyed(e.payload);
    if (!decoded) continue;  // same_entry has complained
    for (const auto& r : decoded->records) verify_seen_[log].insert(decoded->base + r.delta);
  }
}

// A record may be gone when a later one of its key is there or was, or when it is a tombstone; but then nothing older of
// its key may show.
void store_node::check_compacted(model::log_id id, const log_truth& log, model::offset below) {
  struct last_of_key {
    std::int64_t at = 0;
    bool tombstone = false;
  };
  std::map<std::uint32_t, last_of_key> last;
  std::map<std::int64_t, std::uint32_t> keys;
  for (const auto& e : log.entries) {
    if (e->format != keyed_tag) continue;
    const auto decoded = decode_keyed(e->payload);
    for (const auto& r : decoded->records) {
      const std::int64_t at = decoded->base + r.delta;
      keys[at] = r.key;
      last[r.key] = {at, r.tombstone};
    }
  }
  const auto& seen = verify_seen_[id];
  std::string wrong;
  for (const auto& [key, l] : last) {
    if (l.at < log.start.raw() || l.at >= below.raw() || seen.contains(l.at)) continue;
    if (!l.tombstone) {
      wrong = "the last record of key " + std::to_string(key) + ", at " + std::to_string(l.at) + ", is gone";
      break;
    }
    for (const auto& [at, k] : keys) {
      if (k == key && at < l.at && seen.contains(at)) {
        wrong = "key " + std::to_string(key) + " is back: its tombstone at " + std::to_string(l.at) +
                " is gone, its record at " + std::to_string(at) + " is not";
      }
    }
  }
  ++counts["compacted_verified"];
  if (seen.size() < keys.size()) ++counts["compacted_smaller"];
  if (wrong.empty()) return;
  if (!doubted_.insert(id).second) return fail("compacted log " + std::to_string(id.raw()) + ": " + wrong);
  verify_seen_[id].clear();
  verify_left_.emplace_back(id, store_->info(id).start);
}

}  // namespace weir::sim_tests
