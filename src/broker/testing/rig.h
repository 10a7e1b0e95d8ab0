// For tests: a whole node of one or more cores on fake stores, with clients that keep what they are answered.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "broker/core.h"
#include "broker/groups/coordinator_rig.h"
#include "broker/testing/fake_store.h"

namespace weir::broker::node_testing {

using testing::hand_clock;
using testing::hand_executor;

class counting_rng final : public rng {
 public:
  [[nodiscard]] std::uint64_t next() override {
    state_ += 0x9e3779b97f4a7c15ULL;
    return (state_ ^ (state_ >> 31)) * 0xbf58476d1ce4e5b9ULL;
  }

 private:
  std::uint64_t state_ = 0;
};

class client final : public model::event_sink {
 public:
  void on_event(model::token t, model::event&& e) override {
    WEIR_ASSERT(!events.contains(t.raw()));  // exactly one event per command
    order.push_back(t.raw());
    events.emplace(t.raw(), std::move(e));
  }
  void on_pressure(bool p) override { paused = p; }
  [[nodiscard]] bool has(std::uint64_t t) const { return events.contains(t); }
  template<class Event>
  [[nodiscard]] const Event& get(std::uint64_t t) const {
    WEIR_ASSERT(events.contains(t));
    return std::get<Event>(events.at(t));
  }
  std::map<std::uint64_t, model::event> events;
  std::vector<std::uint64_t> order;
  bool paused = false;
};

// Everything that survives a crash, and the node on top of it.
class rig {
 public:
  explicit rig(std::uint32_t reactors = 1, const settings& s = {}) : config(s), disks_(reactors), reactors_(reactors) {
    formats.add(model::format_tag::kafka_batch_v2, format);
    who.loopback = true;
    who.principal = "loopback";
    up();
  }
  ~rig() { down(); }

  // Kills the node: what was not synced is lost. `up` starts it again on the same disks.
  void down() {
    for (auto& c : cores_) c->stop();
    stores.clear();
    cores_.clear();
    exec.reset();
  }
  void up() {
    exec = std::make_unique<hand_executor>(time);
    for (std::uint32_t r = 0; r < reactors_; ++r) {
      cores_.push_back(
          std::make_unique<core>(layout{r, reactors_, 2}, core_deps{config, *exec, time, random, formats}));
    }
    std::vector<core*> all;
    for (auto& c : cores_) all.push_back(c.get());
    for (auto& c : cores_) c->link(all);
    ready = 0;
    for (std::uint32_t r = 0; r < reactors_; ++r) {
      stores.push_back(std::make_unique<fake_store>(disks_[r], *cores_[r], *exec));
      const auto recovered = stores[r]->recover();
      WEIR_ASSERT(recovered.has_value());
    }
    for (std::uint32_t r = 0; r < reactors_; ++r) {
      cores_[r]->start(*stores[r], [this](result<void> done) {
        WEIR_ASSERT(done.has_value());
        ++ready;
      });
    }
    settle();
    WEIR_ASSERT(ready == reactors_);
    me.events.clear();
    me.order.clear();
    me.paused = false;
    session = port().attach(me, who);
  }
  void restart() {
    down();
    up();
  }
  // Everything durable and delivered, no time passes.
  void settle() {
    for (int i = 0; i < 20; ++i) {
      exec->run_for(0);
      for (auto& s : stores) s->sync();
    }
    exec->run_for(0);
  }
  void checkpoint() {
    for (std::uint32_t r = 0; r < reactors_; ++r) stores[r]->checkpoint_now(shards_of({r, reactors_, 2}));
  }

  [[nodiscard]] model::broker_port& port(std::uint32_t reactor = 0) { return cores_[reactor]->port(); }
  [[nodiscard]] core& at(std::uint32_t reactor = 0) { return *cores_[reactor]; }
  [[nodiscard]] fake_store& store(std::uint32_t reactor = 0) { return *stores[reactor]; }

  // Submits and returns the token.
  std::uint64_t send(model::command c) {
    port().submit(session, model::token(++token), std::move(c));
    return token;
  }
  // Submits, makes everything durable, returns the answer.
  template<class Event>
  Event ask(model::command c) {
    const std::uint64_t t = send(std::move(c));
    settle();
    return me.get<Event>(t);
  }
  model::topic_result create(std::string_view name, std::int32_t partitions = 1,
                             std::vector<std::pair<std::string_view, std::optional<std::string_view>>> configs = {}) {
    model::create_topics c;
    c.topics.emplace_back();
    c.topics.back().name = name;
    c.topics.back().partitions = partitions;
    c.topics.back().configs = std::move(configs);
    return ask<model::topics_created>(std::move(c)).topics.at(0);
  }
  // The entry must live until the call returns; it is copied by then.
  static model::produce produce_of(std::string_view topic, std::int32_t partition, bytes entry) {
    model::produce p;
    p.items.push_back({{topic, {}}, partition, model::format_tag::kafka_batch_v2, entry});
    return p;
  }
  model::produced::item put(std::string_view topic, std::int32_t partition, const fake_format::spec& s) {
    const byte_vector e = fake_format::make(s);
    return ask<model::produced>(produce_of(topic, partition, e)).items.at(0);
  }
  static model::fetch fetch_of(std::string_view topic, std::int32_t partition, std::int64_t from,
                               std::int32_t wait_ms = 0) {
    model::fetch f;
    f.items.push_back({{topic, {}}, partition, model::offset(from), {}, {}, 1 << 20});
    f.items.back().current_epoch = model::epoch(-1);
    f.items.back().last_epoch = model::epoch(-1);
    f.wait_ms = wait_ms;
    f.bytes_min = 1;
    f.bytes_max = 50 << 20;
    return f;
  }
  model::fetched::item get(std::string_view topic, std::int32_t partition, std::int64_t from) {
    return std::move(ask<model::fetched>(fetch_of(topic, partition, from)).items.at(0));
  }

  settings config;
  hand_clock time;
  counting_rng random;
  fake_format format;
  format_registry formats;
  std::unique_ptr<hand_executor> exec;
  std::vector<std::unique_ptr<fake_store>> stores;
  model::caller who;
  client me;
  model::session_id session{};
  std::uint64_t token = 0;
  std::uint32_t ready = 0;

 private:
  std::vector<fake_disk> disks_;
  std::uint32_t reactors_;
  std::vector<std::unique_ptr<core>> cores_;
};

}  // namespace weir::broker::node_testing
