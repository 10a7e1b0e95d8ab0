#include "broker/groups/subscription.h"

namespace weir::broker::groups {

bool read_subscription(bytes metadata, std::set<std::string, std::less<>>& topics) {
  byte_reader in(metadata);
  const auto version = in.be<std::int16_t>();
  const auto count = in.be<std::int32_t>();
  if (!in.ok() || version < 0 || count < 0) return false;
  for (std::int32_t i = 0; i < count; ++i) {
    const auto length = in.be<std::int16_t>();
    if (length < 0) return false;
    const bytes name = in.view(static_cast<std::size_t>(length));
    if (!in.ok()) return false;
    topics.emplace(as_text(name));
  }
  return true;
}

}  // namespace weir::broker::groups
