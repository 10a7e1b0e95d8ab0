// All decoders of the on-disk formats on hostile bytes: no read past the end, no allocation from an unchecked length. The
// checksums are put right first where a structure has one outermost checksum, so that the fuzzer gets behind it.
#include <cstddef>
#include <cstdint>

#include "base/crc32c.h"
#include "storage/format/data_file.h"
#include "storage/format/entry.h"
#include "storage/format/manifest.h"
#include "storage/format/record.h"
#include "storage/format/superblock.h"
#include "storage/format/wal_block.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir;
  using namespace weir::storage;
  if (size == 0) return 0;
  byte_vector in(reinterpret_cast<const std::byte*>(data) + 1, reinterpret_cast<const std::byte*>(data) + size);
  std::size_t used = 0;
  switch (data[0] % 8) {
    case 0:
      (void)parse_entry(in);
      (void)entry_size_at(in);
      break;
    case 1:
      (void)parse_record(in, data[0] >= 128);
      break;
    case 2:
      (void)parse_wal_block(in, data[0] >= 128);
      break;
    case 3:
      (void)parse_wal_file_header(in);
      (void)decode_superblock(in);
      (void)decode_manifest_header(in);
      break;
    case 4:
      (void)decode_manifest_edit(in, used);
      break;
    case 5:
      if (in.size() >= manifest_edit_header_bytes) {
        store_le(in.data() + 4, static_cast<std::uint32_t>(in.size() - manifest_edit_header_bytes));
        store_le(in.data(), crc32c(bytes(in).subspan(4)));
        auto e = decode_manifest_edit(in, used);
        if (e) (void)encode_manifest_edit(*e);
      }
      break;
    case 6:
      if (const auto t = decode_data_trailer(in)) {
        (void)decode_index_footer(in, *t);
        (void)decode_shared_footer(in, *t);
      }
      (void)decode_data_header(in);
      break;
    default:
      (void)decode_index_footer(in, {0, static_cast<std::uint32_t>(in.size()), crc32c(in)});
      (void)decode_shared_footer(in, {0, static_cast<std::uint32_t>(in.size()), crc32c(in)});
      (void)parse_body_reference(in);
  }
  return 0;
}
