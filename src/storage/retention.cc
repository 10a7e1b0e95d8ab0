// Retention by time and size: whole extents go, by logged trims. Part of engine.h.
#include <algorithm>

#include "base/assert.h"
#include "storage/engine.h"

namespace weir::storage {

void engine::clean_now(model::log_id id, std::function<void(result<void>)> done) {
  log_state* log = core_.logs.find(id);
  result<void> outcome;
  if (log == nullptr) {
    outcome = fault(errc::not_found, "no such log");
  } else if (wal_->fenced() || closing_) {
    outcome = fault(errc::closed, "the store is fenced or closing");
  } else {
    outcome = clean_log(*log);
  }
  core_.exec.defer([done = std::move(done), outcome] { done(outcome); });
}

void engine::clean_all() {
  if (wal_->fenced() || closing_) return;
  std::vector<model::log_id> ids = logs();
  for (const model::log_id id : ids) {
    if (!writable(write_class::essential)) return;
    if (log_state* log = core_.logs.find(id)) (void)clean_log(*log);
  }
}

result<void> engine::clean_log(log_state& log) {
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

}  // namespace weir::storage
