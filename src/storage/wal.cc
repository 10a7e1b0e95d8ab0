#include "storage/wal.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "storage/format/record.h"
#include "storage/format/wal_block.h"
#include "storage/memory.h"

namespace weir::storage {

wal::wal(executor& exec, wal_files& files, const store_options& options, start from, events up)
    : exec_(exec),
      files_(files),
      options_(options),
      from_(from),
      up_(std::move(up)),
      next_seq_(from.next_seq),
      durable_seq_(from.next_seq - 1),
      durable_place_(from.durable_place),
      alive_(std::make_shared<wal*>(this)) {
  files_.on_ready = [this] { pump(); };
}

wal::place wal::reserve(std::size_t record_bytes) {
  const bool full = open_.memory != nullptr &&
                    (open_.end + record_bytes > open_.memory->capacity ||
                     (open_.records > 0 && open_.end - open_.begin + record_bytes > options_.wal_write_bytes_max));
  if (full && open_.records > 0) close_block();
  if (open_.memory == nullptr || open_.end + record_bytes > open_.memory->capacity) open_block(record_bytes);
  return {open_.memory->data + open_.end, open_.memory.get(), static_cast<std::uint32_t>(open_.end)};
}

// Begins a block in a new chunk.
void wal::open_block(std::size_t record_bytes) {
  WEIR_ASSERT(open_.records == 0);
  open_ = {};
  open_.memory = up_.new_chunk(wal_block_header_bytes + record_bytes);
  open_.end = wal_block_header_bytes;
}

void wal::commit(std::size_t record_bytes, std::uint32_t record_crc, model::ticket t) {
  open_.end += record_bytes;
  ++open_.records;
  open_.crcs = chain_crc(record_crc, open_.crcs);
  open_.last = t;
  open_.memory->used = open_.end;
  if (pump_deferred_ || fenced_) return;
  pump_deferred_ = true;
  exec_.defer([this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    pump_deferred_ = false;
    pump();
  });
}

// Moves the open block to the queue and begins the next one behind it, when a little room is left.
void wal::close_block() {
  auto b = std::make_shared<block>(std::move(open_));
  open_ = {};
  b->seq = next_seq_++;
  const std::size_t padded = static_cast<std::size_t>(round_up_page(b->end - b->begin));
  std::fill(b->memory->data + b->end, b->memory->data + b->begin + padded, std::byte{0});
  b->memory->used = b->begin + padded;
  if (b->memory->used + wal_page_bytes <= b->memory->capacity) {
    open_.memory = b->memory;
    open_.begin = b->memory->used;
    open_.end = open_.begin + wal_block_header_bytes;
  }
  closed_.push_back(std::move(b));
}

void wal::leave_chunk() {
  if (open_.records > 0) close_block();
  open_ = {};
  pump();
}

void wal::pump() {
  while (!fenced_ && writing_.size() < options_.wal_writes_in_flight) {
    if (closed_.empty()) {
      if (open_.records == 0) return;
      close_block();
    }
    starved_ = !submit(closed_.front());
    if (starved_) break;
    closed_.pop_front();
  }
  if (starved()) up_.on_starved();
}

void wal::finish_header(const block& b, const wal_file& f) {
  wal_block_header h;
  h.incarnation = from_.incarnation;
  h.seq = b.seq;
  h.durable_seq = durable_seq_;
  h.file_seq = f.file_seq;
  h.length = static_cast<std::uint32_t>(b.end - b.begin);
  h.records = b.records;
  put_wal_block_header(b.memory->data + b.begin, h, b.crcs);
}

bool wal::submit(const block_ptr& b) {
  const std::size_t length = static_cast<std::size_t>(round_up_page(b->end - b->begin));
  wal_file* f = files_.current();
  std::shared_ptr<std::byte> header;
  if (f == nullptr || file_position_ + length > f->capacity) {
    f = files_.next(wal_page_bytes + length, b->seq);
    if (f == nullptr) return false;
    file_position_ = wal_page_bytes;
    header = page_memory(wal_page_bytes);
    put_wal_file_header(header.get(),
                        {from_.store_id, from_.incarnation, f->file_seq, b->seq, durable_seq_, f->capacity});
  }
  finish_header(*b, *f);
  std::vector<bytes> parts;
  if (header != nullptr) parts.emplace_back(header.get(), wal_page_bytes);
  parts.emplace_back(b->memory->data + b->begin, length);
  const std::uint64_t position = header != nullptr ? 0 : file_position_;
  const std::size_t expected = length + (header != nullptr ? wal_page_bytes : 0);
  file_position_ += length;
  const std::uint64_t block_position = header != nullptr ? wal_page_bytes : position;
  b->memory->placed.push_back({b->begin, b->end, f->number, block_position});
  in_flight_.push_back(b);
  writing_.push_back(b->seq);
  auto handle = f->handle;
  handle->write(position, std::move(parts),
                [this, alive = std::weak_ptr(alive_), b, handle, header, expected](const result<std::size_t>& moved) {
                  if (!alive.expired()) completed(b, moved, expected);
                });
  if (options_.planted == planted_fault::answer_before_sync) {
    b->done = true;
    release_in_order();
  }
  return true;
}

void wal::completed(const block_ptr& b, const result<std::size_t>& moved, std::size_t expected) {
  std::erase(writing_, b->seq);
  ++writes_;
  recycle_files();
  if (fenced_) return;
  const bool failed = !moved || *moved != expected;
  if (failed && options_.planted != planted_fault::failed_sync_ignored) {
    return fence(moved ? fault(errc::io, "WAL: short write") : moved.error());
  }
  bytes_ += expected;
  b->done = true;
  if (options_.planted == planted_fault::ticket_out_of_order) {
    for (const block_ptr& earlier : in_flight_) {
      earlier->done = true;
      if (earlier == b) break;
    }
  }
  release_in_order();
  pump();
}

void wal::release_in_order() {
  model::ticket last{};
  while (!in_flight_.empty() && in_flight_.front()->done) {
    const block& b = *in_flight_.front();
    last = b.last;
    durable_seq_ = b.seq;
    durable_place_ = {b.memory->serial, b.end};
    in_flight_.pop_front();
  }
  if (last != model::ticket{}) up_.on_durable(last);
}

void wal::cover(std::uint64_t seq) {
  covered_seq_ = seq;
  if (fenced_) return;
  while (!closed_.empty() && closed_.front()->seq < seq) {
    closed_.front()->done = true;
    in_flight_.push_back(std::move(closed_.front()));
    closed_.pop_front();
  }
  recycle_files();
  release_in_order();
  pump();
}

void wal::recycle_files() {
  std::uint64_t needed = covered_seq_;
  for (const std::uint64_t seq : writing_) needed = std::min(needed, seq);
  files_.recycle(needed);
}

void wal::fence(const fault& why) {
  fenced_ = true;
  closed_.clear();
  in_flight_.clear();
  open_ = {};
  up_.on_fenced(fault(errc::fenced, "the WAL could not be written, nothing more is accepted: " + why.describe()));
}

}  // namespace weir::storage
