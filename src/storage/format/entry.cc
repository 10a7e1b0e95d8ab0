#include "storage/format/entry.h"

#include "base/crc32c.h"

namespace weir::storage {

std::uint32_t seal_entry(mutable_bytes entry) {
  const std::uint32_t crc = crc32c(entry.subspan(4));
  store_le(entry.data(), crc);
  return crc;
}

std::size_t entry_size_at(bytes in) {
  if (in.size() < entry_header_bytes) return 0;
  const entry_header h = load_entry_header(in.data());
  return h.count == 0 ? 0 : h.total_bytes();
}

result<parsed_entry> parse_entry(bytes in, bool check) {
  if (in.size() < entry_header_bytes) return fault(errc::out_of_range, "entry header is cut short");
  parsed_entry e;
  e.header = load_entry_header(in.data());
  const std::size_t total = e.header.total_bytes();
  if (total > in.size()) return fault(errc::out_of_range, "entry is cut short");
  if (check && crc32c(in.subspan(4, total - 4)) != e.header.crc) {
    return fault(errc::corrupt, "entry checksum does not match");
  }
  if (e.header.count == 0) return fault(errc::corrupt, "entry takes no offset");
  const auto kind = static_cast<std::uint8_t>(e.header.kind);
  if (kind < 1 || kind > 3) return fault(errc::unsupported, "entry kind " + std::to_string(kind) + " is unknown");
  if ((e.header.flags & entry_flags_must_understand) != 0) return fault(errc::unsupported, "entry flags are unknown");
  e.extension = in.subspan(entry_header_bytes, e.header.extension_bytes());
  e.payload = in.subspan(entry_header_bytes + e.header.extension_bytes(), e.header.payload_bytes);
  return e;
}

result<body_reference> parse_body_reference(bytes payload) {
  if (payload.size() < body_reference_bytes) return fault(errc::corrupt, "body reference is cut short");
  return body_reference{model::log_id(load_le<std::uint64_t>(payload.data())),
                        model::offset(load_le<std::int64_t>(payload.data() + 8))};
}

void put_body_reference(std::byte* out, const body_reference& r) {
  store_le(out, r.log.raw());
  store_le(out + 8, r.at.raw());
}

}  // namespace weir::storage
