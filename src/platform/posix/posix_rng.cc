#include "platform/posix/posix_rng.h"

#include <sys/random.h>

#include <bit>
#include <cerrno>
#include <system_error>

namespace weir::platform {

posix_rng::posix_rng() {
  auto* p = reinterpret_cast<char*>(state_.data());
  for (std::size_t have = 0; have < sizeof state_;) {
    const ssize_t n = ::getrandom(p + have, sizeof state_ - have, 0);
    if (n < 0 && errno != EINTR) throw std::system_error(errno, std::system_category(), "getrandom");
    if (n > 0) have += static_cast<std::size_t>(n);
  }
  state_[0] |= 1;  // the all-zero state would stay zero
}

std::uint64_t posix_rng::next() {
  const std::uint64_t out = std::rotl(state_[0] + state_[3], 23) + state_[0];
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return out;
}

}  // namespace weir::platform
