// The real clock: CLOCK_MONOTONIC and CLOCK_REALTIME. Stateless; any thread.
#pragma once

#include "base/clock.h"

namespace weir::platform {

class posix_clock final : public clock {
 public:
  [[nodiscard]] mono_ns now() const override;
  [[nodiscard]] wall_ms wall() const override;
};

}  // namespace weir::platform
