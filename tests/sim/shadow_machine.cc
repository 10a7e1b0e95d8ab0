#include "tests/sim/shadow_machine.h"

namespace weir::sim_tests {

namespace {

std::string name_of(model::shard_id shard, std::uint64_t lsn) {
  return "shard " + std::to_string(shard.raw()) + " lsn " + std::to_string(lsn);
}

// Snapshots differ in size, so that they end anywhere in a block.
std::uint64_t filler_bytes(std::uint64_t digest) { return digest % 7 == 0 ? digest % 5000 : digest % 90; }

}  // namespace

void shadow_machine::apply(const model::applied_record& r) {
  auto& s = shards_[r.shard];
  const std::uint64_t at = r.at.raw();
  if (at != s.last + 1) {
    fail_("apply: " + name_of(r.shard, at) + " follows " + std::to_string(s.last));
    return;
  }
  const std::uint64_t digest = fold(s.digest, r);
  if (!live_) {
    ++replays;
    const auto known = truth_.shards.find(r.shard);
    if (known == truth_.shards.end() || at > known->second.records.size()) {
      fail_("recovery shows " + name_of(r.shard, at) + ", which was never appended");
      return;
    }
    if (known->second.records[at - 1].digest != digest) {
      fail_("recovery shows " + name_of(r.shard, at) + " with other content than was appended");
      return;
    }
  }
  apply_changes(s, r);
  apply_entries(s, r);
  s.last = at;
  s.digest = digest;
  if (live_) truth_.add(r);
}

void shadow_machine::apply_changes(shard_shadow& s, const model::applied_record& r) {
  for (const auto& c : r.changes) {
    const bool there = s.logs.contains(c.log);
    if (there == (c.kind == model::log_change_kind::create)) {
      fail_("apply: log " + std::to_string(c.log.raw()) + " created twice, or changed without being there");
      return;
    }
    switch (c.kind) {
      case model::log_change_kind::create:
        s.logs[c.log] = {};
        break;
      case model::log_change_kind::remove:
        s.logs.erase(c.log);
        break;
      case model::log_change_kind::trim: {
        auto& log = s.logs[c.log];
        log.start = std::max(log.start, c.at);
        if (log.start > log.end) fail_("apply: trimmed beyond the end");
        break;
      }
    }
  }
}

void shadow_machine::apply_entries(shard_shadow& s, const model::applied_record& r) {
  for (const auto& e : r.entries) {
    const auto log = s.logs.find(e.log);
    if (log == s.logs.end() || log->second.end != e.base || e.count == 0) {
      fail_("apply: " + name_of(r.shard, r.at.raw()) + " has an entry at offset " + std::to_string(e.base.raw()) +
            " that is not the end of log " + std::to_string(e.log.raw()));
      return;
    }
    log->second.end = e.base + static_cast<std::int64_t>(e.count);
  }
}

void shadow_machine::snapshot(model::shard_id shard, byte_vector& out) const {
  byte_writer w(out);
  const auto found = shards_.find(shard);
  const shard_shadow none;
  const shard_shadow& s = found == shards_.end() ? none : found->second;
  w.le(shard.raw());
  w.le(s.last);
  w.le(s.digest);
  w.le(static_cast<std::uint64_t>(s.logs.size()));
  for (const auto& [id, log] : s.logs) {
    w.le(id.raw());
    w.le(log.start.raw());
    w.le(log.end.raw());
  }
  for (std::uint64_t i = 0; i < filler_bytes(s.digest); ++i) w.u8(static_cast<std::uint8_t>(s.digest >> (i % 57)));
}

result<void> shadow_machine::restore(model::shard_id shard, bytes snapshot_bytes) {
  ++restores;
  byte_reader in(snapshot_bytes);
  const auto id = in.le<std::uint64_t>();
  shard_shadow s;
  s.last = in.le<std::uint64_t>();
  s.digest = in.le<std::uint64_t>();
  const auto n = in.le<std::uint64_t>();
  for (std::uint64_t i = 0; i < n && in.ok(); ++i) {
    const model::log_id log(in.le<std::uint64_t>());
    s.logs[log].start = model::offset(in.le<std::int64_t>());
    s.logs[log].end = model::offset(in.le<std::int64_t>());
  }
  bool filler = in.remaining() == filler_bytes(s.digest);
  for (std::uint64_t i = 0; filler && in.remaining() > 0; ++i) {
    filler = in.u8() == static_cast<std::uint8_t>(s.digest >> (i % 57));
  }
  if (!in.ok() || !filler || id != shard.raw())
    fail_("restore: not the snapshot of shard " + std::to_string(shard.raw()));
  const auto& known = truth_.shards[shard];
  if (s.last > known.records.size() || known.digest_at(s.last) != s.digest) {
    fail_("restore: the snapshot of " + name_of(shard, s.last) + " is not what was appended");
  }
  if (shards_.contains(shard)) fail_("restore: shard " + std::to_string(shard.raw()) + " twice");
  shards_[shard] = std::move(s);
  return {};
}

void shadow_machine::on_durable(model::ticket t) {
  if (t.raw() <= durable_ && durable_ != 0) fail_("on_durable does not rise");
  if (!live_) fail_("on_durable before the store was open");
  if (fenced_) fail_("on_durable after on_fenced");
  durable_ = t.raw();
  truth_.durable(durable_);
}

void shadow_machine::on_fenced(const fault&) {
  if (fenced_) fail_("on_fenced twice");
  fenced_ = true;
}

std::uint64_t shadow_machine::last_lsn(model::shard_id shard) const {
  const auto found = shards_.find(shard);
  return found == shards_.end() ? 0 : found->second.last;
}

}  // namespace weir::sim_tests
