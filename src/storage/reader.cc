#include "storage/reader.h"

#include <algorithm>

#include "base/assert.h"

namespace weir::storage {

reader::reader(core& c)
    : core_(c), held_(std::make_shared<std::atomic<std::uint64_t>>(0)), alive_(std::make_shared<reader*>(this)) {}

void reader::read(const model::read_request& request, model::read_done done) {
  log_state* log = core_.logs.find(request.log);
  if (log == nullptr) return done(fault(errc::not_found, "no such log"));
  if (request.from < log->start || request.from > log->end) {
    return done(fault(errc::out_of_range, "offset " + std::to_string(request.from.raw()) + " is outside of [" +
                                              std::to_string(log->start.raw()) + ", " + std::to_string(log->end.raw()) + "]"));
  }
  model::read_batch out;
  if (from_memory(*log, request, out)) return done(std::move(out));
  done(fault(errc::unsupported, "reads from data files are not here yet"));
}

// Whether memory answers: it holds everything from the asked offset on.
bool reader::from_memory(log_state& log, const model::read_request& request, model::read_batch& out) const {
  const model::offset below = core_.planted(planted_fault::read_limit_ignored) ? log.end : request.below;
  if (request.from >= log.end || request.from >= below) return true;
  if (log.tail.empty() || log.tail.front().base > request.from) return false;
  const chunk* owner = nullptr;
  for (std::size_t i = log.tail.find(request.from); i < log.tail.size(); ++i) {
    const tail_entry& e = log.tail[i];
    if (e.base >= below) break;
    const entry_header h = load_entry_header(e.view().data());
    const bool fits = out.payload_bytes + h.payload_bytes <= request.bytes_max;
    if (!fits && (!out.entries.empty() || !request.at_least_one)) break;
    if (h.kind == entry_kind::hole) continue;
    const bytes payload = e.view().subspan(entry_header_bytes + h.extension_bytes());
    out.entries.push_back({h.base, h.count, h.format, h.max_timestamp_ms, h.leader_epoch, payload});
    out.payload_bytes += payload.size();
    if (owner != e.where) out.owners.push_back(e.where->shared_from_this());
    owner = e.where;
  }
  return true;
}

void reader::find_time(log_state&, std::int64_t, model::offset, model::find_done done) {
  done(fault(errc::unsupported, "search by time is not here yet"));
}
void reader::find_latest_time(log_state&, model::offset, model::find_done done) {
  done(fault(errc::unsupported, "search by time is not here yet"));
}

}  // namespace weir::storage
