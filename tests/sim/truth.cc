#include "tests/sim/truth.h"

#include <algorithm>

#include "base/crc32c.h"

namespace weir::sim_tests {

namespace {

std::uint64_t mix(std::uint64_t h, std::uint64_t v) {
  h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
  return h ^ (h >> 29);
}

}  // namespace

std::uint64_t fold(std::uint64_t digest, const model::applied_record& r) {
  std::uint64_t h = mix(digest, r.shard.raw());
  h = mix(h, r.at.raw());
  h = mix(h, r.changes.size());
  for (const auto& c : r.changes) {
    h = mix(mix(mix(h, static_cast<std::uint64_t>(c.kind)), c.log.raw()), static_cast<std::uint64_t>(c.at.raw()));
  }
  h = mix(h, r.entries.size());
  for (const auto& e : r.entries) {
    h = mix(mix(h, e.log.raw()), static_cast<std::uint64_t>(e.base.raw()));
    h = mix(mix(h, e.count), static_cast<std::uint64_t>(e.format));
    h = mix(mix(h, static_cast<std::uint64_t>(e.max_timestamp_ms)), static_cast<std::uint32_t>(e.leader_epoch.raw()));
    h = mix(mix(h, e.payload.size()), crc32c(e.payload));
  }
  h = mix(mix(h, r.state_kind), r.state_version);
  return mix(mix(h, r.state.size()), crc32c(r.state));
}

void truth::add(const model::applied_record& r) {
  auto& shard = shards[r.shard];
  record_truth t;
  t.digest = fold(shard.digest_at(shard.records.size()), r);
  t.changes = r.changes;
  for (const auto& e : r.entries) {
    auto copy = std::make_shared<entry_truth>();
    *copy = {e.log,
             e.base,
             e.count,
             e.format,
             e.max_timestamp_ms,
             e.leader_epoch,
             {e.payload.begin(), e.payload.end()},
             r.shard,
             shard.records.size() + 1};
    t.entries.push_back(std::move(copy));
  }
  apply_to_logs(r.shard, t);
  shard.records.push_back(std::move(t));
}

void truth::apply_to_logs(model::shard_id shard, const record_truth& r) {
  for (const auto& c : r.changes) {
    switch (c.kind) {
      case model::log_change_kind::create:
        logs[c.log] = log_truth{shard, {}, {}, {}};
        break;
      case model::log_change_kind::remove: {
        auto node = logs.extract(c.log);
        if (!node.empty()) removed[c.log] = std::move(node.mapped());
        break;
      }
      case model::log_change_kind::trim: {
        auto& log = logs[c.log];
        log.start = std::max(log.start, c.at);
        break;
      }
    }
  }
  for (const auto& e : r.entries) {
    auto& log = logs[e->log];
    log.end = e->end();
    log.entries.push_back(e);
  }
}

void truth::set_ticket(std::uint64_t ticket) {
  for (auto& [id, shard] : shards) {
    for (auto r = shard.records.rbegin(); r != shard.records.rend() && r->ticket == 0; ++r) r->ticket = ticket;
  }
}

void truth::durable(std::uint64_t ticket) {
  for (auto& [id, shard] : shards) {
    while (shard.acked < shard.records.size() && shard.records[shard.acked].ticket != 0 &&
           shard.records[shard.acked].ticket <= ticket) {
      ++shard.acked;
    }
  }
}

void truth::promise(model::log_id id, model::offset durable_end) {
  const log_truth& log = logs.at(id);
  auto& shard = shards[log.shard];
  for (auto e = log.entries.rbegin(); e != log.entries.rend() && (*e)->at > shard.acked; ++e) {
    if ((*e)->end() <= durable_end && (*e)->base >= log.start) {
      shard.acked = (*e)->at;
      return;
    }
  }
}

void truth::recovered(model::shard_id shard, std::uint64_t lsn) { shards[shard].records.resize(lsn); }

void truth::rebuild_logs() {
  logs.clear();
  removed.clear();
  for (const auto& [id, shard] : shards) {
    for (const auto& r : shard.records) apply_to_logs(id, r);
  }
}

model::offset truth::durable_end(model::log_id log) const {
  const auto found = logs.find(log);
  if (found == logs.end()) return {};
  const auto acked = shards.at(found->second.shard).acked;
  for (auto e = found->second.entries.rbegin(); e != found->second.entries.rend(); ++e) {
    if ((*e)->at <= acked) return (*e)->end();
  }
  return {};
}

void truth::forget_tickets() {
  // What survived counts as durable (ticket 1 at most asks for the first group); what did not survive is gone already.
  for (auto& [id, shard] : shards) {
    for (auto& r : shard.records) r.ticket = 1;
  }
}

}  // namespace weir::sim_tests
