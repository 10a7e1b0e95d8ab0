// Which partition a key belongs to: MurmurHash2 with the seed that Kafka's Java clients use, so that our records with a
// key go where theirs go.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace weir::cli {

[[nodiscard]] inline std::uint32_t murmur2(bytes data) {
  constexpr std::uint32_t seed = 0x9747b28c;
  constexpr std::uint32_t m = 0x5bd1e995;
  std::uint32_t h = seed ^ static_cast<std::uint32_t>(data.size());
  while (data.size() >= 4) {
    auto k = load_le<std::uint32_t>(data.data());
    k *= m;
    k ^= k >> 24;
    k *= m;
    h = (h * m) ^ k;
    data = data.subspan(4);
  }
  if (!data.empty()) {
    for (std::size_t i = data.size(); i-- > 0;) h ^= static_cast<std::uint32_t>(data[i]) << (8 * i);
    h *= m;
  }
  h ^= h >> 13;
  h *= m;
  return h ^ (h >> 15);
}

[[nodiscard]] inline std::int32_t partition_of_key(bytes key, std::int32_t partitions) {
  return static_cast<std::int32_t>((murmur2(key) & 0x7fffffff) % static_cast<std::uint32_t>(partitions));
}

}  // namespace weir::cli
