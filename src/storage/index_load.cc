// How a data file's sparse index comes into memory: from its footer when it is sealed, else by reading the file once.
// Part of reader.h.
#include <algorithm>

#include "storage/reader.h"

namespace weir::storage {

// One index under way; several reads may wait for it.
struct reader::index_scan {
  std::uint64_t file_id = 0;
  std::string file_name;
  std::shared_ptr<platform::file> handle;
  std::uint64_t position = 0;
  std::uint64_t end = 0;
  bool footer = false;
  index_builder built{0};
  std::size_t least_bytes = 0;
};

void reader::with_index(data_file& f, step_done done) {
  auto& waiters = index_waiters_[f.id];
  waiters.push_back(std::move(done));
  if (waiters.size() > 1) return;
  auto op = std::make_shared<index_scan>();
  op->file_id = f.id;
  op->file_name = data_file_name(f.id, f.kind);
  op->position = data_header_bytes;
  op->end = f.length;
  op->built = index_builder(core_.options.index_span_bytes);
  auto handle = core_.files.open(f);
  if (!handle) {
    core_.exec.defer([this, alive = std::weak_ptr(alive_), op, why = handle.error()] {
      if (!alive.expired()) index_done(op, why);
    });
    return;
  }
  op->handle = *handle;
  op->footer = f.sealed && op->handle->size() > f.length + data_trailer_bytes;
  if (op->footer) {
    load_footer(op);
  } else {
    scan(op);
  }
}

// A footer that cannot be used costs a scan, no data.
void reader::load_footer(const scan_ptr& op) {
  const auto length = static_cast<std::size_t>(op->handle->size() - op->end);
  auto buffer = io_buffer::make(core_.io_memory, length);
  if (buffer == nullptr) {
    cursors_.memory_is_short();
    return index_done(op, fault(errc::busy, "too many reads from disk are under way"));
  }
  queue_.read(op->handle, op->end, buffer->all(),
              [this, alive = std::weak_ptr(alive_), op, buffer](const result<std::size_t>& got) {
                if (alive.expired()) return;
                const bytes all = buffer->all();
                if (!got || *got != all.size()) return scan(op);
                const auto trailer = decode_data_trailer(all.last(data_trailer_bytes));
                if (!trailer || trailer->footer_position != op->end) return scan(op);
                auto index = decode_index_footer(all.first(all.size() - data_trailer_bytes), *trailer);
                if (!index || index->empty()) return scan(op);
                if (data_file* f = core_.files.find(op->file_id); f != nullptr) {
                  f->index = std::move(*index);
                  f->indexed = op->end;
                }
                index_done(op, {});
              });
}

void reader::scan(const scan_ptr& op) {
  if (op->position >= op->end) {
    data_file* f = core_.files.find(op->file_id);
    if (f != nullptr && f->indexed < op->end) {
      f->index = op->built.take();
      f->indexed = op->end;
    }
    return index_done(op, {});
  }
  const std::uint64_t left = op->end - op->position;
  const auto want = static_cast<std::size_t>(
      std::min<std::uint64_t>(left, std::max<std::size_t>(core_.options.read_ahead_bytes, op->least_bytes)));
  auto buffer = io_buffer::make(core_.io_memory, want);
  if (buffer == nullptr) {
    cursors_.memory_is_short();
    return index_done(op, fault(errc::busy, "too many reads from disk are under way"));
  }
  queue_.read(
      op->handle, op->position, buffer->all(),
      [this, alive = std::weak_ptr(alive_), op, buffer](const result<std::size_t>& got) {
        if (alive.expired()) return;
        const std::string where = op->file_name + " at byte " + std::to_string(op->position);
        if (!got) return index_done(op, fault(got.error().code, where + ": " + got.error().text));
        bytes rest = buffer->all();
        if (*got != rest.size()) return index_done(op, fault(errc::corrupt, where + ": the file ends early"));
        const std::uint64_t before = op->position;
        for (std::size_t size = entry_size_at(rest); size != 0 && size <= rest.size(); size = entry_size_at(rest)) {
          auto e = parse_entry(rest);
          if (!e)
            return index_done(op, fault(e.error().code, op->file_name + " at byte " + std::to_string(op->position) +
                                                            ": " + e.error().text));
          op->built.add(e->header.base, op->position, e->header.max_timestamp_ms);
          op->position += size;
          rest = rest.subspan(size);
        }
        op->least_bytes = entry_size_at(rest);
        const bool stuck = op->position == before && (op->least_bytes == 0 || op->least_bytes <= rest.size());
        if (stuck || op->position + op->least_bytes > op->end)
          return index_done(op, fault(errc::corrupt, where + ": not an entry"));
        scan(op);
      });
}

void reader::index_done(const scan_ptr& op, const result<void>& outcome) {
  const auto it = index_waiters_.find(op->file_id);
  if (it == index_waiters_.end()) return;
  const std::vector<step_done> waiters = std::move(it->second);
  index_waiters_.erase(it);
  for (const step_done& w : waiters) w(outcome);
}

}  // namespace weir::storage
