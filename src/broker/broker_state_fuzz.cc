// Bytes as what recovery reads: a snapshot of each shard, then records. Whatever they say, nothing crashes; and the state
// that came of it is exact: its snapshot, restored, gives the same snapshot.
//
// Input: a length u16 and so many bytes of snapshot for shard 0, the same for shard 1, then records until the end:
// state kind u8, version u8, log change u8, length u16, state.
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/assert.h"
#include "broker/core.h"
#include "broker/testing/rig.h"

namespace {

using namespace weir;

struct machine {
  broker::testing::hand_clock time;
  broker::testing::hand_executor exec{time};
  broker::node_testing::counting_rng random;
  broker::settings config;
  broker::format_registry formats;
  broker::core core{{0, 1, 2}, {config, exec, time, random, formats}};

  machine() { core.link({&core}); }
  ~machine() { core.stop(); }
  machine(const machine&) = delete;
  machine& operator=(const machine&) = delete;

  void apply_all(byte_reader& in) {
    std::int64_t lsn = 0;
    while (in.remaining() > 0) {
      model::applied_record r;
      const std::uint8_t kind = in.u8();
      r.state_kind = kind;
      r.state_version = in.u8();
      const std::uint8_t change = in.u8();
      r.shard = model::shard_id((change >> 6) & 1);
      r.at = model::lsn(++lsn);
      if ((change & 3) != 0) {
        r.changes.push_back({static_cast<model::log_change_kind>(change & 3), model::log_id(1 + ((change >> 2) & 3)),
                             model::offset((change >> 4) & 3)});
      }
      r.state = in.view(in.le<std::uint16_t>());
      if (!in.ok()) return;
      core.apply(r);
    }
  }
  // Exactly what this machine holds, in the words of its snapshots.
  [[nodiscard]] byte_vector words(std::uint64_t shard) const {
    byte_vector out;
    core.snapshot(model::shard_id(shard), out);
    return out;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  byte_reader in(std::as_bytes(std::span(data, size)));
  const auto first = std::make_unique<machine>();
  for (std::uint64_t shard = 0; shard < 2; ++shard) {
    const bytes snapshot = in.view(in.le<std::uint16_t>());
    if (!in.ok()) return 0;
    if (!snapshot.empty() && !first->core.restore(model::shard_id(shard), snapshot)) return 0;
  }
  first->apply_all(in);
  const auto second = std::make_unique<machine>();
  for (std::uint64_t shard = 0; shard < 2; ++shard) {
    const byte_vector words = first->words(shard);
    WEIR_ASSERT(second->core.restore(model::shard_id(shard), words).has_value());
  }
  for (std::uint64_t shard = 0; shard < 2; ++shard) WEIR_ASSERT(first->words(shard) == second->words(shard));
  return 0;
}
