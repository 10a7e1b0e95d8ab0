#include "storage/read_cursors.h"

#include <algorithm>
#include <utility>

namespace weir::storage {

// Whole entries of one extent, and perhaps the beginning of one more.
struct read_cursors::part {
  std::uint64_t file_id = 0;
  bool kept = false;                     // a WAL file: it may come back under its id with other entries,
  std::weak_ptr<platform::file> handle;  // but not while this one is open
  std::uint64_t begin = 0;               // of the bytes in the buffer; in the file, as all positions
  std::uint64_t first = 0;               // entry
  std::uint64_t end = 0;
  model::offset until{};     // the extent's end: no entry in it begins there or above
  place after;               // of what follows its last whole entry; of its first one until that is known
  bool after_known = false;  // never, when not one entry is whole
  std::shared_ptr<io_buffer> buffer;
  bool finished = false;
  bool failed = false;
  std::function<void(const part&)> waiter;

  [[nodiscard]] bool of(const std::shared_ptr<platform::file>& f, std::uint64_t id) const {
    return file_id == id && (!kept || handle.lock() == f);
  }
  // Whether an entry that begins there is in it, as far as is known.
  [[nodiscard]] bool has(std::uint64_t position) const {
    return finished ? !failed && position >= first && position < after.position : position == first;
  }
  void give(std::uint64_t position, const taker& done) const {
    done(failed ? nullptr : buffer, static_cast<std::size_t>(position - begin), static_cast<std::size_t>(end - begin));
  }
  void find_after();
};

// Nothing is verified here: where it leads astray, nobody comes for what is read there.
void read_cursors::part::find_after() {
  bytes rest =
      bytes(buffer->all()).subspan(static_cast<std::size_t>(first - begin), static_cast<std::size_t>(end - first));
  for (std::size_t size = entry_size_at(rest); size != 0 && size <= rest.size(); size = entry_size_at(rest)) {
    const entry_header h = load_entry_header(rest.data());
    if (h.base >= until) break;
    after.next = h.end();
    after.position += size;
    rest = rest.subspan(size);
  }
  after_known = after.position != first;
}

read_cursors::read_cursors(core& c, read_queue& queue)
    : core_(c), queue_(queue), alive_(std::make_shared<read_cursors*>(this)) {}

read_cursors::cursor_ptr read_cursors::resume(model::log_id log, model::offset next) {
  const auto found = by_log_.find(log.raw());
  if (found == by_log_.end()) return nullptr;
  auto& all = found->second;
  const auto at = std::find_if(all.begin(), all.end(), [&](const cursor_ptr& c) { return c->at.next == next; });
  if (at == all.end()) return nullptr;
  cursor_ptr c = std::move(*at);
  all.erase(at);
  --count_;
  return c;
}

void read_cursors::stop(cursor_ptr c, model::log_id log, const place& at, bool ahead) {
  if (c == nullptr) c = std::make_shared<cursor>();
  c->log = log;
  c->at = at;
  c->idle_ticks = 0;
  const auto used_up = [&](const std::shared_ptr<part>& p) {
    return p->finished && !(p->file_id == at.file_id && p->has(at.position));
  };
  while (!c->parts.empty() && used_up(c->parts.front())) c->parts.erase(c->parts.begin());
  if (count_ >= cursors_max) return;
  auto& all = by_log_[log.raw()];
  if (all.size() == cursors_per_log) {
    all.erase(all.begin());
    --count_;
  }
  all.push_back(c);
  ++count_;
  if (c->without > 0) --c->without;
  c->depth = ahead && c->without == 0 ? std::min(c->depth + 1, depth_limit_) : 0;
  extend(c);
}

void read_cursors::extend(const cursor_ptr& c) {
  std::uint64_t ahead = 0;
  for (const auto& p : c->parts) ahead += p->end - p->begin;
  while (ahead < std::uint64_t{c->depth} * part_bytes_max() && c->parts.size() < parts_max) {
    const auto p = next_part(*c);
    if (p == nullptr) return;
    ahead += p->end - p->begin;
  }
}

// Begins to read what follows the last part, if it is known where that is, worth it, and there is memory; else null.
std::shared_ptr<read_cursors::part> read_cursors::next_part(cursor& c) {
  const part* const last = c.parts.empty() ? nullptr : c.parts.back().get();
  if (last != nullptr && (last->failed || !last->after_known)) return nullptr;
  const place from = last == nullptr ? c.at : last->after;
  const log_state* const log = core_.logs.find(c.log);
  if (log == nullptr || (!log->tail.empty() && log->tail.front().base <= from.next)) return nullptr;
  const std::size_t i = log->extent_at(from.next);
  if (i == log->extents.size()) return nullptr;
  const extent& e = log->extents[i];
  const std::uint64_t extent_end = e.position + e.length;
  const bool kept = e.file->kind == data_file_kind::wal;  // each extent is one entry
  const bool inside = !kept && from.file_id == e.file->id && from.position >= e.position && from.position < extent_end;
  if (!inside && e.base < from.next) return nullptr;
  auto p = std::make_shared<part>();
  p->first = inside ? from.position : e.position;
  p->end = kept ? extent_end : std::min(extent_end, p->first + part_bytes_max());
  if (p->end - p->first > 2 * part_bytes_max()) return nullptr;
  p->begin = p->first - p->first % platform::disk_block_bytes;
  p->file_id = e.file->id;
  p->kept = kept;
  p->until = e.end;
  p->after_known = p->end == extent_end;
  p->after =
      p->after_known ? place{e.end, p->file_id, extent_end} : place{std::max(from.next, e.base), p->file_id, p->first};
  return start(c, *e.file, p) ? p : nullptr;
}

bool read_cursors::start(cursor& c, data_file& f, const std::shared_ptr<part>& p) {
  const auto size = static_cast<std::size_t>(round_up_page(p->end - p->begin));
  const io_pool& pool = *core_.io_memory;
  if (refused_ || pool.held() + pool.charge(size) > memory_max()) {
    short_ = true;
    return false;
  }
  const auto handle = core_.files.open(f);
  if (!handle) return false;
  p->handle = *handle;
  p->buffer = io_buffer::make(core_.io_memory, size);
  if (p->buffer == nullptr) return false;
  c.parts.push_back(p);
  queue_.read_ahead(
      *handle, p->begin, p->buffer->all(),
      [this, p, weak = c.weak_from_this(), alive = std::weak_ptr(alive_)](const result<std::size_t>& got) {
        if (!alive.expired()) arrived(p, weak.lock(), got && *got >= p->end - p->begin);
      });
  return true;
}

void read_cursors::arrived(const std::shared_ptr<part>& p, const cursor_ptr& reader, bool ok) {
  p->finished = true;
  p->failed = !ok;
  if (ok && !p->after_known) p->find_after();
  if (reader != nullptr && p->waiter) reader->parts.insert(reader->parts.begin(), p);
  // One that its reader had no use for says nothing of where the reader is.
  if (reader != nullptr && std::find(reader->parts.begin(), reader->parts.end(), p) != reader->parts.end()) {
    if (ok && !p->after_known) reader->without = answers_without;
    extend(reader);
  }
  if (p->waiter) std::exchange(p->waiter, nullptr)(*p);
}

bool read_cursors::take(const cursor_ptr& c, const std::shared_ptr<platform::file>& handle, std::uint64_t file_id,
                        std::uint64_t position, std::size_t least_bytes, taker done) {
  for (; !c->parts.empty(); c->parts.erase(c->parts.begin())) {
    const std::shared_ptr<part> p = c->parts.front();
    if (!p->of(handle, file_id) || !p->has(position) || position + least_bytes > p->end) continue;
    if (p->finished) {
      p->give(position, done);
      return true;
    }
    // Not in the list while somebody waits for it, who holds the cursor.
    c->parts.erase(c->parts.begin());
    p->waiter = [position, done = std::move(done)](const part& there) { there.give(position, done); };
    queue_.hurry(p->buffer->all().data());
    return true;
  }
  return false;
}

void read_cursors::age() {
  refused_ = false;
  const std::uint32_t patience = std::exchange(short_, false) ? parts_ticks_short : parts_ticks_max;
  const std::uint32_t places_for = count_ > cursors_max / 2 ? cursor_ticks_many : cursor_ticks_max;
  std::size_t reading = 0;
  for (auto at = by_log_.begin(); at != by_log_.end();) {
    auto& all = at->second;
    for (const cursor_ptr& c : all) {
      if (++c->idle_ticks > patience) {
        c->parts.clear();
        c->depth = 0;
      }
      reading += c->idle_ticks <= 1 && c->depth > 0 ? 1 : 0;
    }
    count_ -= std::erase_if(all, [&](const cursor_ptr& c) { return c->idle_ticks > places_for; });
    at = all.empty() ? by_log_.erase(at) : std::next(at);
  }
  // Nobody shall read far ahead while another finds no memory to do it at all. One part of each is on its way out.
  const std::uint64_t each = memory_max() / part_bytes_max() / std::max<std::size_t>(reading, 1);
  depth_limit_ = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(each, 2, depth_max + 1) - 1);
}

}  // namespace weir::storage
