#include "tests/sim/toy_store.h"

#include <algorithm>
#include <map>

#include "base/assert.h"
#include "base/crc32c.h"

namespace weir::sim_tests {

namespace {

struct toy_entry {
  model::applied_entry facts;
  byte_vector payload;
};
struct toy_log {
  model::shard_id shard{};
  model::offset start{}, end{}, durable_end{};
  std::vector<std::shared_ptr<toy_entry>> entries;
};

byte_vector encode(const model::applied_record& r) {
  byte_vector body;
  byte_writer w(body);
  w.le(r.shard.raw());
  w.le(r.at.raw());
  w.le(static_cast<std::uint32_t>(r.changes.size()));
  for (const auto& c : r.changes) {
    w.u8(static_cast<std::uint8_t>(c.kind));
    w.le(c.log.raw());
    w.le(c.at.raw());
  }
  w.le(static_cast<std::uint32_t>(r.entries.size()));
  for (const auto& e : r.entries) {
    w.le(e.log.raw());
    w.le(e.base.raw());
    w.le(e.count);
    w.le(static_cast<std::uint16_t>(e.format));
    w.le(e.max_timestamp_ms);
    w.le(e.leader_epoch.raw());
    w.text(as_text(e.payload));
  }
  w.le(r.state_kind);
  w.u8(r.state_version);
  w.text(as_text(r.state));
  byte_vector out;
  byte_writer head(out);
  head.le(static_cast<std::uint32_t>(body.size()));
  head.le(crc32c(body));
  head.raw(body);
  return out;
}

model::applied_record decode(bytes body) {
  byte_reader in(body);
  model::applied_record r;
  r.shard = model::shard_id(in.le<std::uint64_t>());
  r.at = model::lsn(in.le<std::uint64_t>());
  r.changes.resize(in.le<std::uint32_t>());
  for (auto& c : r.changes) {
    c.kind = static_cast<model::log_change_kind>(in.u8());
    c.log = model::log_id(in.le<std::uint64_t>());
    c.at = model::offset(in.le<std::int64_t>());
  }
  r.entries.resize(in.le<std::uint32_t>());
  for (auto& e : r.entries) {
    e.log = model::log_id(in.le<std::uint64_t>());
    e.base = model::offset(in.le<std::int64_t>());
    e.count = in.le<std::uint32_t>();
    e.format = static_cast<model::format_tag>(in.le<std::uint16_t>());
    e.max_timestamp_ms = in.le<std::int64_t>();
    e.leader_epoch = model::epoch(in.le<std::int32_t>());
    e.payload = as_bytes(in.text());
  }
  r.state_kind = in.le<std::uint16_t>();
  r.state_version = in.u8();
  r.state = as_bytes(in.text());
  return r;
}

class toy_store final : public storage::store {
 public:
  toy_store(platform::disk& disk, executor& exec, model::state_machine& machine, toy_fault wrong)
      : disk_(disk), exec_(exec), machine_(machine), wrong_(wrong) {}

  result<void> open() {
    byte_vector old;
    if (auto f = disk_.open("toy", {})) {
      old.resize((*f)->size());
      auto n = (*f)->read_now(0, old);
      if (!n) return n.error();
    }
    std::size_t good = 0;
    while (good + 8 <= old.size()) {
      const auto length = load_le<std::uint32_t>(old.data() + good);
      if (length == 0 || length > old.size() - good - 8) break;
      const bytes body = bytes(old).subspan(good + 8, length);
      if (wrong_ != toy_fault::torn_accepted && crc32c(body) != load_le<std::uint32_t>(old.data() + good + 4)) break;
      take(decode(body));
      good += 8 + length;
    }
    old.resize(good);
    auto fresh = disk_.open("toy.new", {.create = true});
    if (!fresh) return fresh.error();
    file_ = *fresh;
    auto done = file_->truncate_now(0);
    if (done) done = file_->write_now(0, old);
    if (done) done = file_->sync_now();
    if (done) done = disk_.rename("toy.new", "toy");
    if (done) done = disk_.sync_folder_now("");
    if (!done) return done.error();
    length_ = good;
    durable_ = last_;
    show_durable();
    return {};
  }

  result<void> writable(write_class) const override {
    if (fenced_) return fault{errc::fenced};
    return {};
  }

  model::ticket append(const model::new_record& r) override {
    model::applied_record a;
    a.shard = r.shard;
    a.at = model::lsn(lsns_[r.shard] + 1);
    a.changes = r.changes;
    a.state_kind = r.state_kind;
    a.state_version = r.state_version;
    a.state = r.state;
    std::vector<byte_vector> payloads(r.entries.size());
    std::map<model::log_id, model::offset> ends;
    for (std::size_t i = 0; i < r.entries.size(); ++i) {
      const auto& e = r.entries[i];
      payloads[i].assign(e.head.begin(), e.head.end());
      payloads[i].insert(payloads[i].end(), e.body.begin(), e.body.end());
      auto [end, added] = ends.try_emplace(e.log, logs_[e.log].end);
      a.entries.push_back({e.log, end->second, e.count, e.format, e.max_timestamp_ms, e.leader_epoch, payloads[i]});
      end->second = end->second + static_cast<std::int64_t>(e.count);
    }
    const byte_vector coded = encode(a);
    pending_.insert(pending_.end(), coded.begin(), coded.end());
    ++last_;
    take(a);
    if (wrong_ == toy_fault::answer_early) exec_.defer([this] { report(last_); });
    pump();
    return model::ticket(last_);
  }

  model::ticket last_ticket() const override { return model::ticket(last_); }
  model::ticket durable_ticket() const override { return model::ticket(durable_); }
  bool exists(model::log_id log) const override { return logs_.contains(log); }
  model::log_info info(model::log_id log) const override {
    const auto& l = logs_.at(log);
    return {l.start, l.end, std::max(l.durable_end, l.start), 0, -1};
  }
  void set_policy(model::log_id, const model::log_policy&) override {}
  void clean_now(model::log_id, std::function<void(result<void>)> done) override { done({}); }
  void checkpoint(std::function<void(result<void>)> done) override { done({}); }
  model::store_stats stats() const override { return {}; }
  const storage::recovery_report& recovered() const override { return report_; }

  void read(const model::read_request& q, model::read_done done) override {
    const auto l = logs_.find(q.log);
    if (l == logs_.end()) return done(fault{errc::not_found});
    if (q.from < l->second.start || q.from > l->second.end) return done(fault{errc::out_of_range});
    model::read_batch out;
    for (const auto& e : l->second.entries) {
      const auto& f = e->facts;
      if (f.base + static_cast<std::int64_t>(f.count) <= q.from || f.base >= q.below) continue;
      if (wrong_ == toy_fault::lose_reads && f.base.raw() % 17 == 5) continue;
      if (out.payload_bytes + e->payload.size() > q.bytes_max && !(out.entries.empty() && q.at_least_one)) break;
      out.payload_bytes += e->payload.size();
      out.entries.push_back({f.base, f.count, f.format, f.max_timestamp_ms, f.leader_epoch, e->payload});
      out.owners.push_back(e);
    }
    done(std::move(out));
  }
  void find_time(model::log_id log, std::int64_t from_ms, model::offset below, model::find_done done) override {
    std::optional<model::read_batch> out;
    for (const auto& e : logs_.at(log).entries) {
      const auto& f = e->facts;
      if (f.base + static_cast<std::int64_t>(f.count) <= logs_.at(log).start || f.base >= below) continue;
      if (f.max_timestamp_ms < from_ms) continue;
      out.emplace();
      out->entries.push_back({f.base, f.count, f.format, f.max_timestamp_ms, f.leader_epoch, e->payload});
      out->owners.push_back(e);
      break;
    }
    done(std::move(out));
  }
  void find_latest_time(model::log_id, model::offset, model::find_done done) override {
    done(std::optional<model::read_batch>{});
  }
  void limit_cache(std::uint64_t) override {}
  std::vector<model::log_id> logs() const override {
    std::vector<model::log_id> out;
    for (const auto& [id, l] : logs_) out.push_back(id);
    return out;
  }
  void close(std::function<void(result<void>)> done) override {
    closing_ = std::move(done);
    pump();
  }

 private:
  void take(const model::applied_record& r) {
    for (const auto& c : r.changes) {
      if (c.kind == model::log_change_kind::create) logs_[c.log] = {r.shard, {}, {}, {}, {}};
      if (c.kind == model::log_change_kind::remove) logs_.erase(c.log);
      if (c.kind == model::log_change_kind::trim) logs_[c.log].start = std::max(logs_[c.log].start, c.at);
    }
    for (const auto& e : r.entries) {
      auto copy = std::make_shared<toy_entry>();
      copy->facts = e;
      copy->payload.assign(e.payload.begin(), e.payload.end());
      if (wrong_ == toy_fault::wrong_bytes && copy->payload.size() == 13) copy->payload[3] ^= std::byte{1};
      logs_[e.log].end = e.base + static_cast<std::int64_t>(e.count);
      logs_[e.log].entries.push_back(std::move(copy));
    }
    lsns_[r.shard] = r.at.raw();
    machine_.apply(r);
  }
  void show_durable() {
    for (auto& [id, l] : logs_) l.durable_end = l.end;
  }
  void report(std::uint64_t t) {
    if (t <= durable_) return;
    durable_ = t;
    if (durable_ == last_) show_durable();
    machine_.on_durable(model::ticket(t));
  }
  void pump() {
    if (busy_ || fenced_) return;
    if (pending_.empty()) {
      if (closing_) {
        auto done = std::exchange(closing_, nullptr);
        exec_.defer([done] { done({}); });
      }
      return;
    }
    busy_ = true;
    moving_ = std::exchange(pending_, {});
    const std::uint64_t group = last_;
    file_->write(length_, {bytes(moving_)}, [this, group](result<std::size_t> n) {
      if (!n) return fence(n.error());
      length_ += moving_.size();
      if (wrong_ == toy_fault::no_sync) return finish(group);
      file_->sync([this, group](result<void> r) {
        if (!r) return fence(r.error());
        finish(group);
      });
    });
  }
  void finish(std::uint64_t group) {
    busy_ = false;
    report(group);
    pump();
  }
  void fence(const fault& why) {
    fenced_ = true;
    machine_.on_fenced(why);
    if (closing_) closing_(why);
  }

  platform::disk& disk_;
  executor& exec_;
  model::state_machine& machine_;
  toy_fault wrong_;
  std::shared_ptr<platform::file> file_;
  std::map<model::log_id, toy_log> logs_;
  std::map<model::shard_id, std::uint64_t> lsns_;
  byte_vector pending_;
  byte_vector moving_;
  std::uint64_t length_ = 0;
  std::uint64_t last_ = 0;
  std::uint64_t durable_ = 0;
  bool busy_ = false;
  bool fenced_ = false;
  std::function<void(result<void>)> closing_;
  storage::recovery_report report_;
};

}  // namespace

result<std::unique_ptr<storage::store>> open_toy(platform::disk& disk, executor& exec, model::state_machine& machine,
                                                 toy_fault wrong) {
  auto s = std::make_unique<toy_store>(disk, exec, machine, wrong);
  auto opened = s->open();
  if (!opened) return opened.error();
  return std::unique_ptr<storage::store>(std::move(s));
}

}  // namespace weir::sim_tests
