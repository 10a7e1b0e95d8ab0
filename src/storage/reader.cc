#include "storage/reader.h"

#include <algorithm>
#include <optional>

#include "base/assert.h"
#include "storage/format/wal_block.h"

namespace weir::storage {

namespace {
constexpr std::size_t read_least_bytes = 64U << 10;
constexpr std::size_t entry_bytes_max = 1U << 30;  // far above record_bytes_max: only against damaged lengths
constexpr int extents_per_read = 64;               // a read over many small pieces ends early after so many

std::string place(const std::string& file, std::uint64_t position) {
  return file + " at byte " + std::to_string(position);
}
}  // namespace

// A read that needs the disk. Everything it needs across waits is copied: logs, extents and files may go meanwhile.
struct reader::disk_read {
  model::read_request request;
  model::read_done done;
  model::read_batch out;
  references refs;
  model::offset next{};  // nothing below it is wanted any more
  bool full = false;
  bool follow = false;
  read_cursors::cursor_ptr cursor;  // goes on where the last one ended
  read_cursors::place reached;      // behind what was taken last from a file
  int extents = 0;
  // The extent under way.
  std::shared_ptr<platform::file> handle;
  std::string file_name;
  std::uint64_t file_id = 0;
  bool whole_blocks = false;  // as a kept WAL file is read
  std::uint64_t position = 0;
  std::uint64_t end_position = 0;
  model::offset extent_end{};
  std::size_t least_bytes = 0;  // an entry that did not fit the last buffer needs so many
};

reader::reader(core& c)
    : core_(c), queue_(c.options.reads_in_flight_bytes), cursors_(c, queue_), alive_(std::make_shared<reader*>(this)) {}

void reader::read(const model::read_request& request, model::read_done done) { read(request, true, std::move(done)); }

void reader::read(const model::read_request& request, bool follow, model::read_done done) {
  log_state* log = core_.logs.find(request.log);
  if (log == nullptr) return done(fault(errc::not_found, "no such log"));
  if (request.from < log->start || request.from > log->end) {
    return done(fault(errc::out_of_range, "offset " + std::to_string(request.from.raw()) + " is outside of [" +
                                              std::to_string(log->start.raw()) + ", " + std::to_string(log->end.raw()) +
                                              "]"));
  }
  model::read_batch out;
  references refs;
  if (from_memory(*log, request, out, refs)) return resolve(std::move(out), std::move(refs), std::move(done));
  auto op = std::make_shared<disk_read>();
  op->request = request;
  if (core_.planted(planted_fault::read_limit_ignored)) op->request.below = log->end;
  op->done = std::move(done);
  op->next = request.from;
  op->follow = follow;
  if (follow) op->cursor = cursors_.resume(request.log, request.from);
  step(op);
}

// Whether memory answers the rest: it holds everything from the asked offset on. Adds to `out`.
bool reader::from_memory(const log_state& log, const model::read_request& request, model::read_batch& out,
                         references& refs) const {
  const model::offset below = core_.planted(planted_fault::read_limit_ignored) ? log.end : request.below;
  if (request.from >= log.end || request.from >= below) return true;
  if (log.tail.empty() || log.tail.front().base > request.from) return false;
  const std::size_t before = out.payload_bytes;
  const chunk* owner = nullptr;
  for (std::size_t i = log.tail.find(request.from); i < log.tail.size(); ++i) {
    const tail_entry& e = log.tail[i];
    if (e.base >= below) break;
    const entry_header h = load_entry_header(e.view().data());
    const bool fits = out.payload_bytes + h.payload_bytes <= request.bytes_max;
    if (!fits && (!out.entries.empty() || !request.at_least_one)) break;
    if (h.kind == entry_kind::hole) continue;
    const bytes payload = e.view().subspan(entry_header_bytes + h.extension_bytes());
    if (h.kind == entry_kind::body_reference) refs.push_back(out.entries.size());
    out.entries.push_back({h.base, h.count, h.format, h.max_timestamp_ms, h.leader_epoch, payload});
    out.payload_bytes += payload.size();
    if (owner != e.where) out.owners.push_back(e.where->shared_from_this());
    owner = e.where;
  }
  if (request.from < log.flushed_end) core_.cache_read_bytes += out.payload_bytes - before;
  return true;
}

void reader::complete(const disk_read_ptr& op) {
  if (op->extents > 0 && op->follow) {
    // Who takes so much at once goes on most likely.
    const bool goes_on = op->cursor != nullptr || op->out.payload_bytes >= core_.options.block_read_bytes;
    cursors_.stop(std::move(op->cursor), op->request.log, op->reached, op->full && goes_on);
  }
  resolve(std::move(op->out), std::move(op->refs), std::move(op->done));
}

// Puts the bodies in the place of references to them, the last one first.
void reader::resolve(model::read_batch out, references refs, model::read_done done) {
  if (refs.empty()) return done(std::move(out));
  const std::size_t at = refs.back();
  refs.pop_back();
  const auto place_of = parse_body_reference(out.entries[at].payload);
  if (!place_of) return done(place_of.error());
  const model::read_request request{place_of->log, place_of->at, place_of->at + 1, 0, true};
  auto rest = std::make_shared<model::read_batch>(std::move(out));
  read(request, false,
       [this, rest, refs = std::move(refs), done = std::move(done), at](result<model::read_batch> got) mutable {
         if (!got || got->entries.size() != 1) {
           return done(fault(errc::corrupt,
                             "the body that an entry refers to is gone" + (got ? "" : ": " + got.error().describe())));
         }
         const bytes body = got->entries.front().payload;
         rest->payload_bytes += body.size() - rest->entries[at].payload.size();
         rest->entries[at].payload = body;
         rest->owners.insert(rest->owners.end(), got->owners.begin(), got->owners.end());
         resolve(std::move(*rest), std::move(refs), std::move(done));
       });
}

// Goes on until the answer is complete or the disk is asked.
void reader::step(const disk_read_ptr& op) {
  for (;;) {
    log_state* log = core_.logs.find(op->request.log);
    if (log == nullptr) return op->done(fault(errc::not_found, "the log was removed"));
    if (op->next < log->start) {
      if (!op->out.entries.empty()) return complete(op);
      return op->done(fault(errc::out_of_range, "the log was trimmed past this offset"));
    }
    const bool limited = op->extents >= extents_per_read && !op->out.entries.empty();
    if (op->full || limited || op->next >= op->request.below || op->next >= log->end) return complete(op);
    model::read_request rest = op->request;
    rest.from = op->next;
    if (from_memory(*log, rest, op->out, op->refs)) return complete(op);
    const std::size_t i = log->extent_at(op->next);
    const bool memory_is_next =
        !log->tail.empty() && (i == log->extents.size() || log->tail.front().base <= log->extents[i].base);
    if (i == log->extents.size() || (memory_is_next && op->next < log->extents[i].base)) {
      // Nothing in files here: what was compacted away, then the tail.
      op->next = log->tail.empty() ? log->end : log->tail.front().base;
      continue;
    }
    op->next = std::max(op->next, log->extents[i].base);
    if (op->next >= op->request.below) continue;
    op->full = enough(*op);
    if (op->full) return complete(op);
    return read_extent(op, log->extents[i]);
  }
}

// Finds where in the extent to begin, and reads there.
void reader::read_extent(const disk_read_ptr& op, const extent& e) {
  data_file& f = *e.file;
  std::uint64_t position = e.position;
  // Each extent of a kept WAL file is one entry; and the file may have come back with another.
  const auto* const at = op->cursor == nullptr ? nullptr : &op->cursor->at;
  const bool resumes = f.kind != data_file_kind::wal && at != nullptr && at->next == op->next && at->file_id == f.id &&
                       at->position >= e.position && at->position < e.position + e.length;
  const bool large = e.length > 2ULL * core_.options.index_span_bytes && f.kind == data_file_kind::own;
  if (resumes) {
    position = at->position;
  } else if (op->next > e.base && large) {
    if (!indexed(f)) {
      return with_index(f, [this, op](const result<void>& outcome) {
        if (!outcome) return op->done(outcome.error());
        step(op);
      });
    }
    core_.files.index_used(f);
    const auto it = std::upper_bound(f.index.begin(), f.index.end(), op->next,
                                     [](model::offset o, const index_entry& x) { return o < x.base; });
    if (it != f.index.begin()) position = std::max(position, std::prev(it)->position);
  }
  auto handle = core_.files.open(f);
  if (!handle) return op->done(handle.error());
  op->handle = *handle;
  op->file_name = data_file_name(f.id, f.kind);
  op->file_id = f.id;
  op->whole_blocks = f.kind == data_file_kind::wal;
  op->position = position;
  op->end_position = e.position + e.length;
  op->extent_end = e.end;
  op->least_bytes = 0;
  ++op->extents;
  fetch(op);
}

void reader::fetch(const disk_read_ptr& op) {
  auto given = [this, alive = std::weak_ptr(alive_), op](const std::shared_ptr<io_buffer>& buffer, std::size_t begin,
                                                         std::size_t end) {
    if (alive.expired()) return;
    if (buffer == nullptr) return ask_disk(op);  // tells what is wrong
    fetched(op, buffer, bytes(buffer->all()).subspan(begin, end - begin));
  };
  const bool there = op->cursor != nullptr && cursors_.take(op->cursor, op->handle, op->file_id, op->position,
                                                            op->least_bytes, std::move(given));
  if (!there) ask_disk(op);
}

void reader::ask_disk(const disk_read_ptr& op) {
  const std::size_t missing = op->request.bytes_max - std::min(op->request.bytes_max, op->out.payload_bytes);
  const std::size_t most = std::max<std::size_t>(
      std::size_t{core_.options.read_ahead_bytes} + core_.options.index_span_bytes, read_least_bytes);
  std::size_t want = std::clamp<std::size_t>(missing + core_.options.index_span_bytes, read_least_bytes, most);
  want = std::max(want, op->least_bytes);
  want = static_cast<std::size_t>(std::min<std::uint64_t>(want, op->end_position - op->position));
  const bool blocks = op->whole_blocks || want >= core_.options.block_read_bytes;
  const auto lead = blocks ? static_cast<std::size_t>(op->position % platform::disk_block_bytes) : 0;
  auto buffer = io_buffer::make(core_.io_memory, blocks ? static_cast<std::size_t>(round_up_page(lead + want)) : want);
  if (buffer == nullptr) {
    cursors_.memory_is_short();
    if (!op->out.entries.empty()) return complete(op);
    if (op->cursor != nullptr) cursors_.stop(op->cursor, op->request.log, read_cursors::place(op->cursor->at), false);
    return op->done(fault(errc::busy, "too many reads from disk are under way or still held"));
  }
  queue_.read(
      op->handle, op->position - lead, buffer->all(),
      [this, alive = std::weak_ptr(alive_), op, buffer, lead, want](const result<std::size_t>& got) {
        if (alive.expired()) return;
        if (!got)
          return op->done(fault(got.error().code, place(op->file_name, op->position) + ": " + got.error().text));
        if (*got < lead + want)
          return op->done(fault(errc::corrupt, place(op->file_name, op->position) + ": the file ends early"));
        fetched(op, buffer, bytes(buffer->all()).subspan(lead, *got - lead));
      });
}

// The bytes from op->position on are there, and perhaps more than the extent had when this read came to it.
void reader::fetched(const disk_read_ptr& op, const std::shared_ptr<io_buffer>& buffer, bytes there) {
  const std::uint64_t left = op->end_position - op->position;
  auto more = take(*op, buffer, there.first(static_cast<std::size_t>(std::min<std::uint64_t>(there.size(), left))));
  if (!more) return op->done(more.error());
  if (*more && !enough(*op)) return fetch(op);
  op->full |= *more;
  step(op);
}

// Whether what is there goes now rather than after another wait for the rest.
bool reader::enough(const disk_read& op) {
  return !op.out.entries.empty() && op.out.payload_bytes >= op.request.bytes_max / 2;
}

// Whether the entry still belongs to the answer.
bool reader::wanted(const disk_read& op, const entry_header& h) {
  if (h.end() <= op.next) return true;
  if (h.base >= op.request.below) return false;
  if (op.out.entries.empty() && op.request.at_least_one) return true;
  return op.out.payload_bytes + h.payload_bytes <= op.request.bytes_max;
}

// Takes the entries in `rest`, a part of the buffer; true when the same extent must be read further.
result<bool> reader::take(disk_read& op, const std::shared_ptr<io_buffer>& buffer, bytes rest) {
  while (!rest.empty() && !op.full) {
    const std::size_t size = entry_size_at(rest);
    const std::uint64_t left = op.end_position - op.position;
    if (size > left || (size == 0 && left < entry_header_bytes)) {
      return fault(errc::corrupt, place(op.file_name, op.position) + ": an entry is longer than its extent");
    }
    if (size == 0 && rest.size() >= entry_header_bytes) {
      return fault(errc::corrupt, place(op.file_name, op.position) + ": an entry takes no offsets");
    }
    if (size == 0 || size > rest.size()) {
      // Cut by the end of the buffer: read again from here, at least so much, if it is wanted at all.
      op.least_bytes = std::max(size, entry_header_bytes);
      if (size > entry_bytes_max)
        return fault(errc::corrupt, place(op.file_name, op.position) + ": an entry is too long");
      if (size != 0) op.full = !wanted(op, load_entry_header(rest.data()));
      break;
    }
    auto more = take_entry(op, rest.first(size), buffer);
    if (!more) return more;
    if (!*more) break;
    op.position += size;
    rest = rest.subspan(size);
  }
  op.reached = {op.next, op.file_id, op.position};
  if (op.full) return false;
  if (op.position < op.end_position) return true;
  op.next = std::max(op.next, op.extent_end);
  return false;
}

// Takes one whole entry; false when the answer is complete before it.
result<bool> reader::take_entry(disk_read& op, bytes rest, const std::shared_ptr<io_buffer>& buffer) {
  auto e = parse_entry(rest, !core_.planted(planted_fault::read_unchecked));
  if (!e) return fault(e.error().code, place(op.file_name, op.position) + ": " + e.error().text);
  const entry_header& h = e->header;
  if (h.log != op.request.log || h.end() > op.extent_end) {
    return fault(errc::corrupt, place(op.file_name, op.position) + ": an entry of another log or place");
  }
  if (h.end() <= op.next) return true;  // before what was asked
  if (!wanted(op, h)) {
    op.full = true;
    return false;
  }
  op.next = h.end();
  if (h.kind == entry_kind::hole) return true;
  if (h.kind == entry_kind::body_reference) op.refs.push_back(op.out.entries.size());
  op.out.entries.push_back({h.base, h.count, h.format, h.max_timestamp_ms, h.leader_epoch, e->payload});
  op.out.payload_bytes += h.payload_bytes;
  if (op.out.owners.empty() || op.out.owners.back() != buffer) op.out.owners.push_back(buffer);
  return true;
}

}  // namespace weir::storage
