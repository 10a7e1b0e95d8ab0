#include "broker/state.h"

#include <algorithm>

#include "base/assert.h"

namespace weir::broker {
namespace {

constexpr std::uint8_t snapshot_version = 3;
constexpr std::uint8_t record_version = 1;

}  // namespace

void state_part::note_damage(fault f) {
  if (!damage_) damage_ = std::move(f);
}

void state_part::apply(const model::applied_record& record) {
  // The catalog first: logs that the same record makes belong to topics in it.
  if (record.state_kind != 0) apply_state(record);
  apply_changes(record);
  apply_entries(record);
}

void state_part::apply_state(const model::applied_record& record) {
  if (is_group_record(record.state_kind)) {
    const auto done = groups_.apply(record.shard, record.state_kind, record.state_version, record.state);
    if (!done) note_damage(done.error());
    return;
  }
  if (record.state_version != record_version) {
    return note_damage({errc::unsupported, "state record of kind " + std::to_string(record.state_kind) + " version " +
                                               std::to_string(record.state_version)});
  }
  if (is_catalog_kind(record.state_kind)) {
    auto change = k_.topics.read(static_cast<catalog_kind>(record.state_kind), record.state);
    if (!change) return note_damage(change.error());
    k_.topics.adopt(*change);
    if (k_.store != nullptr) k_.applied_change.add(std::move(*change));
    return;
  }
  const auto kind = static_cast<producer_kind>(record.state_kind);
  if (record.state.size() != sizeof(std::int64_t)) {
    return note_damage({errc::corrupt, "producer record of a wrong size"});
  }
  if (kind == producer_kind::id_block) {
    ids_.apply(load_le<std::int64_t>(record.state.data()));
  } else if (kind != producer_kind::stamp) {
    note_damage({errc::unsupported, "state record of kind " + std::to_string(record.state_kind)});
  }
}

void state_part::apply_changes(const model::applied_record& record) {
  for (const model::log_change& c : record.changes) {
    switch (c.kind) {
      case model::log_change_kind::create: {
        auto& p = k_.partitions[c.log];
        if (p == nullptr) p = std::make_unique<partition>();
        p->log = c.log;
        p->shard = record.shard;
        break;
      }
      case model::log_change_kind::remove:
        if (const partition* p = k_.find(c.log); p != nullptr && p->producers) {
          k_.stats.producers -= p->producers->size();
        }
        k_.partitions.erase(c.log);
        break;
      case model::log_change_kind::trim:
        if (partition* p = k_.find(c.log)) {
          p->epochs.trim(c.at);
          p->start = std::max(p->start, c.at);
          p->end = std::max(p->end, c.at);
        }
        break;
    }
  }
  k_.stats.partitions = k_.partitions.size();
}

void state_part::apply_entries(const model::applied_record& record) {
  const bool stamped = record.state_kind == static_cast<std::uint16_t>(producer_kind::stamp) &&
                       record.state.size() == sizeof(std::int64_t);
  const std::int64_t now = stamped ? load_le<std::int64_t>(record.state.data()) : 0;
  for (const model::applied_entry& e : record.entries) {
    partition* p = k_.find(e.log);
    if (p == nullptr) {
      note_damage({errc::corrupt, "an entry of a log that does not exist"});
      continue;
    }
    // The heads of live entries were stamped with this place before the append.
    WEIR_ASSERT(k_.store == nullptr || p->of == nullptr || p->end == e.base);
    p->end = e.base + static_cast<std::int64_t>(e.count);
    p->epochs.note(e.leader_epoch, e.base);
    if (!stamped) continue;
    const model::entry_format* format = k_.formats.find(e.format);
    if (format == nullptr) continue;
    const auto facts = format->producer(e.payload);
    if (!facts || facts->producer_id < 0) continue;
    if (!p->producers) p->producers = std::make_unique<producer_table>();
    const std::size_t before = p->producers->size();
    p->producers->note(*facts, e, now);
    p->producers->forget_above(k_.config.limits.producers_per_partition);
    k_.stats.producers += p->producers->size() - before;
  }
}

void state_part::snapshot(model::shard_id shard, byte_vector& out) const {
  byte_writer w(out);
  w.u8(snapshot_version);
  std::vector<const partition*> mine;
  for (const auto& [log, p] : k_.partitions) {
    if (p->shard == shard) mine.push_back(p.get());
  }
  std::sort(mine.begin(), mine.end(), [](const auto* a, const auto* b) { return a->log < b->log; });
  w.le(static_cast<std::uint32_t>(mine.size()));
  for (const partition* p : mine) {
    w.le(p->log.raw());
    p->epochs.write(w);
    w.u8(p->producers && p->producers->size() > 0 ? 1 : 0);
    if (p->producers && p->producers->size() > 0) p->producers->write(w);
  }
  if (shard == model::shard_id(0)) {
    k_.topics.snapshot(out);
    w.le(ids_.next_block());
  }
  groups_.snapshot(shard, out);
}

result<void> state_part::restore(model::shard_id shard, bytes snapshot) {
  byte_reader r(snapshot);
  const fault damaged(errc::corrupt, "the snapshot of shard " + std::to_string(shard.raw()) + " does not decode");
  const std::uint8_t version = r.u8();
  if (!r.ok()) return damaged;
  if (version == 0 || version > snapshot_version) {
    return fault(errc::unsupported, "snapshot version " + std::to_string(version) + " of a newer release");
  }
  std::erase_if(k_.partitions, [&](const auto& item) { return item.second->shard == shard; });
  const auto n = r.le<std::uint32_t>();
  if (n > r.remaining() / 10) return damaged;
  for (std::uint32_t i = 0; i < n && r.ok(); ++i) {
    auto p = std::make_unique<partition>();
    p->log = model::log_id(r.le<std::uint64_t>());
    p->shard = shard;
    p->epochs.read(r);
    if (r.u8() != 0) {
      p->producers = std::make_unique<producer_table>();
      p->producers->read(r, version >= 2);
      k_.stats.producers += p->producers->size();
    }
    if (r.ok()) k_.partitions.insert_or_assign(p->log, std::move(p));
  }
  if (!r.ok()) return damaged;
  k_.stats.partitions = k_.partitions.size();
  if (shard == model::shard_id(0)) {
    auto done = k_.topics.restore(r, version >= 3);
    if (!done) return done;
    ids_.apply(r.le<std::int64_t>());
    if (!r.ok()) return damaged;
  }
  return groups_.restore(shard, snapshot.subspan(r.position()));
}

}  // namespace weir::broker
