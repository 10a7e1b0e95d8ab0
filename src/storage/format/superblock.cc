#include "storage/format/superblock.h"

#include "base/crc32c.h"

namespace weir::storage {

namespace {
constexpr std::size_t checked_end = 48;
}

byte_vector encode_superblock(const superblock& s) {
  byte_vector out(superblock_bytes);
  store_le(out.data(), superblock_magic);
  store_le(out.data() + 8, superblock_version);
  store_le(out.data() + 10, s.feature_level);
  store_le(out.data() + 16, s.store_id);
  store_le(out.data() + 24, s.incarnation);
  store_le(out.data() + 32, s.created_ms);
  store_le(out.data() + 4, crc32c(bytes(out.data() + 8, checked_end - 8)));
  return out;
}

result<superblock> decode_superblock(bytes in) {
  if (in.size() < checked_end || load_le<std::uint32_t>(in.data()) != superblock_magic) {
    return fault(errc::corrupt, "superblock: this is not a data folder of Weir, or its superblock is damaged");
  }
  if (load_le<std::uint32_t>(in.data() + 4) != crc32c(in.subspan(8, checked_end - 8))) {
    return fault(errc::corrupt, "superblock: the checksum does not match");
  }
  superblock s;
  s.feature_level = load_le<std::uint16_t>(in.data() + 10);
  if (load_le<std::uint16_t>(in.data() + 8) != superblock_version || s.feature_level != 1) {
    return fault(errc::unsupported, "superblock: this folder was written by a newer version");
  }
  s.store_id = load_le<std::uint64_t>(in.data() + 16);
  s.incarnation = load_le<std::uint64_t>(in.data() + 24);
  s.created_ms = load_le<std::int64_t>(in.data() + 32);
  return s;
}

}  // namespace weir::storage
