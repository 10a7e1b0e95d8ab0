// What keeps a store in shape by and by: retention, compaction, merging of small pieces. Part of engine.h.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/assert.h"
#include "storage/engine.h"

namespace weir::storage {

namespace {
constexpr std::int64_t merge_interval_ms = 1000;
constexpr std::uint64_t merge_bytes_max = 32ULL << 20;  // of one job
}  // namespace

void engine::clean_now(model::log_id id, std::function<void(result<void>)> done) {
  log_state* log = core_.logs.find(id);
  result<void> outcome;
  if (log == nullptr) {
    outcome = fault(errc::not_found, "no such log");
  } else if (wal_->fenced() || closing_) {
    outcome = fault(errc::closed, "the store is fenced or closing");
  } else {
    outcome = retain(*log);
    if (outcome && log->rules().compact) {
      // What is only in memory takes part too.
      return checkpoint([this, id, done = std::move(done)](const result<void>& written) {
        if (!written || closing_) return done(written ? fault(errc::closed, "the store is closing") : written);
        clean_queue_.push_back({id, done});
        core_.exec.defer([this, alive = std::weak_ptr(alive_)] {
          if (!alive.expired()) clean_next();
        });
      });
    }
  }
  core_.exec.defer([done = std::move(done), outcome] { done(outcome); });
}

// From tick: what is due by the clock.
void engine::maintain() {
  if (wal_->fenced() || closing_) return;
  const std::int64_t now = core_.time.now().raw();
  if ((now - last_clean_ns_) / 1'000'000 >= core_.options.clean_interval_ms) {
    last_clean_ns_ = now;
    clean_all();
  }
  clean_next();
  if ((now - last_merge_ns_) / 1'000'000 >= merge_interval_ms) {
    last_merge_ns_ = now;
    merge_small();
  }
}

void engine::clean_all() {
  for (const model::log_id id : logs()) {
    if (!writable(write_class::essential)) return;
    log_state* log = core_.logs.find(id);
    if (log == nullptr) continue;
    (void)retain(*log);
    if (compactor_->due(*log)) clean_queue_.push_back({id, [](const result<void>&) {}});
  }
}

// ---- Retention --------------------------------------------------------------------------------------------------------

// Whole extents go when all in them is too old, or when what is left without them is still large enough.
result<void> engine::retain(log_state& log) {
  const model::log_policy& rules = log.rules();
  if (!rules.delete_old) return {};
  model::offset keep_from = log.start;
  const model::offset durable_end = info(log.id).durable_end;
  if (rules.retention_ms >= 0) {
    const std::int64_t oldest = core_.time.wall().raw() - rules.retention_ms;
    std::size_t i = 0;
    while (i < log.extents.size() && log.extents[i].max_timestamp_ms < oldest) keep_from = log.extents[i++].end;
    if (i == log.extents.size() && log.max_timestamp() < oldest) keep_from = durable_end;
  }
  if (rules.retention_bytes >= 0) {
    std::uint64_t size = log.extent_bytes + log.unflushed_bytes;
    for (const extent& e : log.extents) {
      if (size - e.length < static_cast<std::uint64_t>(rules.retention_bytes)) break;
      size -= e.length;
      keep_from = std::max(keep_from, e.end);
    }
  }
  keep_from = std::min(keep_from, durable_end);
  if (keep_from <= log.start) return {};
  if (auto ok = writable(write_class::essential); !ok) return ok;
  trim(log, keep_from);
  return {};
}

void engine::trim(log_state& log, model::offset at) {
  model::new_record record;
  record.shard = log.shard;
  record.changes.push_back({model::log_change_kind::trim, log.id, at});
  (void)append(record);
}

// ---- Compaction and merging -------------------------------------------------------------------------------------------

// A checkpoint must not be growing the extents that are rewritten.
bool engine::may_rewrite() const {
  return !closing_ && !wal_->fenced() && !rewriter_->running() && !compactor_->running() && !checkpointer_->running() &&
         core_.replaced.empty();
}

void engine::clean_next() {
  while (!clean_queue_.empty() && may_rewrite()) {
    const clean_request next = std::move(clean_queue_.front());
    clean_queue_.pop_front();
    log_state* log = core_.logs.find(next.log);
    if (log == nullptr || !compactor_->due(*log)) {
      next.done({});
      continue;
    }
    compact(*log, next.done);
  }
}

void engine::compact(log_state& log, std::function<void(result<void>)> done) {
  compactor_->start(log, [this, done = std::move(done)](const result<void>& outcome) {
    if (!outcome) {
      done(outcome);
    } else {
      checkpoint(done);
    }
    close_later();
  });
}

// What waits for a compaction is not kept waiting when there will be none.
void engine::refuse_cleaning(const fault& why) {
  for (const clean_request& q : std::exchange(clean_queue_, {})) {
    core_.exec.defer([done = q.done, why] { done(why); });
  }
}

// When less than this of a kept WAL file is alive, the rest is moved. The logs in it mostly let go of it together, so this is
// for those that do not: more eagerly when there is time, or need.
std::uint64_t engine::kept_live_percent() const {
  if (space_.critical()) return 75;
  const std::int64_t quiet = (core_.time.now().raw() - last_append_ns_) / 1'000'000;
  return quiet >= core_.options.idle_release_ms ? 50 : 25;
}

// Logs with many pieces in shared files get one piece; nearly dead shared files and kept WAL files lose their last ones.
void engine::merge_small() {
  if (!may_rewrite()) return;
  std::unordered_map<std::uint64_t, std::uint64_t> live;  // bytes by file id
  core_.logs.each([&](const log_state& log) {
    for (const extent& e : log.extents) {
      if (e.file->kind != data_file_kind::own) live[e.file->id] += e.length;
    }
  });
  const std::uint64_t live_percent = kept_live_percent();
  const auto dying = [&](const extent& e) {
    const data_file& f = *e.file;
    if (f.kind == data_file_kind::shared) return live[f.id] * 4 < f.length - data_header_bytes;
    return f.kind == data_file_kind::wal && !f.in_wal && live[f.id] * 100 < f.length * live_percent;
  };
  std::vector<rewriter::piece> pieces;
  std::uint64_t total = 0;
  core_.logs.each([&](const log_state& log) {
    std::size_t i = 0;
    while (i < log.extents.size() && total < merge_bytes_max) {
      std::size_t end = i;
      std::uint64_t size = 0;
      bool any_dying = false;
      while (end < log.extents.size() && log.extents[end].file->kind == data_file_kind::shared) {
        size += log.extents[end].length;
        any_dying = any_dying || dying(log.extents[end]);
        ++end;
      }
      if (end == i && dying(log.extents[i])) {
        any_dying = true;
        size = log.extents[end++].length;
      }
      if (end - i >= core_.options.small_extents_max || any_dying) {
        pieces.push_back(
            {log.id, log.extents[i].base, log.extents[end - 1].end, size >= core_.options.segment_flush_bytes});
        total += size;
      }
      i = std::max(end, i + 1);
    }
  });
  if (pieces.empty()) return;
  // Those that share a file first, so that they share one.
  std::stable_sort(pieces.begin(), pieces.end(), [](const auto& a, const auto& b) { return a.own < b.own; });
  rewriter_->start(std::move(pieces), nullptr, [this](const result<void>& outcome) {
    if (outcome && !closing_ && !checkpointer_->running()) checkpoint([](const result<void>&) {});
    close_later();
  });
}

}  // namespace weir::storage
