// CRC-32C (Castagnoli), the checksum of our files and of Kafka's record batches.
// Uses SSE4.2 in three interleaved streams where the processor has it, tables elsewhere; both give the same
// value.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace weir {

// Continues `crc` (the value of an earlier call, 0 to start) over `data`.
[[nodiscard]] std::uint32_t crc32c(bytes data, std::uint32_t crc = 0) noexcept;

// The portable implementation, for processors without the instruction and for tests.
[[nodiscard]] std::uint32_t crc32c_portable(bytes data, std::uint32_t crc = 0) noexcept;

}  // namespace weir
