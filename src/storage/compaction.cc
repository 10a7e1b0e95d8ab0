#include "storage/compaction.h"

#include <algorithm>

#include "base/assert.h"

namespace weir::storage {

namespace {
constexpr std::size_t read_bytes = 256U << 10;
constexpr std::size_t key_overhead_bytes = 64;
}  // namespace

struct compactor::job {
  model::log_id log{};
  model::offset from{};       // the log's first
  model::offset keys_from{};  // keys are noted in [keys_from, to)
  model::offset to{};
  model::offset next{};           // to be noted
  clean_state cleaned;            // what the pass makes of the log's
  model::offset tombstones_to{};  // tombstones below it may go
  std::unordered_map<std::string, model::offset> latest;
  std::size_t key_bytes = 0;
  byte_vector filtered;  // what the last filtered entry became
  done_fn done;
};

compactor::compactor(core& c, reader& r, rewriter& w)
    : core_(c), reader_(r), rewriter_(w), alive_(std::make_shared<compactor*>(this)) {}

compactor::~compactor() = default;

// Compaction takes whole extents, older than the lag.
model::offset compactor::clean_end(const log_state& log) const {
  const std::int64_t newest = core_.time.wall().raw() - log.rules().min_compaction_lag_ms;
  model::offset end = log.start;
  for (const extent& e : log.extents) {
    if (log.rules().min_compaction_lag_ms > 0 && e.max_timestamp_ms > newest) break;
    end = e.end;
  }
  return end;
}

bool compactor::due(const log_state& log) const {
  const model::log_policy& rules = log.rules();
  if (!rules.compact || log.extents.empty()) return false;
  std::uint64_t total = 0;
  std::uint64_t dirty = 0;
  bool overdue = false;
  const std::int64_t now = core_.time.wall().raw();
  const model::offset end = clean_end(log);
  for (const extent& e : log.extents) {
    if (e.base >= end) break;
    total += e.length;
    if (e.end <= log.clean.to) continue;
    dirty += e.length;
    overdue = overdue || (e.max_timestamp_ms >= 0 && rules.max_compaction_lag_ms < INT64_MAX &&
                          now - e.max_timestamp_ms > rules.max_compaction_lag_ms);
  }
  if (dirty == 0) {
    // Nothing new; but tombstones that an earlier pass left may have served their time.
    return log.clean.tombstones && now - log.clean.tombstones_ms >= rules.delete_retention_ms;
  }
  return overdue || static_cast<double>(dirty) >= rules.min_cleanable_ratio * static_cast<double>(total);
}

void compactor::start(log_state& log, done_fn done) {
  WEIR_ASSERT(job_ == nullptr && !rewriter_.running());
  job_ = std::make_unique<job>();
  job& j = *job_;
  j.log = log.id;
  j.done = std::move(done);
  j.to = clean_end(log);
  if (log.extents.empty() || j.to <= log.extents.front().base) return finish({});
  j.from = log.extents.front().base;
  j.keys_from = j.next = std::min(std::max(j.from, log.clean.to), j.to);
  j.cleaned = log.clean;
  const std::int64_t now = core_.time.wall().raw();
  if (now - log.clean.tombstones_ms >= log.rules().delete_retention_ms) j.tombstones_to = log.clean.tombstones_to;
  // What is rewritten must not grow meanwhile.
  if (log.active != nullptr) {
    log.active->sealed = true;
    core_.changed_files.push_back(log.active->id);
    log.active = nullptr;
  }
  read_keys();
}

void compactor::read_keys() {
  job& j = *job_;
  if (stopping_) return finish(fault(errc::closed, "the store is closing"));
  const log_state* log = core_.logs.find(j.log);
  if (log == nullptr) return finish(fault(errc::not_found, "the log was removed"));
  j.next = std::max(j.next, log->start);
  if (j.next >= j.to) return rewrite();
  reader_.read({j.log, j.next, j.to, read_bytes, true},
               [this, alive = std::weak_ptr(alive_)](const result<model::read_batch>& got) {
                 if (alive.expired()) return;
                 core_.exec.defer([this, alive, got] {
                   if (alive.expired()) return;
                   if (!got && got.error().code == errc::out_of_range) return read_keys();
                   if (!got) return finish(got.error());
                   if (got->entries.empty()) job_->next = job_->to;
                   for (const model::read_entry& e : got->entries) {
                     auto more = note_keys(e);
                     if (!more) return finish(more.error());
                     if (!*more) break;
                     job_->next = e.base + static_cast<std::int64_t>(e.count);
                   }
                   read_keys();
                 });
               });
}

// False when the memory for keys is used up: the pass then ends before this entry.
result<bool> compactor::note_keys(const model::read_entry& e) {
  job& j = *job_;
  const model::entry_format* format = core_.formats.find(e.format);
  if (format == nullptr) return true;
  if (auto facts = format->producer(e.payload); facts && facts->control) return true;
  if (j.key_bytes > core_.options.compaction_bytes_max && e.base > j.keys_from) {
    j.to = j.next = e.base;
    return false;
  }
  // An entry that cannot be opened stays as it is.
  (void)format->for_each(e.payload, [&](const model::record_view& r) {
    if (!r.key) return true;
    const auto [it, fresh] = j.latest.try_emplace(std::string(as_text(*r.key)), r.at);
    if (fresh) {
      j.key_bytes += r.key->size() + key_overhead_bytes;
    } else {
      it->second = std::max(it->second, r.at);
    }
    return true;
  });
  return true;
}

// Whole extents, the last one perhaps beyond the keys: nothing there is older than what is known of its key.
void compactor::rewrite() {
  job& j = *job_;
  const log_state& log = *core_.logs.find(j.log);
  std::uint64_t size = 0;
  model::offset to = j.from;
  for (const extent& e : log.extents) {
    if (e.base >= j.to) break;
    size += e.length;
    to = e.end;
  }
  if (size == 0) return finish({});
  j.cleaned.tombstones = false;
  const bool own = size >= core_.options.segment_flush_bytes;
  rewriter_.start(
      {{j.log, j.from, to, own}}, [this](const model::read_entry& e) { return filter(e); },
      [this, alive = std::weak_ptr(alive_)](const result<void>& outcome) {
        if (alive.expired()) return;
        if (outcome && core_.logs.find(job_->log) != nullptr) note_pass();
        finish(outcome);
      });
}

// Tombstones that this pass was the first to see begin their time, unless earlier ones are still serving theirs.
void compactor::note_pass() {
  job& j = *job_;
  j.cleaned.to = j.to;
  const bool serving = j.cleaned.tombstones_to > j.tombstones_to;
  if (!serving) {
    j.cleaned.tombstones_to = j.to;
    j.cleaned.tombstones_ms = core_.time.wall().raw();
  }
  core_.replaced.replacements.back().cleaned = j.cleaned;
}

result<std::optional<rewriter::kept>> compactor::filter(const model::read_entry& e) {
  job& j = *job_;
  const rewriter::kept as_it_is{e.payload, e.max_timestamp_ms};
  const model::entry_format* format = core_.formats.find(e.format);
  if (format == nullptr) return std::optional(as_it_is);
  if (auto facts = format->producer(e.payload); facts && facts->control) return std::optional(as_it_is);
  std::uint32_t all = 0;
  log_state* log = core_.logs.find(j.log);
  auto out = format->filter(e.payload, [&](const model::record_view& r) {
    ++all;
    if (!r.key) return true;
    const auto it = j.latest.find(std::string(as_text(*r.key)));
    if (it != j.latest.end() && it->second > r.at) return false;
    if (r.value) return true;
    // The last record of a log stays: a reader that comes to a hole at the end would wait there with its lag for ever.
    if (r.at < j.tombstones_to && !(log != nullptr && r.at + 1 == log->end)) return false;
    j.cleaned.tombstones = true;
    return true;
  });
  if (!out || out->records_left == all) return std::optional(as_it_is);
  if (out->records_left == 0) return std::optional<rewriter::kept>{};
  j.filtered = std::move(out->payload);
  return std::optional(rewriter::kept{j.filtered, out->max_timestamp_ms});
}

void compactor::finish(const result<void>& outcome) {
  const std::unique_ptr<job> j = std::move(job_);
  j->done(outcome);
}

}  // namespace weir::storage
