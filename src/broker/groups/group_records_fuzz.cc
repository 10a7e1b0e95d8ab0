// Bytes as group records, as a snapshot, and as a subscription: never a crash; what is taken comes back from a snapshot.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "base/assert.h"
#include "broker/groups/coordinator.h"
#include "broker/groups/group_table.h"
#include "broker/groups/subscription.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir;
  using namespace weir::broker::groups;
  if (size == 0) return 0;
  const bytes in = std::as_bytes(std::span(data, size)).subspan(1);
  constexpr model::shard_id shard{1};
  std::set<std::string, std::less<>> topics;
  (void)read_subscription(in, topics);
  group_table table;
  const bool taken = data[0] % 8 < 5
                         ? table.apply(shard, static_cast<std::uint16_t>(40 + data[0] % 8), 1, in).has_value()
                         : table.restore(shard, in).has_value();
  if (!taken) return 0;
  byte_vector first;
  table.snapshot(shard, first);
  group_table copy;
  WEIR_ASSERT(copy.restore(shard, first).has_value());
  byte_vector second;
  copy.snapshot(shard, second);
  WEIR_ASSERT(first == second);
  return 0;
}
