#include "storage/flush.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace weir::storage {

namespace {
constexpr std::size_t copy_below = 4096;  // smaller entries are gathered by copying, larger ones are written in place
constexpr std::size_t parts_max = 512;
}  // namespace

void flush::add(log_state& log, model::offset from, model::offset to, std::uint64_t bytes_now) {
  const bool own = bytes_now >= core_.options.segment_flush_bytes;
  (own ? own_ : small_).push_back({log.slot, from, to});
}

result<std::optional<write_op>> flush::next() {
  while (ready_at_ == ready_.size()) {
    ready_.clear();
    ready_at_ = 0;
    auto more = fill();
    if (!more) return more.error();
    if (!*more && ready_.empty()) return std::optional<write_op>{};
  }
  return std::optional(std::move(ready_[ready_at_++]));
}

// Produces until at least one write is ready.
result<bool> flush::fill() {
  while (ready_.empty()) {
    const bool shared = own_at_ == own_.size();
    if (shared && small_at_ == small_.size()) {
      finish_shared_file();
      cut_op();
      return !ready_.empty();
    }
    item& it = shared ? small_[small_at_] : own_[own_at_];
    log_state* log = core_.logs.at_slot(it.slot);
    auto more = put_entry(it, *log, shared);
    if (!more) return more.error();
    if (*more) continue;
    (shared ? small_at_ : own_at_) += 1;
  }
  return true;
}

// Writes the item's next entry; false when the item is done.
result<bool> flush::put_entry(item& it, log_state& log, bool shared) {
  if (it.next >= it.to) return false;
  if (log.removed || log.tail.empty()) {
    skipped_ = true;
    return false;
  }
  const std::size_t i = log.tail.find(it.next);
  // Trimmed entries are gone from the tail; it then begins behind them.
  const tail_entry& e = log.tail[i];
  if (e.base != it.next && e.base > it.next) skipped_ = true;
  if (e.base >= it.to) return false;
  const entry_header h = load_entry_header(e.view().data());
  if (keep(log, e, h)) {
    it.next = h.end();
    return true;
  }
  if (auto ok = shared ? choose_shared_file(e.bytes) : choose_own_file(log, e.bytes); !ok) return ok.error();
  it.next = h.end();
  note(log, e, h);
  if (core_.planted(planted_fault::extent_short) && it.next >= it.to && e.base > log.start) return true;
  append_entry(e);
  return true;
}

// Whether the entry stays where the WAL wrote it.
bool flush::keep(log_state& log, const tail_entry& e, const entry_header& h) {
  if (!keep_large_ || e.bytes < core_.options.keep_entry_bytes) return false;
  const wal_placement* p = e.where->placement_of(e.position);
  if (p == nullptr) return false;
  data_file& f = core_.files.keep(p->file_number, core_.time.wall().raw());
  const std::uint64_t position = p->position + (e.position - p->begin);
  f.written = std::max(f.written, position + e.bytes);
  if (std::find(kept_.rbegin(), kept_.rend(), &f) == kept_.rend()) kept_.push_back(&f);
  kept_bytes_ += e.bytes;
  extents_.push_back({log.slot, {&f, position, e.bytes, e.base, h.end(), h.max_timestamp_ms}});
  return true;
}

// Records the entry in the extent, the index or the run that it belongs to; it goes to the file's `written` position.
void flush::note(log_state& log, const tail_entry& e, const entry_header& h) {
  const std::uint64_t position = file_->written;
  data_file& f = *file_;
  if (f.kind == data_file_kind::own && f.indexed == position) {
    if (f.index.empty() || position >= f.index.back().position + core_.options.index_span_bytes) {
      f.index.push_back({e.base, position, h.max_timestamp_ms});
    } else {
      f.index.back().max_timestamp_ms = std::max(f.index.back().max_timestamp_ms, h.max_timestamp_ms);
    }
    f.indexed = position + e.bytes;
  }
  made_extent* last = extents_.empty() ? nullptr : &extents_.back();
  const bool grows = last != nullptr && last->slot == log.slot && last->where.file == file_ &&
                     last->where.end == e.base && last->where.position + last->where.length == position;
  if (grows) {
    last->where.length += e.bytes;
    last->where.end = h.end();
    last->where.max_timestamp_ms = std::max(last->where.max_timestamp_ms, h.max_timestamp_ms);
  } else {
    extents_.push_back({log.slot, {file_, position, e.bytes, e.base, h.end(), h.max_timestamp_ms}});
  }
  if (f.kind == data_file_kind::shared) {
    const extent& x = extents_.back().where;
    if (!grows) runs_.push_back({});
    runs_.back() = {log.id, x.base, x.end, x.position, x.length, x.max_timestamp_ms};
  }
}

void flush::append_entry(const tail_entry& e) {
  file_->written += e.bytes;
  const bytes data = stage(e.view());
  if (data.size() < copy_below) {
    append_copy(data);
  } else {
    auto hold = e.where->shared_from_this();
    if (op_.holds.empty() || op_.holds.back() != hold) op_.holds.push_back(std::move(hold));
    op_.parts.push_back(data);
    op_.size += data.size();
  }
  if (op_.size >= core_.options.data_write_bytes || op_.parts.size() >= parts_max) cut_op();
}

// Gathers bytes of headers, footers and small entries in one buffer per write.
void flush::append_copy(bytes data) {
  data = stage(data);
  if (op_.copied != nullptr && op_.copied->size() + data.size() > op_.copied->capacity()) cut_op();
  if (op_.copied == nullptr) {
    op_.copied = std::make_shared<byte_vector>();
    op_.copied->reserve(std::max<std::size_t>(core_.options.data_write_bytes, data.size()));
  }
  const std::byte* at = op_.copied->data() + op_.copied->size();
  op_.copied->insert(op_.copied->end(), data.begin(), data.end());
  op_.size += data.size();
  if (!op_.parts.empty() && op_.parts.back().data() + op_.parts.back().size() == at) {
    op_.parts.back() = bytes(op_.parts.back().data(), op_.parts.back().size() + data.size());
  } else {
    op_.parts.emplace_back(at, data.size());
  }
}

// Copies into the staging memory of the write that is being gathered; returns what found no room there, to be written
// in the other way.
bytes flush::stage(bytes data) {
  while (!data.empty() && (op_.staged != nullptr || begin_stage())) {
    const mutable_bytes room =
        op_.staged->all().first(write_bytes_).subspan(write_at_ % platform::disk_block_bytes + op_.size);
    const std::size_t n = std::min(room.size(), data.size());
    std::memcpy(room.data(), data.data(), n);
    op_.size += n;
    data = data.subspan(n);
    if (n == room.size()) cut_op();
  }
  return data;
}

bool flush::begin_stage() {
  if (op_.size > 0 || !core_.disk.direct() || file_->kind != data_file_kind::own) return false;
  io_pool& pool = *core_.io_memory;
  if (pool.held() + pool.charge(core_.options.data_write_bytes) > core_.options.read_bytes_max / 2) return false;
  op_.staged = io_buffer::make(core_.io_memory, core_.options.data_write_bytes);
  return op_.staged != nullptr;
}

// Ends the write that is being gathered; the next one goes on behind it.
void flush::cut_op() {
  if (op_.size == 0) return;
  op_.handle = handle_;
  op_.position = write_at_;
  write_at_ += op_.size;
  if (op_.staged != nullptr) {
    cut_staged(std::move(op_));
  } else {
    ready_.push_back(std::move(op_));
  }
  op_ = {};
}

// Whole blocks apart from the partial ones at both ends.
void flush::cut_staged(write_op op) {
  const std::uint64_t end = op.position + op.size;
  const std::uint64_t blocks_from = round_up_page(op.position);
  const std::uint64_t blocks_to = std::max(blocks_from, end - end % platform::disk_block_bytes);
  const std::uint64_t memory_at = op.position - op.position % platform::disk_block_bytes;
  for (std::uint64_t from = op.position; from < end;) {
    const std::uint64_t to = from < blocks_from ? std::min(blocks_from, end) : from < blocks_to ? blocks_to : end;
    const auto size = static_cast<std::size_t>(to - from);
    const bytes part = bytes(op.staged->all()).subspan(static_cast<std::size_t>(from - memory_at), size);
    ready_.push_back({op.handle, from, {part}, size, nullptr, op.staged, {}});
    from = to;
  }
}

result<void> flush::switch_to(data_file& f, bool create) {
  if (file_ == &f) return {};
  cut_op();
  auto handle = core_.files.open(f, create);
  if (!handle) return handle.error();
  file_ = &f;
  handle_ = *handle;
  write_at_ = f.written;
  touched_.push_back({&f, handle_, create, core_.lost_names});
  if (create) {
    data_file_header h{f.kind, core_.store_id, f.id, f.log, f.created_ms};
    append_copy(encode_data_header(h));
    f.written = f.indexed = data_header_bytes;
  }
  return {};
}

result<void> flush::choose_own_file(log_state& log, std::size_t entry_bytes) {
  const model::log_policy& rules = log.rules();
  data_file* f = log.active;
  if (f != nullptr && f->written > data_header_bytes) {
    const bool full = f->written + entry_bytes > rules.segment_bytes;
    const bool old = core_.time.wall().raw() - f->created_ms >= rules.segment_ms;
    if (full || (old && file_ != f)) {
      if (auto ok = switch_to(*f, false); !ok) return ok;
      seal_own_file(*f);
      f = nullptr;
    }
  }
  if (f != nullptr) return switch_to(*f, false);
  data_file& fresh = core_.files.create(data_file_kind::own, log.id, core_.time.wall().raw());
  if (auto ok = switch_to(fresh, true); !ok) {
    core_.retire_if_unused(fresh);
    return ok;
  }
  log.active = &fresh;
  return {};
}

void flush::seal_own_file(data_file& f) {
  f.sealed = true;
  if (f.indexed == f.written) append_copy(encode_index_footer(f.index, f.written));
  cut_op();
}

result<void> flush::choose_shared_file(std::size_t entry_bytes) {
  if (shared_ != nullptr && shared_->written > data_header_bytes &&
      shared_->written + entry_bytes > core_.options.small_file_bytes_max) {
    finish_shared_file();
  }
  if (shared_ != nullptr) return {};
  data_file& fresh = core_.files.create(data_file_kind::shared, model::log_id{}, core_.time.wall().raw());
  if (auto ok = switch_to(fresh, true); !ok) {
    core_.retire_if_unused(fresh);
    return ok;
  }
  shared_ = &fresh;
  return {};
}

void flush::finish_shared_file() {
  if (shared_ == nullptr) return;
  shared_->sealed = true;
  append_copy(encode_shared_footer(runs_, shared_->written));
  cut_op();
  runs_.clear();
  shared_ = nullptr;
}

}  // namespace weir::storage
