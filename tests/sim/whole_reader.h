// Reads partitions from their first to their last record, one after the other, and hands them to the truth.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "model/broker_port.h"
#include "tests/sim/broker_truth.h"

namespace weir::sim_tests {

class whole_reader final : public model::event_sink {
 public:
  whole_reader(broker_truth& known, broker_truth::fail_fn fail) : known_(known), fail_(std::move(fail)) {}
  // On the port's reactor.
  void start(model::broker_port& port);
  [[nodiscard]] bool done() const { return done_; }
  void on_event(model::token t, model::event&& e) override;
  void on_pressure(bool) override {}

 private:
  // What an answer leads to. It is done when the answer is gone: its buffers count against the store's budget.
  enum class step { none, fetch, next_partition };
  void next_partition();
  void fetch();
  [[nodiscard]] step take(const model::offsets_listed& e);
  [[nodiscard]] step take(const model::fetched& e);
  [[nodiscard]] step failed(const std::string& why);

  broker_truth& known_;
  broker_truth::fail_fn fail_;
  model::broker_port* port_ = nullptr;
  model::session_id session_{};
  std::uint64_t token_ = 0;
  std::vector<partition_name> left_;
  partition_name now_;
  std::int64_t start_ = 0;
  std::int64_t position_ = 0;
  std::map<std::int64_t, record_id> records_;
  bool done_ = false;
};

}  // namespace weir::sim_tests
