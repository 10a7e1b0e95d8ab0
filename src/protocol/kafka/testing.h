// What tests and fuzzers of sessions share: a host without a socket and a core that answers when told to.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "protocol/kafka/session.h"

namespace weir::kafka::testing {

class fake_host final : public protocol::session_host {
 public:
  void wake() override { ++wakes; }
  [[nodiscard]] const protocol::endpoint& local() const override { return local_; }
  [[nodiscard]] const protocol::endpoint& peer() const override { return peer_; }
  [[nodiscard]] std::uint64_t connection_id() const override { return 1; }
  [[nodiscard]] std::size_t unsent() const override { return unsent_bytes; }

  int wakes = 0;
  std::size_t unsent_bytes = 0;

 private:
  protocol::endpoint local_{"127.0.0.1", 9092};
  protocol::endpoint peer_{"127.0.0.1", 50000};
};

// The empty event that answers a command: same index in the two variants' pairing, with as many items as were
// asked.
[[nodiscard]] model::event plain_answer(const model::command& c);

class fake_broker final : public model::broker_port {
 public:
  [[nodiscard]] model::session_id attach(model::event_sink& sink, const model::caller& who) override {
    sink_ = &sink;
    caller = who;
    return model::session_id(1);
  }
  void detach(model::session_id /*s*/) override { sink_ = nullptr; }
  void submit(model::session_id /*s*/, model::token t, model::command&& c) override {
    kinds.push_back(c.index());
    if (const auto* f = std::get_if<model::fetch>(&c)) {
      fetched_partitions.clear();
      for (const auto& i : f->items) fetched_partitions.push_back(i.partition);
    }
    model::event e = plain_answer(c);
    if (at_once) return sink_->on_event(t, std::move(e));
    waiting.emplace_back(t, std::move(e));
  }
  [[nodiscard]] const node_info& node() const override { return node_; }

  // Delivers the answer of the i-th waiting command.
  void deliver(std::size_t i) {
    auto [t, e] = std::move(waiting[i]);
    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(i));
    if (sink_ != nullptr) sink_->on_event(t, std::move(e));
  }
  void press(bool paused) { sink_->on_pressure(paused); }

  bool at_once = true;
  std::vector<std::size_t> kinds;                // command::index() of all that were submitted
  std::vector<std::int32_t> fetched_partitions;  // of the last fetch, in its order
  std::vector<std::pair<model::token, model::event>> waiting;
  model::caller caller;

 private:
  model::event_sink* sink_ = nullptr;
  node_info node_{1, "test-cluster"};
};

}  // namespace weir::kafka::testing
