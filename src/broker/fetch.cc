#include "broker/fetch.h"

#include <algorithm>

namespace weir::broker {
namespace {

using model::refusal;

// How soon a read that the store was too busy for is tried again.
constexpr std::int64_t busy_retry_ns = 5'000'000;

// Less than this part of an answer is not worth a read.
constexpr std::size_t crumb_share = 16;

std::size_t not_negative(std::int64_t v) { return v > 0 ? static_cast<std::size_t>(v) : 0; }

}  // namespace

fetch_part::job* fetch_part::find(std::uint64_t number) {
  const auto at = jobs_.find(number);
  return at == jobs_.end() ? nullptr : at->second.get();
}

void fetch_part::submit(const reply_to& to, const model::caller& who, const model::fetch& c) {
  ++k_.stats.fetch_requests;
  const std::uint64_t number = ++last_number_;
  job& j = *jobs_.emplace(number, std::make_unique<job>()).first->second;
  j.number = number;
  j.to = to;
  j.out.items.resize(c.items.size());
  j.parts.resize(c.items.size());
  j.bytes_max = not_negative(std::min(c.bytes_max, k_.config.fetch_max_bytes));
  j.budget = j.bytes_max;
  j.wanted = not_negative(c.bytes_min);
  j.share = not_negative(c.bytes_share);
  if (j.share > 0) parts_of_others_[{to.sink, to.owner}] = number;
  j.until = k_.time.now() + std::int64_t{std::max(c.wait_ms, 0)} * 1'000'000;
  for (std::size_t i = 0; i < c.items.size(); ++i) check(who, c, i, j.parts[i], j.out.items[i]);
  j.urgent = c.wait_ms <= 0 || std::any_of(j.out.items.begin(), j.out.items.end(), [](const auto& i) {
               return i.error != refusal::none || i.diverging.has_value();
             });
  pump(number);
}

void fetch_part::show(const partition& p, const model::log_info& log, model::fetched::item& out) const {
  out.high_watermark = p.visible_end(log);
  out.last_stable = out.high_watermark;  // until there are transactions
  out.log_start = log.start;
  out.current_epoch = k_.leader_epoch(p);
}

void fetch_part::check(const model::caller& who, const model::fetch& c, std::size_t index, part& p,
                       model::fetched::item& out) const {
  const model::fetch::item& in = c.items[index];
  const auto found = k_.locate(who, in.topic, in.partition, security::operation::read);
  out.error = k_.fenced && found.error == refusal::none ? refusal::storage_failed : found.error;
  if (found.at == nullptr || found.at->of == nullptr || k_.store == nullptr) return;
  const model::log_info log = k_.store->info(found.at->log);
  show(*found.at, log, out);
  if (out.error == refusal::none) out.error = k_.check_epoch(*found.at, in.current_epoch);
  // A topic that the broker itself compresses with zstd is not for clients that cannot read it (KIP-110).
  if (out.error == refusal::none && !c.zstd_allowed &&
      (*found.of)->effective->compression.kind == model::compression_kind::zstd) {
    out.error = refusal::unsupported_compression;
  }
  if (out.error != refusal::none) return;
  if (diverged(*found.at, in, out)) return;
  if (in.from < log.start || in.from > log.end) {
    out.error = refusal::offset_out_of_range;
    return;
  }
  p.log = found.at->log;
  p.from = in.from;
  p.most = not_negative(in.bytes_max);
  p.readable = in.from < out.high_watermark;
  p.by_id = in.topic.name.empty();
}

bool fetch_part::diverged(const partition& p, const model::fetch::item& in, model::fetched::item& out) const {
  if (in.last_epoch.raw() < 0) return false;
  const epoch_end end = p.epochs.end_of(in.last_epoch, k_.leader_epoch(p), out.high_watermark);
  if (end.found.raw() < 0 || end.end.raw() < 0) {
    out.error = refusal::offset_out_of_range;
    return true;
  }
  if (end.found >= in.last_epoch && end.end >= in.from) return false;
  out.diverging = std::pair(end.found, end.end);
  return true;
}

void fetch_part::refresh(part& p, model::fetched::item& out) const {
  if (p.log == model::log_id{}) return;
  const partition* now = k_.find(p.log);
  if (now == nullptr || now->of == nullptr || k_.fenced) {
    out = {};
    out.error = k_.fenced ? refusal::storage_failed
                          : (p.by_id ? refusal::unknown_topic_id : refusal::unknown_topic_or_partition);
    p = {};
    return;
  }
  const model::log_info log = k_.store->info(p.log);
  show(*now, log, out);
  p.readable = p.from < out.high_watermark;
  p.held_back = false;
  if (p.from >= log.start) return;
  out.error = refusal::offset_out_of_range;
  p = {};
}

void fetch_part::rerun(std::uint64_t number) {
  job* j = find(number);
  if (j == nullptr || j->reads > 0 || j->issuing) return;
  if (j->waiting) end_wait(*j);
  for (std::size_t i = 0; i < j->parts.size(); ++i) {
    j->out.items[i].data = {};
    refresh(j->parts[i], j->out.items[i]);
    j->urgent |= j->out.items[i].error != refusal::none;
  }
  j->budget = j->bytes_max;
  j->got = 0;
  j->next = 0;
  j->second_pass = false;
  j->refused = false;
  j->slept = false;
  pump(number);
}

// ---- reading ----------------------------------------------------------------------------------------------------------

void fetch_part::pump(std::uint64_t number) {
  job* j = find(number);
  if (j == nullptr || j->issuing) return;
  j->issuing = true;
  while (j->next < j->parts.size()) {
    if (j->second_pass && (j->reads > 0 || j->got > 0)) break;
    issue(*j, j->next++);
  }
  j->issuing = false;
  if (j->reads == 0) decide(*j);
}

void fetch_part::issue(job& j, std::size_t index) {
  part& p = j.parts[index];
  if (!p.readable) return;
  if (j.second_pass && !p.held_back) return;
  const std::size_t room = std::min(p.most, j.budget);
  const bool must = j.second_pass || (j.got == 0 && j.reads == 0);
  p.held_back = !must;
  if (!must && (room == 0 || (room < p.most && room < j.bytes_max / crumb_share))) return;
  j.budget -= room;
  p.reserved = room;
  ++j.reads;
  const model::read_request ask{p.log, p.from, j.out.items[index].high_watermark, room, must};
  k_.store->read(
      ask, [this, number = j.number, index](result<model::read_batch> r) { complete(number, index, std::move(r)); });
}

void fetch_part::complete(std::uint64_t number, std::size_t index, result<model::read_batch>&& r) {
  job* j = find(number);
  if (j == nullptr) return;
  part& p = j->parts[index];
  model::fetched::item& out = j->out.items[index];
  --j->reads;
  j->budget += p.reserved;
  p.reserved = 0;
  if (r) {
    const std::size_t size = r->payload_bytes;
    j->budget -= std::min(size, j->budget);
    j->got += size;
    // More is there than fits: waiting would not make this answer better.
    if (!r->entries.empty()) {
      const model::read_entry& last = r->entries.back();
      j->urgent |= last.base + static_cast<std::int64_t>(last.count) < out.high_watermark;
      p.held_back = false;
    }
    out.data = std::move(*r);
  } else if (r.error().code == errc::busy) {
    j->refused = true;
  } else {
    out.error = refusal_of(r.error());
    j->urgent = true;
  }
  if (j->issuing) return;
  j->slept = true;
  pump(number);
}

bool fetch_part::held_back(const job& j) {
  return std::any_of(j.parts.begin(), j.parts.end(), [](const part& p) { return p.readable && p.held_back; });
}

void fetch_part::decide(job& j) {
  if (j.got == 0 && !j.second_pass && held_back(j)) {
    j.second_pass = true;
    j.next = 0;
    return pump(j.number);
  }
  // More is there than found room: waiting would not make this answer better.
  j.urgent |= j.got > 0 && held_back(j);
  const mono_ns now = k_.time.now();
  if (j.refused && j.got == 0 && now < j.until) {
    j.waiting = true;  // in no list: only the timer wakes it
    return arm(j, std::min(j.until, now + busy_retry_ns));
  }
  if (j.got >= j.wanted || j.urgent || now >= j.until || k_.fenced) return finish(j);
  if (j.slept && moved(j)) return rerun(j.number);
  begin_wait(j);
}

// Whether something became readable since the job looked at its logs.
bool fetch_part::moved(const job& j) const {
  for (std::size_t i = 0; i < j.parts.size(); ++i) {
    if (j.parts[i].log == model::log_id{}) continue;
    const partition* p = k_.find(j.parts[i].log);
    if (p == nullptr || p->visible_end(k_.store->info(p->log)) != j.out.items[i].high_watermark) return true;
  }
  return false;
}

// ---- waiting ----------------------------------------------------------------------------------------------------------

void fetch_part::arm(job& j, mono_ns when) {
  k_.exec.cancel(j.timer);
  j.timer = k_.exec.at(when, [this, number = j.number] {
    job* late = find(number);
    if (late == nullptr) return;
    late->timer = {};
    late->urgent |= k_.time.now() >= late->until;
    rerun(number);
  });
}

void fetch_part::begin_wait(job& j) {
  const core_limits& limits = k_.config.limits;
  if (k_.stats.fetches_waiting >= limits.fetches_waiting ||
      waiting_parts_ + j.parts.size() > limits.fetch_partitions_waiting) {
    return finish(j);
  }
  j.waiting = true;
  j.arrived = j.got;
  ++k_.stats.fetches_waiting;
  waiting_parts_ += j.parts.size();
  for (std::size_t i = 0; i < j.parts.size(); ++i) {
    j.out.items[i].data = {};  // read again then: waiting pins no memory
    partition* p = k_.find(j.parts[i].log);
    if (p != nullptr) p->waiters.push_back(j.number);
  }
  by_owner_[j.to.owner].push_back(j.number);
  arm(j, j.until);
  if (j.share > 0 && j.arrived >= j.share) report(j);
}

void fetch_part::report(job& j) {
  j.share = 0;
  j.to.sink->progress(j.to, j.arrived);
}

void fetch_part::end_wait(job& j) {
  k_.exec.cancel(j.timer);
  j.timer = {};
  j.waiting = false;
  const auto listed = by_owner_.find(j.to.owner);
  if (listed == by_owner_.end() || std::erase(listed->second, j.number) == 0) return;
  if (listed->second.empty()) by_owner_.erase(listed);
  --k_.stats.fetches_waiting;
  waiting_parts_ -= j.parts.size();
  for (const part& mine : j.parts) {
    partition* p = k_.find(mine.log);
    if (p == nullptr) continue;
    const auto at = std::find(p->waiters.begin(), p->waiters.end(), j.number);
    if (at == p->waiters.end()) continue;
    *at = p->waiters.back();
    p->waiters.pop_back();
    if (p->waiters.empty()) p->waiters = {};
  }
}

void fetch_part::touched(model::log_id log, std::size_t bytes) {
  const partition* p = k_.find(log);
  if (p == nullptr) return;
  for (const std::uint64_t number : p->waiters) {
    job* j = find(number);
    if (j == nullptr) continue;
    j->arrived += bytes;
    const bool enough = j->arrived >= j->wanted;
    if (enough) j->reports = false;
    if (j->queued || (!enough && (j->share == 0 || j->arrived < j->share))) continue;
    j->queued = true;
    j->reports = !enough;
    ready_.push_back(number);
  }
}

void fetch_part::wake_all(std::vector<std::uint64_t> waiters) {
  for (const std::uint64_t number : waiters) {
    job* j = find(number);
    if (j == nullptr) continue;
    j->reports = false;
    if (j->queued) continue;
    j->queued = true;
    ready_.push_back(number);
  }
}

void fetch_part::answer_ready() {
  while (!ready_.empty()) {
    const std::vector<std::uint64_t> now = std::exchange(ready_, {});
    for (const std::uint64_t number : now) {
      job* j = find(number);
      if (j == nullptr) continue;
      j->queued = false;
      if (std::exchange(j->reports, false) && j->waiting) {
        report(*j);
      } else {
        rerun(number);
      }
    }
  }
}

void fetch_part::finish(job& j) {
  if (j.waiting) end_wait(j);
  k_.exec.cancel(j.timer);
  k_.stats.bytes_out += j.got;
  const reply_to to = j.to;
  parts_of_others_.erase({to.sink, to.owner});
  model::event e = std::move(j.out);
  jobs_.erase(j.number);
  k_.answer(k_.control_ticket, to, std::move(e));
}

fetch_part::job* fetch_part::find_part(const reply_sink* sink, std::uint64_t owner) {
  const auto at = parts_of_others_.find({sink, owner});
  return at == parts_of_others_.end() ? nullptr : find(at->second);
}

void fetch_part::hurry(const reply_sink* sink, std::uint64_t owner) {
  job* j = find_part(sink, owner);
  if (j == nullptr) return;
  j->urgent = true;
  if (j->waiting) rerun(j->number);
}

void fetch_part::set_share(const reply_sink* sink, std::uint64_t owner, std::size_t bytes) {
  job* j = find_part(sink, owner);
  if (j == nullptr) return;
  j->share = bytes;
  if (j->waiting && j->arrived >= j->share) report(*j);
}

void fetch_part::drop(const reply_sink* sink, std::uint64_t owner) {
  const auto listed = by_owner_.find(owner);
  if (listed == by_owner_.end()) return;
  for (const std::uint64_t number : std::vector<std::uint64_t>(listed->second)) {
    job* j = find(number);
    if (j == nullptr || j->to.sink != sink) continue;
    end_wait(*j);
    parts_of_others_.erase({sink, owner});
    jobs_.erase(number);
  }
}

void fetch_part::fail_all() {
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, j] : jobs_) {
    if (j->waiting) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  for (const std::uint64_t number : numbers) {
    job* j = find(number);
    if (j != nullptr) finish(*j);
  }
}

void fetch_part::stop() {
  for (const auto& [number, j] : jobs_) k_.exec.cancel(j->timer);
  jobs_.clear();
  by_owner_.clear();
  ready_.clear();
  parts_of_others_.clear();
  waiting_parts_ = 0;
  k_.stats.fetches_waiting = 0;
}

}  // namespace weir::broker
