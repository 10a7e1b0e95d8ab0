// For tests: a log_store in memory whose durability, refusals and slow reads are moved by hand, and an entry format that
// is as simple as the port allows. A disk outlives its stores: what was made durable is there for the next one.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/assert.h"
#include "base/executor.h"
#include "model/log_port.h"

namespace weir::broker::node_testing {

// A record as it is on the "disk".
struct stored_record {
  model::shard_id shard{};
  std::vector<model::log_change> changes;
  struct entry {
    model::new_entry facts;
    model::offset base{};
    std::shared_ptr<byte_vector> payload;
  };
  std::vector<entry> entries;
  std::uint16_t state_kind = 0;
  std::uint8_t state_version = 0;
  byte_vector state;
};

struct fake_disk {
  std::vector<stored_record> durable;
  // A checkpoint: the snapshot of each shard, standing for the first `covered` records' states.
  std::map<model::shard_id, byte_vector> snapshots;
  std::size_t covered = 0;
};

class fake_store final : public model::log_store {
 public:
  fake_store(fake_disk& disk, model::state_machine& machine, executor& exec)
      : disk_(disk), machine_(machine), exec_(exec) {}

  // What open_store does: snapshots, then the records behind them.
  [[nodiscard]] result<void> recover() {
    for (const auto& [shard, snapshot] : disk_.snapshots) {
      auto done = machine_.restore(shard, snapshot);
      if (!done) return done;
    }
    for (std::size_t i = 0; i < disk_.durable.size(); ++i) {
      take(disk_.durable[i]);
      if (i >= disk_.covered) show(disk_.durable[i]);
    }
    last_ = durable_ = disk_.durable.size();
    for (auto& [id, l] : logs_) l.durable_end = l.end;
    return {};
  }

  // ---- by hand
  void sync() { sync_to(last_); }
  void sync_to(std::uint64_t t) {
    for (; durable_ < t; ++durable_) {
      stored_record& r = pending_.front();
      for (const auto& e : r.entries) {
        const auto l = logs_.find(e.facts.log);
        if (l != logs_.end()) l->second.durable_end = e.base + std::int64_t{e.facts.count};
      }
      disk_.durable.push_back(std::move(r));
      pending_.pop_front();
    }
    machine_.on_durable(model::ticket(durable_));
  }
  void fence() {
    fenced_ = true;
    machine_.on_fenced(fault(errc::io, "by hand"));
  }
  void set_room(errc bulk) {
    bulk_ = bulk;
    if (bulk == errc::ok) machine_.on_writable();
  }
  // Room, but nobody was told yet.
  void set_room_silently(errc bulk) { bulk_ = bulk; }
  // Compaction took every entry of the log; its offsets stay.
  void hollow(model::log_id log) { logs_.at(log).entries.clear(); }
  void checkpoint_now(const std::vector<model::shard_id>& shards) {
    sync();
    for (const auto s : shards) {
      disk_.snapshots[s].clear();
      machine_.snapshot(s, disk_.snapshots[s]);
    }
    disk_.covered = disk_.durable.size();
  }
  bool reads_later = false;
  bool auto_sync = false;  // each append is made durable by a task of its own
  std::size_t record_bytes_max = 32U << 20;
  std::uint64_t appends = 0;
  std::uint64_t reads = 0;
  std::map<model::log_id, model::log_policy> policies;

  // ---- log_store
  [[nodiscard]] result<void> writable(write_class c) const override {
    if (fenced_) return fault(errc::fenced);
    if (c == write_class::bulk && bulk_ != errc::ok) return fault(bulk_);
    return {};
  }
  model::ticket append(const model::new_record& r) override {
    WEIR_ASSERT(!fenced_);
    std::size_t size = 48 + r.state.size() + r.changes.size() * 24;
    for (const model::new_entry& e : r.entries) size += 56 + e.head.size() + e.body.size();
    WEIR_ASSERT(size <= record_bytes_max);
    ++appends;
    stored_record s;
    s.shard = r.shard;
    s.changes = r.changes;
    s.state_kind = r.state_kind;
    s.state_version = r.state_version;
    s.state.assign(r.state.begin(), r.state.end());
    std::map<model::log_id, std::int64_t> taken;
    for (const model::new_entry& e : r.entries) {
      WEIR_ASSERT(logs_.contains(e.log) && logs_.at(e.log).shard == r.shard && e.count > 0);
      auto payload = std::make_shared<byte_vector>(e.head.begin(), e.head.end());
      payload->insert(payload->end(), e.body.begin(), e.body.end());
      s.entries.push_back({e, logs_.at(e.log).end + taken[e.log], std::move(payload)});
      s.entries.back().facts.head = s.entries.back().facts.body = {};
      taken[e.log] += e.count;
    }
    take(s);
    pending_.push_back(std::move(s));
    ++last_;
    show(pending_.back());
    if (auto_sync) exec_.defer([this] { sync(); });
    return model::ticket(last_);
  }
  [[nodiscard]] model::ticket last_ticket() const override { return model::ticket(last_); }
  [[nodiscard]] model::ticket durable_ticket() const override { return model::ticket(durable_); }
  [[nodiscard]] bool exists(model::log_id log) const override { return logs_.contains(log); }
  [[nodiscard]] model::log_info info(model::log_id log) const override {
    const one_log& l = logs_.at(log);
    return {l.start, l.end, l.durable_end, l.bytes, l.max_timestamp_ms};
  }
  void set_policy(model::log_id log, const model::log_policy& policy) override { policies[log] = policy; }
  void clean_now(model::log_id, std::function<void(result<void>)> done) override { done({}); }
  void read(const model::read_request& ask, model::read_done done) override {
    ++reads;
    if (!reads_later) return done(read_now(ask));
    exec_.defer([this, ask, done = std::move(done)] { done(read_now(ask)); });
  }
  void find_time(model::log_id log, std::int64_t from_ms, model::offset below, model::find_done done) override {
    for (const auto& e : logs_.at(log).entries) {
      if (e.facts.max_timestamp_ms >= from_ms && e.base < below && end_of(e) > logs_.at(log).start) return done(one(e));
    }
    done(std::optional<model::read_batch>());
  }
  void find_latest_time(model::log_id log, model::offset below, model::find_done done) override {
    const stored_record::entry* best = nullptr;
    for (const auto& e : logs_.at(log).entries) {
      if (e.base < below && (best == nullptr || e.facts.max_timestamp_ms > best->facts.max_timestamp_ms)) best = &e;
    }
    done(best == nullptr ? std::optional<model::read_batch>() : one(*best));
  }
  [[nodiscard]] model::store_stats stats() const override {
    model::store_stats s;
    s.free_bytes = 12345;
    s.total_bytes = 54321;
    return s;
  }
  void checkpoint(std::function<void(result<void>)> done) override { done({}); }

 private:
  struct one_log {
    model::shard_id shard{};
    model::offset start{};
    model::offset end{};
    model::offset durable_end{};
    std::uint64_t bytes = 0;
    std::int64_t max_timestamp_ms = -1;
    std::vector<stored_record::entry> entries;
  };
  static model::offset end_of(const stored_record::entry& e) { return e.base + std::int64_t{e.facts.count}; }
  static model::read_entry view(const stored_record::entry& e) {
    return {e.base, e.facts.count, e.facts.format, e.facts.max_timestamp_ms, e.facts.leader_epoch, bytes(*e.payload)};
  }
  static std::optional<model::read_batch> one(const stored_record::entry& e) {
    model::read_batch b;
    b.entries.push_back(view(e));
    b.owners.push_back(e.payload);
    b.payload_bytes = e.payload->size();
    return b;
  }
  void take(const stored_record& r) {
    for (const auto& c : r.changes) {
      if (c.kind == model::log_change_kind::create) {
        logs_.try_emplace(c.log).first->second.shard = r.shard;
      } else if (c.kind == model::log_change_kind::remove) {
        WEIR_ASSERT(logs_.erase(c.log) == 1);
      } else {
        one_log& l = logs_.at(c.log);
        l.start = std::max(l.start, c.at);
        std::erase_if(l.entries, [&](const auto& e) { return end_of(e) <= l.start; });
      }
    }
    for (const auto& e : r.entries) {
      one_log& l = logs_.at(e.facts.log);
      WEIR_ASSERT(l.end == e.base);
      l.end = end_of(e);
      l.bytes += e.payload->size();
      l.max_timestamp_ms = std::max(l.max_timestamp_ms, e.facts.max_timestamp_ms);
      l.entries.push_back(e);
    }
  }
  void show(const stored_record& r) {
    model::applied_record a;
    a.shard = r.shard;
    a.changes = r.changes;
    a.state_kind = r.state_kind;
    a.state_version = r.state_version;
    a.state = r.state;
    for (const auto& e : r.entries) {
      a.entries.push_back({e.facts.log, e.base, e.facts.count, e.facts.format, e.facts.max_timestamp_ms,
                           e.facts.leader_epoch, bytes(*e.payload)});
    }
    machine_.apply(a);
  }
  [[nodiscard]] result<model::read_batch> read_now(const model::read_request& ask) const {
    const auto at = logs_.find(ask.log);
    if (at == logs_.end()) return fault(errc::not_found);
    if (ask.from < at->second.start || ask.from > at->second.end) return fault(errc::out_of_range);
    model::read_batch out;
    for (const auto& e : at->second.entries) {
      if (end_of(e) <= ask.from) continue;
      if (e.base >= ask.below) break;
      const bool must = ask.at_least_one && out.entries.empty();
      if (!must && out.payload_bytes + e.payload->size() > ask.bytes_max) break;
      out.entries.push_back(view(e));
      out.owners.push_back(e.payload);
      out.payload_bytes += e.payload->size();
    }
    return out;
  }

  fake_disk& disk_;
  model::state_machine& machine_;
  executor& exec_;
  std::map<model::log_id, one_log> logs_;
  std::deque<stored_record> pending_;
  std::uint64_t last_ = 0;
  std::uint64_t durable_ = 0;
  errc bulk_ = errc::ok;
  bool fenced_ = false;
};

// Head: magic u8 (0xb0), flags u8 (1 transactional, 2 control, 4 append time), compression u8, count u32, base i64,
// epoch i32, append time i64, producer id i64, epoch i16, first sequence i32; then per record {timestamp i64, has key u8}
// and padding. Its checksum is the magic.
class fake_format final : public model::entry_format {
 public:
  struct spec {
    std::vector<std::int64_t> timestamps{1'700'000'000'000};
    std::int64_t producer_id = -1;
    std::int16_t producer_epoch = -1;
    std::int32_t first_sequence = -1;
    std::uint8_t flags = 0;
    std::uint8_t compression = 0;
    bool keys = true;
    std::size_t padding = 0;
  };
  static constexpr std::size_t head_bytes = 41;
  static byte_vector make(const spec& s) {
    byte_vector out;
    byte_writer w(out);
    w.u8(0xb0);
    w.u8(s.flags);
    w.u8(s.compression);
    w.le(static_cast<std::uint32_t>(s.timestamps.size()));
    w.le(std::int64_t{-1});
    w.le(std::int32_t{-1});
    w.le(std::int64_t{-1});
    w.le(s.producer_id);
    w.le(s.producer_epoch);
    w.le(s.first_sequence);
    for (const std::int64_t t : s.timestamps) {
      w.le(t);
      w.u8(s.keys ? 1 : 0);
    }
    out.resize(out.size() + s.padding);
    return out;
  }

  [[nodiscard]] result<model::entry_facts> inspect(bytes p, const model::entry_rules& rules) const override {
    if (p.size() < head_bytes || p[0] != std::byte{0xb0}) return fault(errc::corrupt, "magic");
    if (rules.bytes_max != 0 && p.size() > rules.bytes_max) return fault(errc::out_of_range);
    model::entry_facts f;
    f.compression = static_cast<model::compression_kind>(p[2]);
    f.count = load_le<std::uint32_t>(p.data() + 3);
    if (f.count > (p.size() - head_bytes) / 9) return fault(errc::corrupt, "count");
    fault bad;
    (void)for_each(p, [&](const model::record_view& r) {
      f.max_timestamp_ms = std::max(f.max_timestamp_ms, r.timestamp_ms);
      f.min_timestamp_ms = f.min_timestamp_ms < 0 ? r.timestamp_ms : std::min(f.min_timestamp_ms, r.timestamp_ms);
      if (rules.keys_required && !r.key) bad = fault(errc::invalid, "a record has no key");
      return true;
    });
    if (bad.code != errc::ok) return bad;
    return f;
  }
  [[nodiscard]] std::size_t stamp(bytes p, model::offset base, model::epoch epoch, std::optional<std::int64_t> time,
                                  mutable_bytes head) const override {
    std::memcpy(head.data(), p.data(), head_bytes);
    store_le(head.data() + 7, base.raw());
    store_le(head.data() + 15, epoch.raw());
    if (time) {
      head[1] |= std::byte{4};
      store_le(head.data() + 19, *time);
    }
    return head_bytes;
  }
  [[nodiscard]] result<void> for_each(bytes p,
                                      const std::function<bool(const model::record_view&)>& visit) const override {
    const auto n = load_le<std::uint32_t>(p.data() + 3);
    const auto base = load_le<std::int64_t>(p.data() + 7);
    const bool append_time = (p[1] & std::byte{4}) != std::byte{};
    for (std::uint32_t i = 0; i < n; ++i) {
      const std::byte* at = p.data() + head_bytes + std::size_t{i} * 9;
      model::record_view r;
      r.at = model::offset(base + i);
      r.timestamp_ms = append_time ? load_le<std::int64_t>(p.data() + 19) : load_le<std::int64_t>(at);
      if (at[8] != std::byte{}) r.key = bytes(at, 8);
      r.value = bytes();
      if (!visit(r)) break;
    }
    return {};
  }
  [[nodiscard]] result<std::optional<model::found_record>> find_time(bytes p, std::int64_t from) const override {
    std::optional<model::found_record> out;
    (void)for_each(p, [&](const model::record_view& r) {
      if (r.timestamp_ms >= from) out = model::found_record{r.at, r.timestamp_ms};
      return !out.has_value();
    });
    return out;
  }
  [[nodiscard]] result<filtered> filter(bytes, const std::function<bool(const model::record_view&)>&) const override {
    return fault(errc::unsupported);
  }
  // Says so in the head, and takes as many bytes more as the level says; 0xff behind the records is damage.
  [[nodiscard]] result<recompressed> recompress(bytes p, const model::compression_choice& how) const override {
    auto facts = inspect(p, {});
    if (!facts) return facts.error();
    const std::size_t end = head_bytes + facts->count * std::size_t{9};
    if (p.size() > end && p[end] == std::byte{0xff}) return fault(errc::corrupt, "damaged");
    recompressed out{byte_vector(p.begin(), p.end()), *facts};
    out.payload[2] = static_cast<std::byte>(how.kind);
    out.payload.resize(out.payload.size() + static_cast<std::size_t>(std::max(how.level, 0)));
    out.facts.compression = how.kind;
    return out;
  }
  [[nodiscard]] result<model::producer_facts> producer(bytes p) const override {
    model::producer_facts f;
    f.producer_id = load_le<std::int64_t>(p.data() + 27);
    f.producer_epoch = load_le<std::int16_t>(p.data() + 35);
    f.first_sequence = load_le<std::int32_t>(p.data() + 37);
    const auto n = static_cast<std::int64_t>(load_le<std::uint32_t>(p.data() + 3));
    f.last_sequence = static_cast<std::int32_t>((std::int64_t{f.first_sequence} + n - 1) & INT32_MAX);
    f.transactional = (p[1] & std::byte{1}) != std::byte{};
    f.control = (p[1] & std::byte{2}) != std::byte{};
    return f;
  }
};

}  // namespace weir::broker::node_testing
