#include "storage/format/data_file.h"

#include "base/crc32c.h"

namespace weir::storage {

namespace {

constexpr std::uint32_t header_magic = 0x54414457;   // "WDAT"
constexpr std::uint32_t trailer_magic = 0x444e4557;  // "WEND"
constexpr std::uint16_t version = 1;
constexpr std::size_t index_entry_bytes = 24;
constexpr std::size_t run_bytes = 48;

void append_trailer(byte_vector& out, std::uint64_t position) {
  byte_vector t(data_trailer_bytes);
  store_le(t.data(), position);
  store_le(t.data() + 8, static_cast<std::uint32_t>(out.size()));
  store_le(t.data() + 12, crc32c(out));
  store_le(t.data() + 24, crc32c(bytes(t.data(), 24)));
  store_le(t.data() + 28, trailer_magic);
  out.insert(out.end(), t.begin(), t.end());
}

result<void> check_footer(bytes in, const data_trailer& t, std::size_t unit) {
  if (in.size() != t.footer_bytes || in.size() % unit != 0 || crc32c(in) != t.footer_crc) {
    return fault(errc::corrupt, "footer of a data file is damaged");
  }
  return {};
}

}  // namespace

byte_vector encode_data_header(const data_file_header& h) {
  byte_vector out(data_header_bytes);
  store_le(out.data(), header_magic);
  store_le(out.data() + 8, version);
  store_le(out.data() + 10, static_cast<std::uint8_t>(h.kind));
  store_le(out.data() + 16, h.store_id);
  store_le(out.data() + 24, h.file_id);
  store_le(out.data() + 32, h.log.raw());
  store_le(out.data() + 40, h.created_ms);
  store_le(out.data() + 4, crc32c(bytes(out.data() + 8, data_header_bytes - 8)));
  return out;
}

result<data_file_header> decode_data_header(bytes in) {
  if (in.size() < data_header_bytes || load_le<std::uint32_t>(in.data()) != header_magic ||
      load_le<std::uint32_t>(in.data() + 4) != crc32c(in.subspan(8, data_header_bytes - 8))) {
    return fault(errc::corrupt, "header of a data file is damaged");
  }
  if (load_le<std::uint16_t>(in.data() + 8) != version) return fault(errc::unsupported, "data file of a newer version");
  data_file_header h;
  h.kind = static_cast<data_file_kind>(load_le<std::uint8_t>(in.data() + 10));
  h.store_id = load_le<std::uint64_t>(in.data() + 16);
  h.file_id = load_le<std::uint64_t>(in.data() + 24);
  h.log = model::log_id(load_le<std::uint64_t>(in.data() + 32));
  h.created_ms = load_le<std::int64_t>(in.data() + 40);
  return h;
}

byte_vector encode_index_footer(const std::vector<index_entry>& index, std::uint64_t position) {
  byte_vector out;
  out.reserve(index.size() * index_entry_bytes + data_trailer_bytes);
  byte_writer w(out);
  for (const index_entry& e : index) {
    w.le(e.base.raw());
    w.le(e.position);
    w.le(e.max_timestamp_ms);
  }
  append_trailer(out, position);
  return out;
}

byte_vector encode_shared_footer(const std::vector<shared_run>& runs, std::uint64_t position) {
  byte_vector out;
  out.reserve(runs.size() * run_bytes + data_trailer_bytes);
  byte_writer w(out);
  for (const shared_run& r : runs) {
    w.le(r.log.raw());
    w.le(r.base.raw());
    w.le(r.end.raw());
    w.le(r.position);
    w.le(r.length);
    w.le(r.max_timestamp_ms);
  }
  append_trailer(out, position);
  return out;
}

result<data_trailer> decode_data_trailer(bytes in) {
  if (in.size() < data_trailer_bytes || load_le<std::uint32_t>(in.data() + 28) != trailer_magic ||
      load_le<std::uint32_t>(in.data() + 24) != crc32c(in.first(24))) {
    return fault(errc::corrupt, "trailer of a data file is damaged");
  }
  return data_trailer{load_le<std::uint64_t>(in.data()), load_le<std::uint32_t>(in.data() + 8),
                      load_le<std::uint32_t>(in.data() + 12)};
}

result<std::vector<index_entry>> decode_index_footer(bytes in, const data_trailer& t) {
  if (auto ok = check_footer(in, t, index_entry_bytes); !ok) return ok.error();
  std::vector<index_entry> index(in.size() / index_entry_bytes);
  byte_reader r(in);
  for (index_entry& e : index) {
    e.base = model::offset(r.le<std::int64_t>());
    e.position = r.le<std::uint64_t>();
    e.max_timestamp_ms = r.le<std::int64_t>();
  }
  return index;
}

result<std::vector<shared_run>> decode_shared_footer(bytes in, const data_trailer& t) {
  if (auto ok = check_footer(in, t, run_bytes); !ok) return ok.error();
  std::vector<shared_run> runs(in.size() / run_bytes);
  byte_reader r(in);
  for (shared_run& e : runs) {
    e.log = model::log_id(r.le<std::uint64_t>());
    e.base = model::offset(r.le<std::int64_t>());
    e.end = model::offset(r.le<std::int64_t>());
    e.position = r.le<std::uint64_t>();
    e.length = r.le<std::uint64_t>();
    e.max_timestamp_ms = r.le<std::int64_t>();
  }
  return runs;
}

}  // namespace weir::storage
