#include "storage/format/manifest.h"

#include "base/crc32c.h"

namespace weir::storage {

namespace {

constexpr std::uint32_t header_magic = 0x4e414d57;  // "WMAN"
constexpr std::uint16_t version = 1;

enum class tag : std::uint8_t {
  positions = 1,
  files = 2,
  removed_files = 3,
  logs = 4,
  removed_logs = 5,
  cuts = 6,
  extents = 7,
  shards = 8,
  writer = 9,
  cleaned = 10,
};

void section(byte_writer& w, tag t, std::size_t count) {
  w.u8(static_cast<std::uint8_t>(t));
  w.le(static_cast<std::uint32_t>(count));
}

void put_file(byte_writer& w, const manifest_file& f) {
  w.le(f.id);
  w.u8(static_cast<std::uint8_t>(f.kind));
  w.u8(f.sealed ? 1 : 0);
  w.le(f.log.raw());
  w.le(f.created_ms);
  w.le(f.length);
}
// Nothing is assumed of a kind that this build does not know.
bool known(data_file_kind k) { return k >= data_file_kind::own && k <= data_file_kind::wal; }

manifest_file get_file(byte_reader& r) {
  manifest_file f;
  f.id = r.le<std::uint64_t>();
  f.kind = static_cast<data_file_kind>(r.u8());
  f.sealed = r.u8() != 0;
  f.log = model::log_id(r.le<std::uint64_t>());
  f.created_ms = r.le<std::int64_t>();
  f.length = r.le<std::uint64_t>();
  return f;
}

void put_log(byte_writer& w, const manifest_log& l) {
  w.le(l.log.raw());
  w.le(l.shard.raw());
  w.le(l.start.raw());
  w.le(l.end.raw());
}
manifest_log get_log(byte_reader& r) {
  manifest_log l;
  l.log = model::log_id(r.le<std::uint64_t>());
  l.shard = model::shard_id(r.le<std::uint64_t>());
  l.start = model::offset(r.le<std::int64_t>());
  l.end = model::offset(r.le<std::int64_t>());
  return l;
}

void put_extent(byte_writer& w, const manifest_extent& e) {
  w.le(e.log.raw());
  w.le(e.file);
  w.le(e.position);
  w.le(e.length);
  w.le(e.base.raw());
  w.le(e.end.raw());
  w.le(e.max_timestamp_ms);
}
manifest_extent get_extent(byte_reader& r) {
  manifest_extent e;
  e.log = model::log_id(r.le<std::uint64_t>());
  e.file = r.le<std::uint64_t>();
  e.position = r.le<std::uint64_t>();
  e.length = r.le<std::uint64_t>();
  e.base = model::offset(r.le<std::int64_t>());
  e.end = model::offset(r.le<std::int64_t>());
  e.max_timestamp_ms = r.le<std::int64_t>();
  return e;
}

void put_shard(byte_writer& w, const manifest_shard& s) {
  w.le(s.shard.raw());
  w.le(s.covered.raw());
  w.le(static_cast<std::uint32_t>(s.snapshot.size()));
  w.raw(s.snapshot);
}
manifest_shard get_shard(byte_reader& r) {
  manifest_shard s;
  s.shard = model::shard_id(r.le<std::uint64_t>());
  s.covered = model::lsn(r.le<std::uint64_t>());
  const bytes snapshot = r.view(r.le<std::uint32_t>());
  s.snapshot.assign(snapshot.begin(), snapshot.end());
  return s;
}

manifest_cut get_cut(byte_reader& r) {
  manifest_cut c;
  c.log = model::log_id(r.le<std::uint64_t>());
  c.from = model::offset(r.le<std::int64_t>());
  c.to = model::offset(r.le<std::int64_t>());
  return c;
}

void put_cleaned(byte_writer& w, const manifest_cleaned& c) {
  w.le(c.log.raw());
  w.le(c.to.raw());
  w.le(c.tombstones_to.raw());
  w.le(c.tombstones_ms);
  w.u8(c.tombstones ? 1 : 0);
}
manifest_cleaned get_cleaned(byte_reader& r) {
  manifest_cleaned c;
  c.log = model::log_id(r.le<std::uint64_t>());
  c.to = model::offset(r.le<std::int64_t>());
  c.tombstones_to = model::offset(r.le<std::int64_t>());
  c.tombstones_ms = r.le<std::int64_t>();
  c.tombstones = r.u8() != 0;
  return c;
}

// Counts come from the file: nothing is reserved from them, each item is bounds-checked as it is read.
template<class T, class Get>
void get_all(byte_reader& r, std::uint32_t count, std::vector<T>& into, Get get) {
  for (std::uint32_t i = 0; i < count && r.ok(); ++i) into.push_back(get(r));
}

bool get_section(byte_reader& r, manifest_edit& e) {
  const auto t = static_cast<tag>(r.u8());
  const auto count = r.le<std::uint32_t>();
  switch (t) {
    case tag::positions:
      e.next_file_id = r.le<std::uint64_t>();
      e.wal.replay_from_seq = r.le<std::uint64_t>();
      e.wal.durable_seq = r.le<std::uint64_t>();
      return true;
    case tag::writer:
      e.wal.incarnation = r.le<std::uint64_t>();
      return true;
    case tag::files:
      get_all(r, count, e.files, get_file);
      return true;
    case tag::removed_files:
      get_all(r, count, e.removed_files, [](byte_reader& in) { return in.le<std::uint64_t>(); });
      return true;
    case tag::logs:
      get_all(r, count, e.logs, get_log);
      return true;
    case tag::removed_logs:
      get_all(r, count, e.removed_logs, [](byte_reader& in) { return model::log_id(in.le<std::uint64_t>()); });
      return true;
    case tag::cuts:
      get_all(r, count, e.cuts, get_cut);
      return true;
    case tag::extents:
      get_all(r, count, e.extents, get_extent);
      return true;
    case tag::shards:
      get_all(r, count, e.shards, get_shard);
      return true;
    case tag::cleaned:
      get_all(r, count, e.cleaned, get_cleaned);
      return true;
  }
  return false;
}

}  // namespace

byte_vector encode_manifest_header(std::uint64_t store_id) {
  byte_vector out(manifest_header_bytes);
  store_le(out.data(), header_magic);
  store_le(out.data() + 8, version);
  store_le(out.data() + 16, store_id);
  store_le(out.data() + 4, crc32c(bytes(out.data() + 8, manifest_header_bytes - 8)));
  return out;
}

result<std::uint64_t> decode_manifest_header(bytes in) {
  if (in.size() < manifest_header_bytes || load_le<std::uint32_t>(in.data()) != header_magic ||
      load_le<std::uint32_t>(in.data() + 4) != crc32c(in.subspan(8, manifest_header_bytes - 8))) {
    return fault(errc::corrupt, "manifest: the header is damaged");
  }
  if (load_le<std::uint16_t>(in.data() + 8) != version) return fault(errc::unsupported, "manifest of a newer version");
  return load_le<std::uint64_t>(in.data() + 16);
}

byte_vector encode_manifest_edit(const manifest_edit& e) {
  byte_vector out(manifest_edit_header_bytes);
  byte_writer w(out);
  section(w, tag::positions, 1);
  w.le(e.next_file_id);
  w.le(e.wal.replay_from_seq);
  w.le(e.wal.durable_seq);
  section(w, tag::writer, 1);
  w.le(e.wal.incarnation);
  section(w, tag::files, e.files.size());
  for (const auto& f : e.files) put_file(w, f);
  section(w, tag::removed_files, e.removed_files.size());
  for (const auto f : e.removed_files) w.le(f);
  section(w, tag::logs, e.logs.size());
  for (const auto& l : e.logs) put_log(w, l);
  section(w, tag::removed_logs, e.removed_logs.size());
  for (const auto l : e.removed_logs) w.le(l.raw());
  section(w, tag::cuts, e.cuts.size());
  for (const auto& c : e.cuts) {
    w.le(c.log.raw());
    w.le(c.from.raw());
    w.le(c.to.raw());
  }
  section(w, tag::extents, e.extents.size());
  for (const auto& x : e.extents) put_extent(w, x);
  section(w, tag::shards, e.shards.size());
  for (const auto& s : e.shards) put_shard(w, s);
  if (!e.cleaned.empty()) {
    section(w, tag::cleaned, e.cleaned.size());
    for (const auto& c : e.cleaned) put_cleaned(w, c);
  }
  store_le(out.data() + 4, static_cast<std::uint32_t>(out.size() - manifest_edit_header_bytes));
  store_le(out.data() + 8, e.seq);
  store_le(out.data(), crc32c(bytes(out).subspan(4)));
  return out;
}

result<manifest_edit> decode_manifest_edit(bytes in, std::size_t& used) {
  if (in.size() < manifest_edit_header_bytes) return fault(errc::torn);
  const auto length = load_le<std::uint32_t>(in.data() + 4);
  if (length > in.size() - manifest_edit_header_bytes) return fault(errc::torn);
  used = manifest_edit_header_bytes + length;
  if (crc32c(in.subspan(4, used - 4)) != load_le<std::uint32_t>(in.data())) return fault(errc::torn);
  manifest_edit e;
  e.seq = load_le<std::uint64_t>(in.data() + 8);
  byte_reader r(in.subspan(manifest_edit_header_bytes, length));
  while (r.ok() && !r.at_end()) {
    if (!get_section(r, e)) return fault(errc::unsupported, "manifest: a section that this build does not know");
  }
  if (!r.ok()) return fault(errc::corrupt, "manifest: an edit is nonsense");
  for (const manifest_file& f : e.files) {
    if (!known(f.kind)) return fault(errc::unsupported, "manifest: a kind of file that this build does not know");
    if ((f.kind == data_file_kind::wal) != ((f.id & kept_wal_bit) != 0)) {
      return fault(errc::corrupt, "manifest: a file's number does not fit its kind");
    }
  }
  return e;
}

}  // namespace weir::storage
