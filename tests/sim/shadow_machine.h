// The state machine of the simulations: for every shard the last lsn, the digest of all that it was shown, and the bounds of
// its logs. Every call that the store makes is checked against the truth on the spot.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "model/log_port.h"
#include "tests/sim/truth.h"

namespace weir::sim_tests {

class shadow_machine final : public model::state_machine {
 public:
  using fail_fn = std::function<void(const std::string&)>;
  shadow_machine(truth& t, fail_fn fail) : truth_(t), fail_(std::move(fail)) {}

  void apply(const model::applied_record& record) override;
  void snapshot(model::shard_id shard, byte_vector& out) const override;
  result<void> restore(model::shard_id shard, bytes snapshot) override;
  void on_durable(model::ticket t) override;
  void on_fenced(const fault& why) override;
  void on_writable() override { ++writable_calls; }

  // The store is open: what follows is new.
  void go_live() { live_ = true; }
  [[nodiscard]] std::uint64_t last_lsn(model::shard_id shard) const;
  [[nodiscard]] bool fenced() const { return fenced_; }
  [[nodiscard]] std::uint64_t durable() const { return durable_; }

  std::uint64_t writable_calls = 0;
  std::uint64_t restores = 0;
  std::uint64_t replays = 0;
  std::function<std::uint64_t()> last_ticket;  // of the store, when live

 private:
  struct log_shadow {
    model::offset start{};
    model::offset end{};
  };
  struct shard_shadow {
    std::uint64_t last = 0;
    std::uint64_t digest = 0;
    std::map<model::log_id, log_shadow> logs;
  };
  void apply_changes(shard_shadow& s, const model::applied_record& r);
  void apply_entries(shard_shadow& s, const model::applied_record& r);

  truth& truth_;
  fail_fn fail_;
  std::map<model::shard_id, shard_shadow> shards_;
  bool live_ = false;
  bool fenced_ = false;
  std::uint64_t durable_ = 0;
};

}  // namespace weir::sim_tests
