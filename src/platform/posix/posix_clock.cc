#include "platform/posix/posix_clock.h"

#include <ctime>

namespace weir::platform {

mono_ns posix_clock::now() const {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return mono_ns(t.tv_sec * 1'000'000'000LL + t.tv_nsec);
}

wall_ms posix_clock::wall() const {
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  return wall_ms(t.tv_sec * 1000LL + t.tv_nsec / 1'000'000);
}

}  // namespace weir::platform
