#include "storage/data_files.h"

#include <algorithm>
#include <charconv>

#include "base/assert.h"
#include "storage/wal_files.h"

namespace weir::storage {

namespace {
constexpr std::string_view own_suffix = ".log";
constexpr std::string_view shared_suffix = ".small";
constexpr std::size_t hex_digits = 16;
}  // namespace

std::string data_file_name(std::uint64_t id, data_file_kind kind) {
  if (kind == data_file_kind::wal) return wal_file_name(id & ~kept_wal_bit);
  std::string name = "data/" + std::string(hex_digits, '0');
  for (std::size_t i = 0; i < hex_digits; ++i) {
    name[name.size() - 1 - i] = "0123456789abcdef"[(id >> (4 * i)) & 15];
  }
  return name.append(kind == data_file_kind::own ? own_suffix : shared_suffix);
}

bool parse_data_file_name(const std::string& name, std::uint64_t& id, data_file_kind& kind) {
  if (name.size() <= hex_digits) return false;
  const char* end = name.data() + hex_digits;
  const auto [stop, error] = std::from_chars(name.data(), end, id, 16);
  if (error != std::errc{} || stop != end) return false;
  const std::string_view suffix = std::string_view(name).substr(hex_digits);
  kind = suffix == own_suffix ? data_file_kind::own : data_file_kind::shared;
  return suffix == own_suffix || suffix == shared_suffix;
}

data_file& data_files::create(data_file_kind kind, model::log_id log, std::int64_t now_ms) {
  auto f = std::make_unique<data_file>();
  f->id = next_id_++;
  f->kind = kind;
  f->log = log;
  f->created_ms = now_ms;
  f->lru = open_.end();
  data_file& out = *f;
  files_.emplace(out.id, std::move(f));
  return out;
}

data_file& data_files::keep(std::uint64_t wal_number, std::int64_t now_ms) {
  const std::uint64_t id = kept_wal_bit | wal_number;
  if (data_file* known = find(id); known != nullptr) return *known;
  data_file fresh;
  fresh.id = id;
  fresh.kind = data_file_kind::wal;
  fresh.created_ms = now_ms;
  fresh.sealed = true;
  fresh.in_wal = true;
  return restore(fresh);
}

data_file& data_files::restore(const data_file& known) {
  auto f = std::make_unique<data_file>(known);
  f->lru = open_.end();
  data_file& out = *f;
  const bool fresh = files_.emplace(out.id, std::move(f)).second;
  WEIR_ASSERT(fresh);
  return out;
}

data_file* data_files::find(std::uint64_t id) {
  const auto it = files_.find(id);
  return it == files_.end() ? nullptr : it->second.get();
}

void data_files::forget(std::uint64_t id) {
  const auto it = files_.find(id);
  if (it == files_.end()) return;
  if (it->second->lru != open_.end()) open_.erase(it->second->lru);
  files_.erase(it);
}

result<std::shared_ptr<platform::file>> data_files::open(data_file& f, bool create) {
  if (f.open != nullptr) {
    open_.splice(open_.begin(), open_, f.lru);
    return f.open;
  }
  const bool kept = f.kind == data_file_kind::wal;
  auto handle = disk_.open(data_file_name(f.id, f.kind),
                           {.create = create, .written_once = f.kind == data_file_kind::own, .direct_reads = kept});
  if (!handle) return handle.error();
  f.open = *handle;
  open_.push_front(&f);
  f.lru = open_.begin();
  close_oldest();
  return f.open;
}

// A handle that an operation still holds closes when that is over; but of a kept WAL file it stays.
void data_files::close_oldest() {
  for (auto it = open_.end(); open_.size() > open_max_ && it != std::next(open_.begin());) {
    data_file& f = **--it;
    if (f.kind == data_file_kind::wal && busy(f)) continue;
    f.open.reset();
    f.lru = open_.end();
    it = open_.erase(it);
  }
}

std::uint64_t data_files::index_bytes() const {
  std::uint64_t total = 0;
  for (const auto& [id, f] : files_) total += f->index.capacity() * sizeof(index_entry);
  return total;
}

void data_files::trim_indexes(std::uint64_t bytes_max) {
  std::vector<data_file*> with;
  std::uint64_t total = 0;
  for (const auto& [id, f] : files_) {
    if (f->index.empty()) continue;
    total += f->index.capacity() * sizeof(index_entry);
    with.push_back(f.get());
  }
  if (total <= bytes_max) return;
  std::sort(with.begin(), with.end(), [](const data_file* a, const data_file* b) {
    return a->index_used != b->index_used ? a->index_used < b->index_used : a->id < b->id;
  });
  for (data_file* f : with) {
    if (total <= bytes_max) return;
    total -= f->index.capacity() * sizeof(index_entry);
    std::vector<index_entry>().swap(f->index);
    f->indexed = 0;
  }
}

}  // namespace weir::storage
