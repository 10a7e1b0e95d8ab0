// The four codecs of Kafka's record batches, with caps against bombs.
//
// Reading takes what clients really send: gzip members, snappy in xerial's framing and bare, lz4 frames, zstd
// frames. Writing gives what all clients read: xerial-framed snappy, lz4 frames with independent blocks.
// Faults: invalid (more output than the limits allow), corrupt (damaged data), unsupported (an unknown codec
// number). Thread: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace weir::kafka {

enum class compression : std::uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };

[[nodiscard]] std::string_view name_of(compression c) noexcept;

struct decompression_limits {
  std::size_t output_max = std::size_t{128} << 20;  // never more than this
  std::size_t ratio_max = 256;                      // nor than this many times the input ...
  std::size_t free_output = std::size_t{8} << 20;   // ... but this much always: short repetitive data compresses a lot

  [[nodiscard]] std::size_t allowed(std::size_t input) const;
};

[[nodiscard]] result<byte_vector> decompress(compression c, bytes in, const decompression_limits& limits = {});
// Levels as Kafka's compression.*.level counts them: gzip 1 to 9 or -1, lz4 1 to 17, zstd -131072 to 22; the others have
// none. lz4's 9 is its fast mode, as it is with Java's writer, and every other level the slow one. A level outside of
// its range is taken for the nearest in it.
inline constexpr std::int32_t gzip_level_default = -1, lz4_level_default = 9, zstd_level_default = 3;
// nullopt: the default level.
[[nodiscard]] result<byte_vector> compress(compression c, bytes in, std::optional<std::int32_t> level = {});

}  // namespace weir::kafka
