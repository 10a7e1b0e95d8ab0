#include "storage/wal_reader.h"

#include <algorithm>
#include <charconv>

#include "storage/format/data_file.h"
#include "storage/memory.h"

namespace weir::storage {

namespace {

constexpr std::size_t read_bytes = 8U << 20;

std::string place(const std::string& name, std::uint64_t position) {
  return name + " at byte " + std::to_string(position);
}

}  // namespace

result<void> wal_reader::run(const on_block& visit) {
  if (auto ok = find_files(); !ok) return ok;
  order_files();
  expected_ = from_.replay_from_seq;
  const std::size_t first = first_needed();
  if (first == whole_) return nothing_to_read();
  for (std::size_t i = first; i < whole_; ++i) {
    candidate& c = files_[i];
    if (c.header.first_seq >= c.end_seq) continue;  // overruled as a whole
    bytes_total_ += c.file.capacity;
  }
  for (std::size_t i = first; i < whole_; ++i) {
    candidate& c = files_[i];
    if (c.header.first_seq >= c.end_seq) continue;
    auto more = scan(c, visit);
    if (!more) return more.error();
    if (!*more) break;
  }
  return {};
}

result<void> wal_reader::find_files() {
  auto names = disk_.list("wal");
  if (!names) return names.error();
  for (const auto& entry : *names) {
    const std::string& n = entry.name;
    std::uint64_t number = 0;
    const auto [stop, error] = std::from_chars(n.data(), n.data() + n.size(), number);
    const bool ours = error == std::errc{} && wal_file_name(number) == "wal/" + n && (number & kept_wal_bit) == 0;
    if (!ours) continue;
    next_number_ = std::max(next_number_, number + 1);
    candidate c;
    c.file.number = number;
    if (auto ok = open(c); !ok) return ok;
    c.file.capacity = entry.size / wal_page_bytes * wal_page_bytes;
    byte_vector page(wal_page_bytes);
    auto got = c.file.handle->read_now(0, page);
    if (!got) return got.error();
    page.resize(*got);
    auto header = parse_wal_file_header(page);
    if (!header && header.error().code == errc::unsupported) return header.error();
    if (header) {
      if (header->store_id != from_.store_id) return fault(errc::corrupt, name_of(c) + " belongs to another store");
      c.header = *header;
      // Header and first block go to the disk in one write: in a file that is shorter than its header page none was ever
      // durable. What it knows of others is true all the same.
      c.whole_header = *got == wal_page_bytes;
    }
    if (c.whole_header) {
      c.file.file_seq = header->file_seq;
      c.file.first_seq = header->first_seq;
    }
    if (is_kept_(number)) c.file.handle.reset();  // there may be very many, and most are not needed here
    files_.push_back(std::move(c));
  }
  return {};
}

result<void> wal_reader::open(candidate& c) {
  if (c.file.handle != nullptr) return {};
  auto handle = disk_.open(name_of(c), {.durable_writes = true});
  if (!handle) return handle.error();
  c.file.handle = *handle;
  return {};
}

void wal_reader::order_files() {
  std::stable_sort(files_.begin(), files_.end(), [](const candidate& a, const candidate& b) {
    if (a.whole_header != b.whole_header) return a.whole_header;
    return a.header.file_seq < b.header.file_seq;
  });
  whole_ = static_cast<std::size_t>(
      std::count_if(files_.begin(), files_.end(), [](const candidate& c) { return c.whole_header; }));
  std::uint64_t end = UINT64_MAX;
  for (std::size_t i = whole_; i-- > 0;) {
    files_[i].end_seq = end;
    end = std::min(end, files_[i].header.first_seq);
  }
  for (const candidate& c : files_) last_file_seq_ = std::max(last_file_seq_, c.header.file_seq);
}

// The last file that begins at or before the first needed block; whole_ when there is none.
std::size_t wal_reader::first_needed() const {
  std::size_t best = whole_;
  for (std::size_t i = 0; i < whole_; ++i) {
    const candidate& c = files_[i];
    if (c.header.first_seq < c.end_seq && c.header.first_seq <= from_.replay_from_seq) best = i;
  }
  return best;
}

// No file begins where the manifest ends: fine as long as nothing proves that one was durable.
result<void> wal_reader::nothing_to_read() {
  auto known = known_durable(0);
  if (!known) return known.error();
  if (*known < expected_) return {};
  return fault(errc::corrupt, "the WAL file with block " + std::to_string(expected_) + " is missing (block " +
                                  std::to_string(*known) + " is known to be durable)");
}

result<byte_vector> wal_reader::load(candidate& c) {
  if (auto ok = open(c); !ok) return ok.error();
  byte_vector out(static_cast<std::size_t>(c.file.capacity));
  for (std::size_t at = 0; at < out.size();) {
    auto got = c.file.handle->read_now(at, mutable_bytes(out).subspan(at, std::min(read_bytes, out.size() - at)));
    if (!got) return got.error();
    if (*got == 0) return fault(errc::io, place(name_of(c), at) + ": the file ends early");
    at += *got;
    bytes_done_ += *got;
    if (options_.on_progress)
      options_.on_progress({"reading the WAL", bytes_done_, std::max(bytes_done_, bytes_total_)});
  }
  return out;
}

result<bool> wal_reader::scan(candidate& c, const on_block& visit) {
  auto data = load(c);
  if (!data) return data.error();
  const bool check = options_.planted != planted_fault::torn_tail_accepted;
  c.needed = true;
  // Its header may have been read from the cache alone, whatever is known of its blocks.
  headers_.push_back({c.file.handle, name_of(c), 0, wal_page_bytes, 0});
  expected_ = c.header.first_seq;
  std::uint64_t at = wal_page_bytes;
  while (expected_ != c.end_seq) {
    const bytes rest = bytes(*data).subspan(static_cast<std::size_t>(std::min<std::uint64_t>(at, data->size())));
    auto h = parse_wal_block(rest, check);
    if (!h && h.error().code == errc::unsupported)
      return fault(errc::unsupported, place(name_of(c), at) + ": " + h.error().text);
    if (h && next_in_order(c, *h)) {
      if (h->seq >= from_.replay_from_seq) {
        if (auto ok = visit(rest.first(h->length), *h); !ok) {
          return fault(ok.error().code, place(name_of(c), at) + ": " + ok.error().text);
        }
      }
      note_unproven(c, at, *h);
      ++expected_;
      at += round_up_page(h->length);
      continue;
    }
    if (expected_ < from_.replay_from_seq) {
      if (const std::uint64_t next = skip_covered(*data, at, c); next != 0) {
        at = next;
        continue;
      }
    }
    auto known = known_durable(c.header.file_seq);
    if (!known) return known.error();
    note_later_blocks(*data, at, c.header.file_seq, *known);
    const std::uint64_t needed = std::max(expected_, from_.replay_from_seq);
    if (*known >= needed && options_.planted != planted_fault::lost_block_taken_as_torn) {
      return fault(errc::corrupt, place(name_of(c), at) + ": block " + std::to_string(expected_) +
                                      " was durable (block " + std::to_string(*known) +
                                      " is known to be) and is damaged");
    }
    expected_ = needed;
    return false;
  }
  return true;
}

void wal_reader::note_unproven(const candidate& c, std::uint64_t position, const wal_block_header& h) {
  proven_ = std::max(proven_, h.durable_seq);
  while (!unproven_.empty() && unproven_.front().seq <= proven_) unproven_.pop_front();
  unproven_.push_back({c.file.handle, name_of(c), position, round_up_page(h.length), h.seq});
}

result<void> wal_reader::make_durable() {
  headers_.insert(headers_.end(), unproven_.begin(), unproven_.end());
  for (const unproven& u : headers_) {
    const auto memory = page_memory(static_cast<std::size_t>(u.length));
    const mutable_bytes all(memory.get(), static_cast<std::size_t>(u.length));
    auto got = u.handle->read_now(u.position, all);
    if (!got) return got.error();
    const bool whole = *got == all.size() &&
                       (u.position == 0 ? parse_wal_file_header(all).has_value() : parse_wal_block(all).has_value());
    if (!whole) return fault(errc::io, place(u.name, u.position) + ": it read differently the second time");
    if (auto ok = u.handle->write_now(u.position, all); !ok) return ok;
  }
  for (const candidate& c : files_) {
    if (!c.needed) continue;
    if (auto ok = c.file.handle->sync_now(); !ok) return ok;
  }
  return disk_.sync_folder_now("wal");
}

// Damage among blocks that a checkpoint covers does no harm: the position of the next whole one, 0 when there is none.
std::uint64_t wal_reader::skip_covered(bytes file, std::uint64_t position, const candidate& c) {
  for (std::uint64_t at = position; at < file.size(); at += wal_page_bytes) {
    const bytes rest = file.subspan(static_cast<std::size_t>(at));
    if (!may_be_block(rest, c.header.file_seq)) continue;
    auto h = parse_wal_block(rest);
    if (!h || h->incarnation != c.header.incarnation || h->seq < expected_ || h->seq > from_.replay_from_seq ||
        outlived(*h))
      continue;
    expected_ = h->seq;
    return at;
  }
  return 0;
}

// Blocks behind a bad place. Whatever a whole block says about what was durable when it was submitted stays true, even
// of an incarnation before: its successor began behind all that.
void wal_reader::note_later_blocks(bytes file, std::uint64_t from, std::uint64_t file_seq, std::uint64_t& known) {
  for (std::uint64_t at = from; at < file.size(); at += wal_page_bytes) {
    const bytes rest = file.subspan(static_cast<std::size_t>(at));
    if (file_seq != 0 ? !may_be_block(rest, file_seq) : load_le<std::uint32_t>(rest.data()) != wal_block_magic)
      continue;
    auto h = parse_wal_block(rest);
    if (!h || h->seq < expected_) continue;
    ++torn_;
    known = std::max(known, h->durable_seq);
  }
}

// What the manifest and the files behind this one say about durability.
result<std::uint64_t> wal_reader::known_durable(std::uint64_t file_seq) {
  std::uint64_t known = from_.durable_seq;
  for (candidate& other : files_) {
    if (other.whole_header && other.header.file_seq <= file_seq) continue;
    if (other.header.file_seq > file_seq) {
      known = std::max(known, other.header.durable_seq);  // of a new incarnation's first file: all that it read
    }
    auto data = load(other);
    if (!data) return data.error();
    note_later_blocks(*data, wal_page_bytes, other.header.file_seq, known);
  }
  return known;
}

result<void> wal_reader::give_files(wal_files& to) {
  to.set_file_seq(last_file_seq_);
  to.reserve_numbers(next_number_);
  std::vector<wal_file> spares;
  for (candidate& c : files_) {
    if (c.needed) {
      to.use(std::move(c.file));
    } else if (!is_kept_(c.file.number)) {
      spares.push_back(std::move(c.file));
    }
  }
  files_.clear();
  return to.adopt(std::move(spares));
}

}  // namespace weir::storage
