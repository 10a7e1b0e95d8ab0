#include "storage/rewrite.h"

#include <algorithm>

#include "base/assert.h"

namespace weir::storage {

namespace {
constexpr std::size_t read_bytes = 256U << 10;
constexpr std::size_t write_bytes = 1U << 20;
}  // namespace

struct rewriter::pending_write {
  std::shared_ptr<platform::file> handle;
  std::uint64_t position = 0;
  std::shared_ptr<byte_vector> data;
};

struct rewriter::job {
  std::vector<piece> pieces;
  entry_filter filter;
  job_done done;
  std::size_t at = 0;    // the piece under way
  model::offset next{};  // in it
  bool begun = false;
  replacement current;  // what the piece becomes
  rewritten out;
  std::vector<pending_write> pending;  // whole buffers, not yet written
  // The file under way.
  data_file* file = nullptr;
  std::shared_ptr<platform::file> handle;
  std::vector<shared_run> runs;
  std::uint64_t write_at = 0;
  byte_vector buffer;
};

rewriter::rewriter(core& c, reader& r) : core_(c), reader_(r), alive_(std::make_shared<rewriter*>(this)) {}

rewriter::~rewriter() = default;

void rewriter::start(std::vector<piece> pieces, entry_filter filter, job_done done) {
  WEIR_ASSERT(job_ == nullptr);
  job_ = std::make_unique<job>();
  job_->pieces = std::move(pieces);
  job_->filter = std::move(filter);
  job_->done = std::move(done);
  step();
}

void rewriter::step() {
  job& j = *job_;
  for (;;) {
    if (stopping_) return finish(fault(errc::closed, "the store is closing"));
    if (j.buffer.size() >= write_bytes) return write_out(false);
    if (j.at == j.pieces.size()) {
      end_file();
      return write_out(true);
    }
    const piece& p = j.pieces[j.at];
    const log_state* log = core_.logs.find(p.log);
    if (!j.begun) {
      j.begun = true;
      j.next = p.from;
      j.current = {p.log, p.from, p.to, {}, static_cast<bool>(j.filter), {}};
    }
    if (log != nullptr) j.next = std::max(j.next, log->start);
    if (log == nullptr || j.next >= p.to) {
      if (log != nullptr) end_piece();
      ++j.at;
      j.begun = false;
      continue;
    }
    return reader_.read({p.log, j.next, p.to, read_bytes, true},
                        [this, alive = std::weak_ptr(alive_)](const result<model::read_batch>& got) {
                          if (alive.expired()) return;
                          core_.exec.defer([this, alive, got] {
                            if (alive.expired()) return;
                            const errc code = got ? errc::ok : got.error().code;
                            // Trimmed or removed meanwhile: step looks again. Too much memory in use: later.
                            if (code == errc::out_of_range || code == errc::not_found) return step();
                            if (!got) return finish(got.error());
                            take(*got);
                          });
                        });
  }
}

void rewriter::take(const model::read_batch& batch) {
  job& j = *job_;
  const piece& p = j.pieces[j.at];
  if (batch.entries.empty()) j.next = p.to;
  for (const model::read_entry& e : batch.entries) {
    j.next = std::max(j.next, e.base + static_cast<std::int64_t>(e.count));
    std::optional<kept> what = kept{e.payload, e.max_timestamp_ms};
    if (j.filter) {
      auto filtered = j.filter(e);
      if (!filtered) return finish(filtered.error());
      what = *filtered;
    }
    if (!what) continue;
    if (auto ok = put(e, *what); !ok) return finish(ok.error());
  }
  step();
}

result<void> rewriter::put(const model::read_entry& e, const kept& what) {
  job& j = *job_;
  const log_state* log = core_.logs.find(j.pieces[j.at].log);
  if (log == nullptr) return {};
  entry_header h;
  h.payload_bytes = static_cast<std::uint32_t>(what.payload.size());
  h.log = log->id;
  h.base = e.base;
  h.count = e.count;
  h.format = e.format;
  h.max_timestamp_ms = what.max_timestamp_ms;
  h.leader_epoch = e.leader_epoch;
  const std::size_t total = h.total_bytes();
  if (auto ok = choose_file(*log, total); !ok) return ok;
  data_file& f = *j.file;
  const std::size_t at = j.buffer.size();
  j.buffer.resize(at + total);
  put_entry_header(j.buffer.data() + at, h);
  std::copy(what.payload.begin(), what.payload.end(), j.buffer.data() + at + entry_header_bytes);
  seal_entry(mutable_bytes(j.buffer).subspan(at, total));
  auto& extents = j.current.extents;
  if (extents.empty() || extents.back().file != &f) {
    extents.push_back({&f, f.written, 0, e.base, h.end(), -1});
    if (f.kind == data_file_kind::shared) j.runs.push_back({log->id, e.base, h.end(), f.written, 0, -1});
  }
  extent& x = extents.back();
  x.length += total;
  x.end = h.end();
  x.max_timestamp_ms = std::max(x.max_timestamp_ms, h.max_timestamp_ms);
  if (f.kind == data_file_kind::shared)
    j.runs.back() = {log->id, x.base, x.end, x.position, x.length, x.max_timestamp_ms};
  if (f.kind == data_file_kind::own) {
    if (f.index.empty() || f.written >= f.index.back().position + core_.options.index_span_bytes) {
      f.index.push_back({e.base, f.written, h.max_timestamp_ms});
    } else {
      f.index.back().max_timestamp_ms = std::max(f.index.back().max_timestamp_ms, h.max_timestamp_ms);
    }
  }
  f.written += total;
  f.indexed = f.written;
  return {};
}

// Goes on in the file under way when it fits, else begins a new one.
result<void> rewriter::choose_file(const log_state& log, std::size_t entry_bytes) {
  job& j = *job_;
  const bool own = j.pieces[j.at].own;
  if (j.file != nullptr) {
    const std::uint64_t most = own ? log.rules().segment_bytes : core_.options.small_file_bytes_max;
    const bool full = j.file->written > data_header_bytes && j.file->written + entry_bytes > most;
    const bool same =
        own ? j.file->kind == data_file_kind::own && j.file->log == log.id : j.file->kind == data_file_kind::shared;
    if (same && !full) return {};
    end_file();
  }
  data_file& f = core_.files.create(own ? data_file_kind::own : data_file_kind::shared, own ? log.id : model::log_id{},
                                    core_.time.wall().raw());
  f.sealed = true;
  auto handle = core_.files.open(f, true);
  if (!handle) {
    core_.retire_if_unused(f);
    return handle.error();
  }
  j.file = &f;
  j.handle = *handle;
  j.write_at = 0;
  j.out.files.push_back({&f, *handle, true, core_.lost_names});
  j.buffer = encode_data_header({f.kind, core_.store_id, f.id, f.log, f.created_ms});
  f.written = f.indexed = data_header_bytes;
  return {};
}

// Footer and trailer; the file's last bytes go to the queue of whole buffers.
void rewriter::end_file() {
  job& j = *job_;
  if (j.file == nullptr) return;
  const byte_vector footer = j.file->kind == data_file_kind::own ? encode_index_footer(j.file->index, j.file->written)
                                                                 : encode_shared_footer(j.runs, j.file->written);
  j.buffer.insert(j.buffer.end(), footer.begin(), footer.end());
  j.runs.clear();
  j.pending.push_back({j.handle, j.write_at, std::make_shared<byte_vector>(std::move(j.buffer))});
  j.buffer = {};
  j.file = nullptr;
  j.handle.reset();
}

void rewriter::end_piece() {
  job& j = *job_;
  // The extents together cover what the old ones did, so that a reader's position never falls between two of them.
  if (!j.current.extents.empty()) j.current.extents.back().end = std::max(j.current.extents.back().end, j.next);
  j.out.replacements.push_back(std::move(j.current));
  j.current = {};
}

// Writes what is complete, one buffer at a time, then goes on.
void rewriter::write_out(bool last) {
  job& j = *job_;
  if (j.pending.empty() && j.buffer.size() >= write_bytes) {
    j.pending.push_back({j.handle, j.write_at, std::make_shared<byte_vector>(std::move(j.buffer))});
    j.write_at += j.pending.back().data->size();
    j.buffer = {};
  }
  if (j.pending.empty()) return last ? finish({}) : step();
  const auto w = j.pending.front();
  j.pending.erase(j.pending.begin());
  w.handle->write(w.position, {bytes(*w.data)},
                  [this, alive = std::weak_ptr(alive_), w, last](const result<std::size_t>& moved) {
                    if (alive.expired()) return;
                    if (!moved || *moved != w.data->size())
                      return finish(moved ? fault(errc::io, "short write of a data file") : moved.error());
                    write_out(last);
                  });
}

void rewriter::finish(const result<void>& outcome) {
  const std::unique_ptr<job> j = std::move(job_);
  if (outcome) {
    for (auto& r : j->out.replacements) core_.replaced.replacements.push_back(std::move(r));
    for (auto& f : j->out.files) core_.replaced.files.push_back(std::move(f));
  } else {
    for (const auto& f : j->out.files) core_.discard(*f.file);
  }
  j->done(outcome);
}

}  // namespace weir::storage
