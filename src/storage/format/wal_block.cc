#include "storage/format/wal_block.h"

#include <algorithm>

#include "base/crc32c.h"
#include "storage/format/record.h"

namespace weir::storage {

void put_wal_file_header(std::byte* page, const wal_file_header& h) {
  std::fill_n(page, wal_page_bytes, std::byte{0});
  store_le(page, wal_file_magic);
  store_le(page + 8, wal_version);
  store_le(page + 16, h.store_id);
  store_le(page + 24, h.incarnation);
  store_le(page + 32, h.file_seq);
  store_le(page + 40, h.first_seq);
  store_le(page + 48, h.durable_seq);
  store_le(page + 56, h.file_bytes);
  store_le(page + 4, crc32c(bytes(page + 8, 64)));
}

result<wal_file_header> parse_wal_file_header(bytes page) {
  if (page.size() < 72 || load_le<std::uint32_t>(page.data()) != wal_file_magic) return fault(errc::torn);
  if (load_le<std::uint32_t>(page.data() + 4) != crc32c(page.subspan(8, 64))) return fault(errc::torn);
  if (load_le<std::uint16_t>(page.data() + 8) != wal_version) {
    return fault(errc::unsupported, "the WAL was written by a newer version");
  }
  const std::byte* p = page.data();
  return wal_file_header{load_le<std::uint64_t>(p + 16), load_le<std::uint64_t>(p + 24),
                         load_le<std::uint64_t>(p + 32), load_le<std::uint64_t>(p + 40),
                         load_le<std::uint64_t>(p + 48), load_le<std::uint64_t>(p + 56)};
}

void put_wal_block_header(std::byte* out, const wal_block_header& h, std::uint32_t record_crcs) {
  store_le(out, wal_block_magic);
  store_le(out + 8, h.incarnation);
  store_le(out + 16, h.seq);
  store_le(out + 24, h.durable_seq);
  store_le(out + 32, h.file_seq);
  store_le(out + 40, h.length);
  store_le(out + 44, h.records);
  store_le<std::uint64_t>(out + 48, 0);
  store_le<std::uint64_t>(out + 56, 0);
  store_le(out + 4, crc32c(bytes(out + 8, wal_block_header_bytes - 8), record_crcs));
}

bool may_be_block(bytes in, std::uint64_t file_seq) {
  return in.size() >= wal_block_header_bytes && load_le<std::uint32_t>(in.data()) == wal_block_magic &&
         load_le<std::uint64_t>(in.data() + 32) == file_seq;
}

result<wal_block_header> peek_wal_block(bytes in) {
  if (in.size() < wal_block_header_bytes) return fault(errc::torn);
  const std::byte* p = in.data();
  if (load_le<std::uint32_t>(p) != wal_block_magic) return fault(errc::torn);
  const wal_block_header h{load_le<std::uint64_t>(p + 8),  load_le<std::uint64_t>(p + 16),
                           load_le<std::uint64_t>(p + 24), load_le<std::uint64_t>(p + 32),
                           load_le<std::uint32_t>(p + 40), load_le<std::uint32_t>(p + 44)};
  if (h.length < wal_block_header_bytes || h.length > in.size()) return fault(errc::torn);
  return h;
}

result<wal_block_header> parse_wal_block(bytes in, bool check_entries) {
  auto h = peek_wal_block(in);
  if (!h) return h;
  bytes rest = in.subspan(wal_block_header_bytes, h->length - wal_block_header_bytes);
  std::uint32_t crcs = 0;
  for (std::uint32_t i = 0; i < h->records; ++i) {
    auto r = parse_record(rest, check_entries);
    // An unknown kind with a right checksum is no torn write: it must not be dropped silently.
    if (!r) return r.error().code == errc::unsupported ? r.error() : fault(errc::torn);
    crcs = chain_crc(r->header.crc, crcs);
    rest = rest.subspan(r->header.length);
  }
  if (!rest.empty()) return fault(errc::torn);
  const std::uint32_t crc = crc32c(in.subspan(8, wal_block_header_bytes - 8), crcs);
  if (crc != load_le<std::uint32_t>(in.data() + 4)) return fault(errc::torn);
  return h;
}

}  // namespace weir::storage
