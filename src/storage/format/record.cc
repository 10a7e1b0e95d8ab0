#include "storage/format/record.h"

namespace weir::storage {

void put_record_head(std::byte* out, const record_header& h, const std::vector<model::log_change>& changes,
                     bytes state) {
  store_le<std::uint32_t>(out, 0);
  store_le(out + 4, h.length);
  store_le(out + 8, h.shard.raw());
  store_le(out + 16, h.at.raw());
  store_le(out + 24, h.leader_epoch.raw());
  store_le(out + 28, h.state_kind);
  store_le(out + 30, h.state_version);
  store_le(out + 31, h.flags);
  store_le(out + 32, h.kind);
  store_le(out + 33, h.kind_version);
  store_le<std::uint16_t>(out + 34, 0);
  store_le(out + 36, h.state_bytes);
  store_le(out + 40, h.entries);
  store_le(out + 44, h.changes);
  std::byte* p = out + record_header_bytes;
  for (const model::log_change& c : changes) {
    store_le<std::uint64_t>(p, static_cast<std::uint8_t>(c.kind));
    store_le(p + 8, c.log.raw());
    store_le(p + 16, c.at.raw());
    p += record_change_bytes;
  }
  if (!state.empty()) std::memcpy(p, state.data(), state.size());
}

std::uint32_t seal_record(std::byte* record, std::size_t fixed_bytes, std::uint32_t entry_crcs) {
  const std::uint32_t crc = crc32c(bytes(record + 4, fixed_bytes - 4), entry_crcs);
  store_le(record, crc);
  return crc;
}

namespace {

record_header load_record_header(const std::byte* in) {
  record_header h;
  h.crc = load_le<std::uint32_t>(in);
  h.length = load_le<std::uint32_t>(in + 4);
  h.shard = model::shard_id(load_le<std::uint64_t>(in + 8));
  h.at = model::lsn(load_le<std::uint64_t>(in + 16));
  h.leader_epoch = model::epoch(load_le<std::int32_t>(in + 24));
  h.state_kind = load_le<std::uint16_t>(in + 28);
  h.state_version = load_le<std::uint8_t>(in + 30);
  h.flags = load_le<std::uint8_t>(in + 31);
  h.kind = load_le<std::uint8_t>(in + 32);
  h.kind_version = load_le<std::uint8_t>(in + 33);
  h.state_bytes = load_le<std::uint32_t>(in + 36);
  h.entries = load_le<std::uint32_t>(in + 40);
  h.changes = load_le<std::uint32_t>(in + 44);
  return h;
}

// Walks the entries and gives the checksum over their checksums.
result<std::uint32_t> walk_entries(bytes region, std::uint32_t count, bool check) {
  std::uint32_t crcs = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    auto e = parse_entry(region, check);
    if (!e) return e.error();
    crcs = chain_crc(e->header.crc, crcs);
    region = region.subspan(e->header.total_bytes());
  }
  if (!region.empty()) return fault(errc::corrupt, "record is longer than its entries");
  return crcs;
}

}  // namespace

result<parsed_record> parse_record(bytes in, bool check_entries) {
  if (in.size() < record_header_bytes) return fault(errc::corrupt, "record header is cut short");
  parsed_record r;
  r.header = load_record_header(in.data());
  const std::size_t fixed = r.header.fixed_bytes();
  if (r.header.length > in.size() || fixed > r.header.length)
    return fault(errc::corrupt, "record length is impossible");
  r.changes = in.subspan(record_header_bytes, std::size_t{r.header.changes} * record_change_bytes);
  r.state = in.subspan(record_header_bytes + r.changes.size(), r.header.state_bytes);
  r.entries = in.subspan(fixed, r.header.length - fixed);
  const auto crcs = walk_entries(r.entries, r.header.entries, check_entries);
  if (!crcs) return crcs.error();
  if (crc32c(in.subspan(4, fixed - 4), *crcs) != r.header.crc)
    return fault(errc::corrupt, "record checksum does not match");
  if (r.header.kind != record_kind_data || r.header.kind_version != record_kind_version || r.header.flags != 0) {
    return fault(errc::unsupported, "record kind " + std::to_string(r.header.kind) + " version " +
                                        std::to_string(r.header.kind_version) + " is unknown to this build");
  }
  return r;
}

model::log_change change_at(const parsed_record& r, std::size_t i) {
  const std::byte* p = r.changes.data() + i * record_change_bytes;
  return {static_cast<model::log_change_kind>(load_le<std::uint8_t>(p)), model::log_id(load_le<std::uint64_t>(p + 8)),
          model::offset(load_le<std::int64_t>(p + 16))};
}

}  // namespace weir::storage
