// Names of the things that everybody talks about. All are unique for the life of a cluster and never used
// again.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/strong.h"

namespace weir::model {

using log_id = strong<struct log_id_tag, std::uint64_t>;
using shard_id = strong<struct shard_id_tag, std::uint64_t>;
using offset = strong<struct offset_tag, std::int64_t>;  // counts a log's records; dense when assigned
using lsn = strong<struct lsn_tag, std::uint64_t>;       // counts a shard's WAL records from 1; 0 is "none"
using epoch = strong<struct epoch_tag, std::int32_t>;    // leader epoch; -1 is "unknown"
using ticket = strong<struct ticket_tag,
                      std::uint64_t>;  // position in one store's WAL order; 0 is "nothing to wait for"

// 128-bit topic id, as Kafka's clients see it (network byte order). All zero is "none".
struct uuid {
  std::array<std::uint8_t, 16> data{};
  friend auto operator<=>(const uuid&, const uuid&) = default;
  [[nodiscard]] bool is_zero() const { return data == std::array<std::uint8_t, 16>{}; }
};

}  // namespace weir::model

template<>
struct std::hash<weir::model::uuid> {
  std::size_t operator()(const weir::model::uuid& u) const noexcept {
    return weir::load_le<std::uint64_t>(reinterpret_cast<const std::byte*>(u.data.data())) * 0x9e3779b97f4a7c15ULL ^
           weir::load_le<std::uint64_t>(reinterpret_cast<const std::byte*>(u.data.data()) + 8);
  }
};
