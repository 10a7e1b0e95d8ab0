// Asks a node that has just started, before anybody writes, where the logs end from which the crash may have taken
// something, and tells the truth.
#pragma once

#include <vector>

#include "model/broker_port.h"
#include "tests/sim/broker_truth.h"

namespace weir::sim_tests {

class end_reader final : public model::event_sink {
 public:
  end_reader(broker_truth& known, broker_truth::fail_fn fail);
  // Nothing to ask.
  [[nodiscard]] bool idle() const { return asked_.empty(); }
  // On the port's reactor.
  void start(model::broker_port& port);
  [[nodiscard]] bool done() const { return done_; }
  // Done, and not because the node failed meanwhile.
  [[nodiscard]] bool knows() const { return done_ && !failed_; }
  void on_event(model::token t, model::event&& e) override;
  void on_pressure(bool) override {}

 private:
  broker_truth& known_;
  broker_truth::fail_fn fail_;
  std::vector<partition_name> asked_;
  bool done_ = false;
  bool failed_ = false;
};

}  // namespace weir::sim_tests
