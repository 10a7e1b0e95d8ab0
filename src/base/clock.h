// The clock seam. Owner thread: any; implementations are stateless or belong to one simulator.
#pragma once

#include <cstdint>

#include "base/strong.h"

namespace weir {

using mono_ns = strong<struct mono_ns_tag, std::int64_t>;  // nanoseconds on a clock that never steps back
using wall_ms = strong<struct wall_ms_tag, std::int64_t>;  // milliseconds since 1970-01-01 UTC; may step

class clock {
 public:
  clock() = default;
  clock(const clock&) = delete;
  clock& operator=(const clock&) = delete;
  virtual ~clock() = default;
  [[nodiscard]] virtual mono_ns now() const = 0;
  [[nodiscard]] virtual wall_ms wall() const = 0;
};

}  // namespace weir
