#include "tests/sim/broker_truth.h"

#include <algorithm>

namespace weir::sim_tests {

namespace {

std::string text(const partition_name& p) { return p.first + "-" + std::to_string(p.second); }

}  // namespace

void broker_truth::show(const partition_name& where, std::int64_t offset, record_id id) {
  if (id >= sent.size() || sent[id].where != where) {
    fail_(text(where) + " offset " + std::to_string(offset) + " holds a record that nobody sent there");
    return;
  }
  lost.erase(id);
  const auto [known, added] = partitions[where].shown.try_emplace(offset, id);
  if (!added && known->second != id) {
    fail_(text(where) + " offset " + std::to_string(offset) + " was record " + std::to_string(known->second) +
          " and is record " + std::to_string(id) + " now");
  }
}

void broker_truth::commit_acked(const std::string& group, const partition_name& where, std::int64_t at) {
  auto& c = commits[{group, where}];
  c.known = at;
  std::erase_if(c.asked, [at](std::int64_t a) { return a <= at; });
}

void broker_truth::commit_read(const std::string& group, const partition_name& where, std::int64_t at) {
  auto& c = commits[{group, where}];
  if (at != c.known && std::find(c.asked.begin(), c.asked.end(), at) == c.asked.end()) {
    fail_("group " + group + " has offset " + std::to_string(at) + " of " + text(where) + ", it committed " +
          std::to_string(c.known) + (c.asked.empty() ? "" : " or later " + std::to_string(c.asked.back())));
    return;
  }
  commit_acked(group, where, at);
}

void broker_truth::may_lose(const std::string& topic) {
  level_truth& level = levels[topic];
  if (level.may_lose) return;
  level.may_lose = true;
  for (auto& [where, p] : partitions) {
    if (where.first == topic) p.firm = p.shown_end();
  }
}

void broker_truth::restarted(const partition_name& where, std::int64_t end) {
  partition_truth& p = partitions[where];
  if (end < p.firm || end < p.trim_acked) {
    fail_(text(where) + " ends at " + std::to_string(end) + ", but what is below " + std::to_string(p.firm) +
          " had to stay, deleted up to " + std::to_string(p.trim_acked));
  }
  const auto first = p.shown.lower_bound(end);
  p.cut |= first != p.shown.end();
  for (auto at = first; at != p.shown.end(); ++at) lost.insert(at->second);
  p.shown.erase(first, p.shown.end());
  p.firm = p.shown_end();
  p.high = end;
  p.trim_asked = std::min(p.trim_asked, end);
}

void broker_truth::check_whole(const partition_name& where, std::int64_t start, std::int64_t end,
                               const std::map<std::int64_t, record_id>& records) {
  const partition_truth& p = partitions[where];
  if (start < p.trim_acked || start > std::max(p.trim_asked, p.trim_acked)) {
    fail_(text(where) + " starts at " + std::to_string(start) + ", deleted up to " + std::to_string(p.trim_acked));
  }
  for (const auto& [offset, id] : p.shown) {
    if (offset < start) continue;
    const auto found = records.find(offset);
    if (found == records.end() || found->second != id) {
      fail_(text(where) + " lost record " + std::to_string(id) + " at offset " + std::to_string(offset) + " of [" +
            std::to_string(start) + ", " + std::to_string(end) + ")");
      return;
    }
  }
  std::set<record_id> once;
  std::map<std::size_t, std::int32_t> last;  // by producer
  for (const auto& [offset, id] : records) {
    if (!once.insert(id).second) fail_(text(where) + " has record " + std::to_string(id) + " twice");
    const auto [before, first] = last.try_emplace(sent[id].producer, sent[id].sequence);
    if (!first && sent[id].sequence != before->second + 1) {
      fail_(text(where) + " has sequence " + std::to_string(sent[id].sequence) + " of a producer after " +
            std::to_string(before->second));
    }
    before->second = sent[id].sequence;
  }
  const auto first = records.empty() ? end : records.begin()->first;
  if (static_cast<std::int64_t>(records.size()) < end - std::max(start, first)) {
    fail_(text(where) + " has offsets without a record");
  }
}

}  // namespace weir::sim_tests
