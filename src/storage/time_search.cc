// Search by time: extents and index spans tell where an entry can be, entries decide. Part of reader.h.
#include <algorithm>

#include "storage/reader.h"

namespace weir::storage {

struct reader::time_search {
  model::log_id log{};
  std::int64_t from_ms = 0;
  model::offset below{};
  model::offset next{};
  model::find_done done;
  // For the largest timestamp: look at every entry of these pieces first.
  bool largest = false;
  std::int64_t largest_ms = INT64_MIN;
  std::vector<std::pair<model::offset, model::offset>> pieces;
};

namespace {

// The batch with only its i-th entry.
model::read_batch only(model::read_batch all, std::size_t i) {
  model::read_batch out;
  out.entries.push_back(all.entries[i]);
  out.owners = std::move(all.owners);
  out.payload_bytes = out.entries.front().payload.size();
  return out;
}

constexpr std::size_t search_bytes = 256U << 10;

}  // namespace

void reader::find_time(model::log_id id, std::int64_t from_ms, model::offset below, model::find_done done) {
  auto op = std::make_shared<time_search>();
  op->log = id;
  op->from_ms = from_ms;
  op->below = below;
  op->done = std::move(done);
  search(op);
}

void reader::search(const search_ptr& op) {
  for (;;) {
    log_state* log = core_.logs.find(op->log);
    if (log == nullptr) return op->done(fault(errc::not_found, "no such log"));
    op->next = std::max(op->next, log->start);
    // At the start, `below` may lie inside of the entry that the start cuts: it is looked at all the same.
    const bool past = op->next >= op->below && op->next > log->start;
    if (past || op->next >= log->end) return op->done(std::optional<model::read_batch>{});
    if (!log->tail.empty() && log->tail.front().base <= op->next) {
      if (search_memory(op, *log)) return;
      continue;
    }
    const std::size_t i = log->extent_at(op->next);
    if (i == log->extents.size()) {
      op->next = log->tail.empty() ? log->end : log->tail.front().base;
      continue;
    }
    const extent& e = log->extents[i];
    if (e.max_timestamp_ms < op->from_ms) {
      op->next = e.end;
      continue;
    }
    op->next = std::max(op->next, e.base);
    return search_extent(op, *log, e);
  }
}

// The tail from op->next on; true when that ended the search.
bool reader::search_memory(const search_ptr& op, log_state& log) {
  for (std::size_t i = log.tail.find(op->next); i < log.tail.size(); ++i) {
    const tail_entry& e = log.tail[i];
    if (e.base >= op->below) break;
    const entry_header h = load_entry_header(e.view().data());
    if (h.max_timestamp_ms < op->from_ms || h.kind == entry_kind::hole) continue;
    model::read_batch found;
    references refs;
    (void)from_memory(log, {op->log, e.base, e.base + 1, h.payload_bytes, true}, found, refs);
    resolve(std::move(found), std::move(refs), [op](result<model::read_batch> got) {
      if (!got) return op->done(got.error());
      op->done(std::optional(std::move(*got)));
    });
    return true;
  }
  op->next = log.end;
  return false;
}

void reader::search_extent(const search_ptr& op, log_state& log, const extent& e) {
  data_file& f = *e.file;
  if (e.length > 2ULL * core_.options.index_span_bytes && f.kind == data_file_kind::own) {
    if (!indexed(f)) {
      return with_index(f, [this, op](const result<void>& outcome) {
        if (!outcome) return op->done(outcome.error());
        search(op);
      });
    }
    core_.files.index_used(f);
    auto span = std::upper_bound(f.index.begin(), f.index.end(), op->next,
                                 [](model::offset o, const index_entry& x) { return o < x.base; });
    if (span != f.index.begin()) --span;
    while (span != f.index.end() && span->max_timestamp_ms < op->from_ms) ++span;
    if (span == f.index.end() || span->base >= e.end) {
      op->next = e.end;
      return search(op);
    }
    op->next = std::max(op->next, span->base);
  }
  const model::offset below = std::max(std::min(op->below, e.end), op->next + 1);
  read({log.id, op->next, below, search_bytes, true}, false, [this, op, below](result<model::read_batch> got) {
    if (!got) return op->done(got.error());
    for (std::size_t i = 0; i < got->entries.size(); ++i) {
      if (got->entries[i].base >= op->below) break;
      if (got->entries[i].max_timestamp_ms >= op->from_ms) return op->done(std::optional(only(std::move(*got), i)));
    }
    op->next =
        got->entries.empty() ? below : std::max(op->next + 1, got->entries.back().base + got->entries.back().count);
    search(op);
  });
}

// The largest timestamp is known for whole extents; what is cut by the start or by `below`, and the tail, is looked
// through. Then the first entry with it is searched.
void reader::find_latest_time(model::log_id id, model::offset below, model::find_done done) {
  log_state* log = core_.logs.find(id);
  if (log == nullptr) return done(fault(errc::not_found, "no such log"));
  auto op = std::make_shared<time_search>();
  op->log = id;
  op->below = std::min(below, log->end);
  op->done = std::move(done);
  for (const extent& e : log->extents) {
    if (e.base >= op->below) break;
    if (e.base >= log->start && e.end <= op->below) {
      op->largest_ms = std::max(op->largest_ms, e.max_timestamp_ms);
    } else {
      op->pieces.emplace_back(std::max(e.base, log->start), std::min(e.end, op->below));
    }
  }
  const model::offset in_files = log->extents.empty() ? log->start : log->extents.back().end;
  for (std::size_t i = log->tail.empty() ? 0 : log->tail.find(in_files); i < log->tail.size(); ++i) {
    const tail_entry& e = log->tail[i];
    if (e.base < in_files) continue;
    if (e.base >= op->below) break;
    op->largest_ms = std::max(op->largest_ms, load_entry_header(e.view().data()).max_timestamp_ms);
  }
  largest_of(op);
}

void reader::largest_of(const search_ptr& op) {
  while (!op->pieces.empty() && op->pieces.back().first >= op->pieces.back().second) op->pieces.pop_back();
  if (op->pieces.empty()) {
    if (op->largest_ms == INT64_MIN) return op->done(std::optional<model::read_batch>{});
    op->from_ms = op->largest_ms;
    return search(op);
  }
  const auto [from, to] = op->pieces.back();
  read({op->log, from, to, search_bytes, true}, [this, op](const result<model::read_batch>& got) {
    if (!got) return op->done(got.error());
    for (const model::read_entry& e : got->entries) op->largest_ms = std::max(op->largest_ms, e.max_timestamp_ms);
    auto& piece = op->pieces.back();
    piece.first = got->entries.empty() ? piece.second : got->entries.back().base + got->entries.back().count;
    largest_of(op);
  });
}

}  // namespace weir::storage
