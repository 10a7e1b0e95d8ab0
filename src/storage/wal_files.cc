#include "storage/wal_files.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "storage/format/wal_block.h"
#include "storage/memory.h"

namespace weir::storage {

namespace {
constexpr std::size_t fill_bytes = 1U << 20;
constexpr std::uint64_t least_pages = 4;
constexpr std::size_t spares_while_keeping = 3;  // no file comes back by itself then
}  // namespace

std::string wal_file_name(std::uint64_t number) { return "wal/" + std::to_string(number) + ".wal"; }

// A file that is being filled with zeros in the background.
struct wal_files::preparation {
  std::weak_ptr<wal_files*> owner;
  wal_file file;
  std::shared_ptr<std::byte> zeros;
  std::uint64_t filled = 0;
};

wal_files::wal_files(platform::disk& disk, const store_options& options)
    : disk_(disk), options_(options), remover_(disk), alive_(std::make_shared<wal_files*>(this)) {
  remover_.on_idle = [this] {
    if (wanted_ && remover_.clear()) provision(false);
  };
}
wal_files::~wal_files() = default;

void wal_files::use(wal_file f) {
  last_file_seq_ = std::max(last_file_seq_, f.file_seq);
  used_.push_back(std::move(f));
}

// A file without a header was never written to, so nothing proves that its name is durable: the sync of its folder may have
// failed when it was made, and one that succeeds later need not save what an earlier one lost. A new name does it.
result<void> wal_files::adopt(std::vector<wal_file> spares) {
  std::stable_sort(spares.begin(), spares.end(),
                   [](const wal_file& a, const wal_file& b) { return a.capacity > b.capacity; });
  bool renamed = false;
  for (wal_file& f : spares) {
    const bool large = f.capacity >= options_.wal_first_file_bytes;  // smaller: cut short, or made on a full disk
    const bool keep =
        total() < options_.wal_files_max && (large || (free_.empty() && f.capacity >= least_pages * wal_page_bytes));
    const std::string name = wal_file_name(f.number);
    if (keep && f.file_seq == 0) {
      const std::uint64_t number = next_number_++;
      if (!disk_.rename(name, wal_file_name(number))) {
        remover_.add_failed(name);
        continue;
      }
      f.number = number;
      renamed = true;
    }
    if (keep) {
      free_.push_back(std::move(f));
    } else if (auto ok = disk_.unlink_now(name); !ok && ok.error().code != errc::not_found) {
      remover_.add_failed(name);
    }
  }
  if (renamed) return disk_.sync_folder_now("wal");
  return {};
}

result<void> wal_files::ensure_first() {
  if (!free_.empty() || total() >= options_.wal_files_max) return {};
  const std::uint64_t wanted = std::min(options_.wal_first_file_bytes, options_.wal_file_bytes);
  result<void> outcome;
  for (const std::uint64_t parts : {1, 4, 16}) {  // on a full disk a small one: it takes commits and deletes
    const std::uint64_t capacity = std::max(wanted / parts / wal_page_bytes, least_pages) * wal_page_bytes;
    outcome = make_first(std::min(capacity, wanted));
    if (outcome || outcome.error().code != errc::no_space) break;
  }
  return outcome;
}

result<void> wal_files::make_first(std::uint64_t capacity) {
  wal_file f{.number = next_number_++, .handle = nullptr, .capacity = capacity};
  const std::string name = wal_file_name(f.number);
  auto handle = disk_.open(name, {.create = true, .durable_writes = true});
  if (!handle) return handle.error();
  f.handle = *handle;
  const auto zeros = page_memory(fill_bytes);
  for (std::uint64_t at = 0; at < f.capacity; at += fill_bytes) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(fill_bytes, f.capacity - at));
    if (auto ok = f.handle->write_now(at, bytes(zeros.get(), n)); !ok) {
      if (!disk_.unlink_now(name)) remover_.add_failed(name);
      return ok;
    }
  }
  if (auto ok = f.handle->sync_now(); !ok) return ok;
  if (auto ok = disk_.sync_folder_now("wal"); !ok) return ok;
  free_.push_back(std::move(f));
  return {};
}

wal_file* wal_files::next(std::uint64_t bytes, std::uint64_t first_seq) {
  const auto fits = std::find_if(free_.begin(), free_.end(), [&](const wal_file& f) { return f.capacity >= bytes; });
  if (fits == free_.end()) {
    wanted_ = true;
    provision(false);
    return nullptr;
  }
  wal_file f = std::move(*fits);
  free_.erase(fits);
  f.file_seq = ++last_file_seq_;
  f.first_seq = first_seq;
  used_.push_back(std::move(f));
  writing_ = true;
  provision(false);
  return &used_.back();
}

void wal_files::recycle(std::uint64_t seq) {
  // A file is done with when the one after it begins at or before `seq`. The current file stays.
  while (used_.size() > 1 && used_[1].first_seq <= seq) {
    wal_file f = std::move(used_.front());
    used_.pop_front();
    ++turnovers_;
    keeping_ = keeps && keeps(f.number) && options_.planted != planted_fault::kept_file_recycled;
    if (keeping_) continue;
    if (f.capacity < options_.wal_file_bytes && total() >= options_.wal_files_min) {
      remover_.remove(wal_file_name(f.number));  // a small first file, no longer needed
    } else {
      free_.push_back(std::move(f));
    }
  }
  if (keeping_) provision(false);
  if (wanted_ && !free_.empty()) {
    wanted_ = false;
    if (on_ready) on_ready();
  }
}

bool wal_files::in_use(std::uint64_t number) const {
  return std::any_of(used_.begin(), used_.end(), [&](const wal_file& f) { return f.number == number; });
}

bool wal_files::take_back(std::uint64_t number) {
  if (total() >= options_.wal_files_max) return false;
  auto handle = disk_.open(wal_file_name(number), {.durable_writes = true});
  if (!handle) return false;
  wal_file f{.number = number, .handle = *handle};
  f.capacity = f.handle->size() / wal_page_bytes * wal_page_bytes;
  if (f.capacity < options_.wal_file_bytes) return false;
  free_.insert(free_.begin(), std::move(f));  // before those that were never written: writing to it is cheaper
  if (std::exchange(wanted_, false) && on_ready) on_ready();
  return true;
}

void wal_files::provision(bool idle) {
  if (idle) {
    keeping_ = false;
    while (free_.size() > 1 && total() > options_.wal_files_min) {
      remover_.remove(wal_file_name(free_.back().number));
      free_.pop_back();
    }
  }
  if (remover_.idle() && remover_.failed() > 0) remover_.retry();
  const bool need = free_.empty() || total() < options_.wal_files_min ||
                    (keeping_ && free_.size() < spares_while_keeping) ||
                    std::none_of(free_.begin(), free_.end(),
                                 [&](const wal_file& f) { return f.capacity >= options_.wal_file_bytes; });
  // While files wait to be removed none is made: a disk that refuses one and not the other would fill up.
  if (need && !preparing_ && !short_of_space_ && remover_.clear() && total() < options_.wal_files_max) prepare_one();
}

std::uint64_t wal_files::used_bytes() const {
  std::uint64_t n = 0;
  for (const wal_file& f : used_) n += f.capacity;
  return n;
}

void wal_files::prepare_one() {
  auto p = std::make_shared<preparation>();
  p->owner = alive_;
  p->file.number = next_number_++;
  p->file.capacity = options_.wal_file_bytes;
  if (keeping_) p->filled = p->file.capacity;
  auto handle = disk_.open(wal_file_name(p->file.number), {.create = true, .durable_writes = true});
  preparing_ = true;
  if (!handle) return prepared(p, handle.error());
  p->file.handle = *handle;
  p->zeros = page_memory(fill_bytes);
  p->file.handle->allocate(p->file.capacity, [p](const result<void>& outcome) {
    const auto owner = p->owner.lock();
    if (owner == nullptr) return;
    if (!outcome) return (*owner)->prepared(p, outcome);
    (*owner)->fill(p);
  });
}

void wal_files::fill(const std::shared_ptr<preparation>& p) {
  if (p->filled >= p->file.capacity) {
    disk_.sync_folder("wal", [p](const result<void>& outcome) {
      if (const auto owner = p->owner.lock()) (*owner)->prepared(p, outcome);
    });
    return;
  }
  const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(fill_bytes, p->file.capacity - p->filled));
  p->file.handle->write(p->filled, {bytes(p->zeros.get(), n)}, [p, n](const result<std::size_t>& moved) {
    const auto owner = p->owner.lock();
    if (owner == nullptr) return;
    if (!moved) return (*owner)->prepared(p, moved.error());
    if (*moved != n) return (*owner)->prepared(p, fault(errc::io, "short write"));
    p->filled += n;
    (*owner)->fill(p);
  });
}

// A failure here loses nothing: the file was not in use. The next provision tries again with a new one.
void wal_files::prepared(const std::shared_ptr<preparation>& p, const result<void>& outcome) {
  preparing_ = false;
  p->zeros.reset();
  if (!outcome) {
    short_of_space_ = true;  // cleared by the space guard's next look
    remover_.remove(wal_file_name(p->file.number));
    return;
  }
  free_.push_back(std::move(p->file));
  if (std::exchange(wanted_, false) && on_ready) on_ready();
  if (keeping_) provision(false);
}

}  // namespace weir::storage
