#include "broker/produce.h"

#include <algorithm>

namespace weir::broker {
namespace {

using model::refusal;

constexpr std::int64_t default_wait_ms = 30'000;
constexpr std::size_t problems_max = 100;

refusal refusal_of_entry(errc code) {
  switch (code) {
    case errc::out_of_range:
      return refusal::message_too_large;
    case errc::unsupported:
      return refusal::unsupported_compression;
    case errc::invalid:
      return refusal::invalid_record;
    default:
      return refusal::corrupt_message;
  }
}

bool fail(model::produced::item& out, refusal why, std::string detail = {}) {
  out.error = why;
  out.detail = std::move(detail);
  return false;
}

// About what a copy takes.
std::size_t bytes_of_command(const model::produce& c) {
  std::size_t n = sizeof(owned_command) + c.items.size() * sizeof(model::produce::item);
  for (const auto& i : c.items) n += i.entry.size() + i.topic.name.size();
  return n;
}

}  // namespace

void producer_part::submit(const reply_to& to, const model::caller& who, const model::produce& c) {
  ++k_.stats.produce_requests;
  if (k_.fenced || k_.store == nullptr) return refuse(to, who, c, refusal::storage_failed);
  if (draining_ || !waiting_.empty()) return wait(to, who, c);
  const auto may = k_.store->writable(model::log_store::write_class::bulk);
  if (may) return run(to, who, c);
  if (may.error().code == errc::busy) return wait(to, who, c);
  refuse(to, who, c, refusal_of(may.error()));
}

void producer_part::run(const reply_to& to, const model::caller& who, const model::produce& c) {
  model::produced out;
  out.items.resize(c.items.size());
  heads_.resize(std::max(heads_.size(), c.items.size()));
  if (batches_.empty()) {
    batches_.resize(k_.where.shards_per_reactor);
    for (batch& b : batches_) b.number = ++last_batch_;
  }
  now_ms_ = k_.time.wall().raw();
  observed_ = model::ticket{};
  begun_ = false;
  for (std::size_t i = 0; i < c.items.size(); ++i) plan(who, c, i, out);
  flush_all(out);
  if (k_.has_shown()) shown_();
  if (heads_.size() > 4096) heads_ = {};
  if (c.wait == model::produce::acks::none) {
    const bool bad =
        std::any_of(out.items.begin(), out.items.end(), [](const auto& i) { return i.error != refusal::none; });
    if (bad || c.always_answered) to(std::move(out));
    return;
  }
  k_.answer(observed_, to, std::move(out));
}

void producer_part::plan(const model::caller& who, const model::produce& c, std::size_t index, model::produced& out) {
  const model::produce::item& in = c.items[index];
  model::produced::item& answer = out.items[index];
  const auto found = k_.locate(who, in.topic, in.partition, security::operation::write);
  if (found.error != refusal::none) return void(fail(answer, found.error));
  const model::entry_format* format = k_.formats.find(in.format);
  if (format == nullptr) return void(fail(answer, refusal::unsupported, "no such entry format"));
  partition& p = *found.at;
  const topic& t = **found.of;
  model::entry_facts facts;
  if (!acceptable(c, in, t, *format, facts, answer)) return;
  const auto producer = format->producer(in.entry);
  if (!producer) return void(fail(answer, refusal::corrupt_message, producer.error().text));

  batch& b = batches_[static_cast<std::size_t>(p.shard.raw()) % k_.where.shards_per_reactor];
  // What follows looks at the log as it is after everything before: a second entry for one log needs the first applied.
  if (p.in_batch == b.number) flush(b, out);
  const model::offset base = p.end;
  answer.log_start = p.start;
  if (!in_sequence(p, *producer, answer)) return;

  bytes entry = in.entry;
  byte_vector made;
  if (!compressed(*t.effective, *format, made, entry, facts, answer)) return;
  const std::size_t size = entry.size() + entry_overhead_bytes;
  if (b.bytes + size > k_.config.limits.record_bytes) flush(b, out);
  // Moved with its memory, so the view stays; what is kept here is bounded by the size of a record.
  if (!made.empty()) b.made.push_back(std::move(made));
  const std::optional<std::int64_t> append_time =
      t.effective->append_time ? std::optional(now_ms_) : std::optional<std::int64_t>();
  const model::epoch epoch = k_.leader_epoch(p);
  const std::size_t n = format->stamp(entry, base, epoch, append_time, heads_[index]);
  if (append_time) answer.append_time_ms = *append_time;
  b.record.entries.push_back({p.log, in.format, facts.count, append_time ? *append_time : facts.max_timestamp_ms, epoch,
                              bytes(heads_[index]).first(n), entry.subspan(n)});
  b.record.shard = p.shard;
  p.in_batch = b.number;
  b.items.push_back({index, base, p.log, *producer});
  b.bytes += size;
  b.idempotent |= producer->producer_id >= 0;
  b.waits |= !p.async();
  k_.stats.records_in += facts.count;
}

bool producer_part::acceptable(const model::produce& c, const model::produce::item& in, const topic& t,
                               const model::entry_format& format, model::entry_facts& facts,
                               model::produced::item& out) const {
  const topic_settings& rules = *t.effective;
  model::entry_rules want;
  want.keys_required = rules.policy.compact;
  want.open_records = !rules.append_time && rules.timestamp_before_max_ms != INT64_MAX;
  want.bytes_max = most_bytes(rules);
  if (!small_enough(rules, in.entry, out)) return false;
  auto looked = format.inspect(in.entry, want);
  if (!looked) {
    (void)fail(out, refusal_of_entry(looked.error().code), looked.error().text);
    if (want.keys_required && out.error == refusal::invalid_record) explain_missing_keys(format, in.entry, out);
    return false;
  }
  facts = *looked;
  if (facts.count == 0) return fail(out, refusal::invalid_record, "an empty batch");
  if (facts.compression == model::compression_kind::zstd && !c.zstd_allowed) {
    return fail(out, refusal::unsupported_compression, "zstd needs a newer produce request");
  }
  return rules.append_time || timely(rules, facts, out);
}

std::size_t producer_part::most_bytes(const topic_settings& rules) const {
  return std::min(static_cast<std::size_t>(rules.max_message_bytes),
                  k_.config.limits.record_bytes - entry_overhead_bytes);
}

bool producer_part::small_enough(const topic_settings& rules, bytes entry, model::produced::item& out) const {
  const std::size_t most = most_bytes(rules);
  if (entry.size() <= most) return true;
  return fail(out, refusal::message_too_large,
              "the batch of " + std::to_string(entry.size()) + " bytes is larger than the topic takes (" +
                  std::to_string(most) + ", max.message.bytes)");
}

bool producer_part::compressed(const topic_settings& rules, const model::entry_format& format, byte_vector& made,
                               bytes& entry, model::entry_facts& facts, model::produced::item& out) const {
  const auto kind = rules.compression.kind;
  if (!kind || *kind == facts.compression) return true;
  auto fresh = format.recompress(entry, {*kind, rules.compression.level_of(*kind)});
  if (!fresh) return fail(out, refusal_of_entry(fresh.error().code), fresh.error().text);
  made = std::move(fresh->payload);
  entry = made;
  facts = fresh->facts;
  // Its size and its timestamps are only now known for sure.
  return small_enough(rules, entry, out) && (rules.append_time || timely(rules, facts, out));
}

bool producer_part::timely(const topic_settings& rules, const model::entry_facts& facts,
                           model::produced::item& out) const {
  // Differences, not sums: a limit may be the largest number there is. Timestamps below 0 mean "none".
  if (facts.max_timestamp_ms >= 0 && facts.max_timestamp_ms - now_ms_ > rules.timestamp_after_max_ms) {
    return fail(out, refusal::invalid_timestamp,
                "a timestamp of " + std::to_string(facts.max_timestamp_ms) +
                    " is further in the future than message.timestamp.after.max.ms allows");
  }
  if (facts.min_timestamp_ms >= 0 && now_ms_ - facts.min_timestamp_ms > rules.timestamp_before_max_ms) {
    return fail(out, refusal::invalid_timestamp,
                "a timestamp of " + std::to_string(facts.min_timestamp_ms) +
                    " is further in the past than message.timestamp.before.max.ms allows");
  }
  return true;
}

bool producer_part::in_sequence(const partition& p, const model::producer_facts& facts, model::produced::item& out) {
  if (facts.control) return fail(out, refusal::invalid_record, "clients may not write control batches");
  if (facts.transactional) return fail(out, refusal::unsupported, "transactions are not supported");
  if (facts.producer_id < 0) return true;
  if (facts.producer_epoch < 0 || facts.first_sequence < 0) {
    return fail(out, refusal::invalid_record, "a batch with a producer id needs an epoch and a sequence");
  }
  const std::int64_t expired = now_ms_ - k_.config.producer_id_expiration_ms;
  if (!refused_.empty() && !(p.producers && p.producers->knows(facts.producer_id, expired))) {
    if (!refused_.may_begin(p.log, facts, now_ms_)) {
      return fail(out, refusal::out_of_order_sequence,
                  "sequence " + std::to_string(facts.first_sequence) +
                      " does not begin where this producer's first batch was refused");
    }
    refused_.forget(p.log, facts.producer_id);
  }
  if (!p.producers) return true;
  const producer_check check = p.producers->check(facts, expired);
  switch (check.what) {
    case producer_verdict::append:
      return true;
    case producer_verdict::duplicate:
      ++k_.stats.duplicates;
      out.base = check.base;
      if ((*p.of).effective->append_time) out.append_time_ms = check.timestamp_ms;
      // The first copy may not be on disk yet.
      observe(p.async(), k_.store->last_ticket());
      return false;
    case producer_verdict::stale_epoch:
      return fail(out, refusal::invalid_producer_epoch, "a newer epoch of this producer has written");
    case producer_verdict::out_of_order:
      return fail(
          out, refusal::out_of_order_sequence,
          "sequence " + std::to_string(facts.first_sequence) + " does not follow what this producer wrote last");
  }
  return true;
}

void producer_part::remember_refused(const partition& p, const model::producer_facts& facts, std::int64_t now_ms) {
  if (facts.producer_id < 0) return;
  const std::int64_t expired = now_ms - k_.config.producer_id_expiration_ms;
  if (p.producers && p.producers->knows(facts.producer_id, expired)) return;
  refused_.remember(p.log, facts, now_ms);
}

void producer_part::explain_missing_keys(const model::entry_format& format, bytes entry,
                                         model::produced::item& out) const {
  std::int32_t index = 0;
  (void)format.for_each(entry, [&](const model::record_view& r) {
    if (!r.key) out.records.push_back({index, "a compacted topic takes no record without a key"});
    ++index;
    return out.records.size() < problems_max;
  });
}

void producer_part::observe(bool async, model::ticket own) {
  observed_ = std::max(observed_, async ? k_.control_ticket : own);
}

void producer_part::flush(batch& b, model::produced& out) {
  if (b.items.empty()) return;
  const auto stamp = bytes_of(now_ms_);
  if (b.idempotent) {
    b.record.state_kind = static_cast<std::uint16_t>(producer_kind::stamp);
    b.record.state_version = 1;
    b.record.state = stamp;
  }
  using write_class = model::log_store::write_class;
  const auto done = k_.append(b.record, begun_ ? write_class::essential : write_class::bulk);
  begun_ |= done.has_value();
  for (const planned& item : b.items) {
    model::produced::item& answer = out.items[item.item];
    if (done) {
      answer.base = item.base;
    } else {
      answer.append_time_ms = -1;
      if (const partition* p = k_.find(item.log)) remember_refused(*p, item.producer, now_ms_);
      (void)fail(answer, refusal_of(done.error()), done.error().text);
    }
  }
  if (done) {
    observe(!b.waits, *done);
    k_.stats.entries_in += b.items.size();
    k_.stats.bytes_in += b.bytes - b.items.size() * entry_overhead_bytes;
  }
  constexpr std::size_t keep = 4096;  // of memory for the next command
  if (b.record.entries.size() > keep) {
    b.record.entries = {};
    b.items.shrink_to_fit();
  }
  b.record.entries.clear();
  b.record.state_kind = 0;
  b.record.state_version = 0;
  b.record.state = {};
  b.items.clear();
  b.made.clear();
  b.bytes = 0;
  b.idempotent = false;
  b.waits = false;
  b.number = ++last_batch_;
}

void producer_part::flush_all(model::produced& out) {
  for (batch& b : batches_) flush(b, out);
}

// ---- waiting for room -------------------------------------------------------------------------------------------------

void producer_part::wait(const reply_to& to, const model::caller& who, const model::produce& c) {
  const std::size_t size = bytes_of_command(c);
  if (waiting_bytes_ + size > k_.config.limits.waiting_produce_bytes) return refuse(to, who, c, refusal::busy);
  const std::int64_t ms = c.timeout_ms > 0 ? c.timeout_ms : default_wait_ms;
  waiting_.push_back({to, own(who, c), k_.time.now() + ms * 1'000'000, size});
  waiting_bytes_ += size;
  tell_pressure();
  arm();
}

void producer_part::tell_pressure() {
  k_.stats.produces_waiting = waiting_.size();
  const bool press = !waiting_.empty();
  if (draining_ || pressing_ == press) return;
  pressing_ = press;
  pressure_(press);
}

void producer_part::refuse(const reply_to& to, const model::caller& who, const model::produce& c, refusal why) {
  model::produced out;
  out.items.resize(c.items.size());
  const std::int64_t now = k_.time.wall().raw();
  for (std::size_t i = 0; i < c.items.size(); ++i) {
    const model::produce::item& in = c.items[i];
    out.items[i].error = why;
    const model::entry_format* format = k_.formats.find(in.format);
    const auto found = k_.locate(who, in.topic, in.partition, security::operation::write);
    if (format == nullptr || found.error != refusal::none) continue;
    const auto producer = format->producer(in.entry);
    if (producer) remember_refused(*found.at, *producer, now);
  }
  to(std::move(out));
}

void producer_part::retry() {
  if (draining_ || waiting_.empty()) return;
  draining_ = true;
  while (!waiting_.empty()) {
    const auto may =
        k_.fenced ? result<void>(fault(errc::fenced)) : k_.store->writable(model::log_store::write_class::bulk);
    if (!may && may.error().code == errc::busy) break;
    const waiting w = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_bytes_ -= w.bytes;
    const auto& c = std::get<model::produce>(w.command->what);
    if (may) {
      run(w.to, w.command->who, c);
    } else {
      refuse(w.to, w.command->who, c, refusal_of(may.error()));
    }
  }
  draining_ = false;
  tell_pressure();
}

void producer_part::arm() {
  constexpr std::int64_t look_every_ns = 500'000'000;
  if (timer_ != timer_id{} || waiting_.empty()) return;
  timer_ = k_.exec.at(k_.time.now() + look_every_ns, [this] {
    timer_ = {};
    expire_waiting();
    retry();
    arm();
  });
}

void producer_part::expire_waiting() {
  const mono_ns now = k_.time.now();
  std::vector<waiting> late;
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (at->until > now) {
      ++at;
      continue;
    }
    waiting_bytes_ -= at->bytes;
    late.push_back(std::move(*at));
    at = waiting_.erase(at);
  }
  for (const waiting& w : late)
    refuse(w.to, w.command->who, std::get<model::produce>(w.command->what), refusal::timed_out);
  tell_pressure();
}

void producer_part::drop(const reply_sink* sink, std::uint64_t owner) {
  std::erase_if(waiting_, [&](const waiting& w) {
    if (w.to.sink != sink || w.to.owner != owner) return false;
    waiting_bytes_ -= w.bytes;
    return true;
  });
  tell_pressure();
}

void producer_part::stop() {
  k_.exec.cancel(timer_);
  timer_ = {};
  waiting_.clear();
  waiting_bytes_ = 0;
}

}  // namespace weir::broker
