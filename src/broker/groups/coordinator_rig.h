// For tests: a coordinator with a clock that is moved by hand, a journal that becomes durable when told, and
// clients that write what they are answered into one readable log. Member ids show as "client#1", "client#2"
// in the order in which they were made.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "broker/groups/coordinator.h"

namespace weir::broker::testing {

class hand_clock final : public clock {
 public:
  [[nodiscard]] mono_ns now() const override { return now_; }
  [[nodiscard]] wall_ms wall() const override { return wall_ms{1'700'000'000'000 + now_.raw() / 1'000'000}; }
  [[nodiscard]] std::int64_t ms() const { return now_.raw() / 1'000'000; }
  void set(mono_ns to) { now_ = to; }

 private:
  mono_ns now_{0};
};

class hand_executor final : public executor {
 public:
  explicit hand_executor(hand_clock& time) : time_(time) {}
  void defer(task t) override { (void)at(time_.now(), std::move(t)); }
  void send(task t) override { defer(std::move(t)); }
  timer_id at(mono_ns when, task t) override {
    const timer_id id{++last_};
    timers_.emplace(std::pair(std::max(when, time_.now()), id), std::move(t));
    return id;
  }
  void cancel(timer_id id) override {
    std::erase_if(timers_, [&](const auto& t) { return t.first.second == id; });
  }
  // Runs all timers that are due until `ms` from now, each at its time.
  void run_for(std::int64_t ms) {
    const mono_ns end = time_.now() + ms * 1'000'000;
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      time_.set(timers_.begin()->first.first);
      const task run = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      run();
    }
    time_.set(end);
  }

 private:
  hand_clock& time_;
  std::map<std::pair<mono_ns, timer_id>, task> timers_;
  std::uint64_t last_ = 0;
};

class counting_rng final : public rng {
 public:
  explicit counting_rng(std::uint64_t seed = 1) : state_(seed) {}
  [[nodiscard]] std::uint64_t next() override {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

struct journal_entry {
  model::shard_id shard{};
  std::uint16_t kind = 0;
  std::uint8_t version = 0;
  byte_vector state;
};

class hand_journal final : public group_journal {
 public:
  result<model::ticket> append(model::shard_id shard, std::uint16_t kind, std::uint8_t version, bytes state) override {
    if (refusing) return fault(why);
    entries.push_back({shard, kind, version, {state.begin(), state.end()}});
    const auto done = owner->apply(shard, kind, version, entries.back().state);
    WEIR_ASSERT(done.has_value());
    const model::ticket t{++last_};
    if (auto_durable) durable_ = t;
    return t;
  }
  [[nodiscard]] model::ticket durable_ticket() const override { return durable_; }
  void when_durable(model::ticket at, task t) override { waiting_.emplace(at, std::move(t)); }
  // Everything appended so far is on disk now.
  void settle() {
    const model::ticket upto{last_};
    durable_ = upto;
    while (!waiting_.empty() && waiting_.begin()->first <= upto) {
      const task run = std::move(waiting_.begin()->second);
      waiting_.erase(waiting_.begin());
      run();
    }
  }
  [[nodiscard]] bool idle() const { return waiting_.empty(); }
  void crash() { waiting_.clear(); }

  group_coordinator* owner = nullptr;
  bool refusing = false;
  errc why = errc::no_space;
  bool auto_durable = true;  // settle() runs the waiting tasks
  std::vector<journal_entry> entries;

 private:
  std::uint64_t last_ = 0;
  model::ticket durable_{0};
  std::multimap<model::ticket, task> waiting_;
};

class hand_topics final : public topic_directory {
 public:
  void add(const std::string& name, std::int32_t partitions) {
    model::uuid id;
    id.data[15] = static_cast<std::uint8_t>(++made_);
    id.data[0] = 0x77;
    topics_[name] = {.error = model::refusal::none, .name = {}, .id = id, .partitions = partitions};
  }
  model::uuid remove(const std::string& name) {
    const model::uuid id = topics_.at(name).id;
    topics_.erase(name);
    return id;
  }
  [[nodiscard]] entry find(const model::caller&, const model::topic_ref& topic) const override {
    for (const auto& [name, t] : topics_) {
      if (topic.name.empty() ? t.id != topic.id : name != topic.name) continue;
      entry e = t;
      e.name = name;
      return e;
    }
    entry none;
    none.error = topic.name.empty() ? model::refusal::unknown_topic_id : model::refusal::unknown_topic_or_partition;
    return none;
  }
  [[nodiscard]] std::string_view name(const model::uuid& id) const override {
    for (const auto& [name, t] : topics_)
      if (t.id == id) return name;
    return {};
  }

 private:
  std::map<std::string, entry> topics_;
  int made_ = 0;
};

// One consumer as a test moves it. What it was answered last is in here.
struct client {
  std::string name;
  std::optional<std::string> instance{};
  std::vector<std::pair<std::string, std::string>> protocols{{"range", "topics"}};
  std::int32_t session_ms = 10'000;
  std::int32_t rebalance_ms = 60'000;
  bool id_required = false;
  bool knows_skip = false;
  std::uint64_t waiter = 0;  // 0: one is made up for each request
  std::string member{};
  std::int32_t generation = -1;
  std::string leader{};
  std::vector<std::string> members{};  // when it leads
  std::string assignment{};
};

class rig {
 public:
  explicit rig(group_settings s = {}, std::uint64_t seed = 1);
  // A new coordinator over what the journal holds, as after a crash: by records, or by a snapshot of the old
  // one.
  void restart(bool by_snapshot);

  void join(client& c, const std::string& group = "g");
  // The leader sends one assignment per pair (client name or member id, text); others send none.
  void sync(client& c, const std::vector<std::pair<std::string, std::string>>& assignments = {},
            const std::string& group = "g");
  model::refusal beat(const client& c, const std::string& group = "g");
  void leave(const client& c, const std::string& group = "g");
  struct place {
    std::string topic;
    std::int32_t partition = 0;
    std::int64_t at = 0;
    std::string metadata{};
    std::int32_t leader_epoch = -1;
    model::uuid id{};
  };
  void commit(const client& c, const std::vector<place>& places, const std::string& group = "g",
              std::int64_t retention_ms = -1);
  // "topic/partition@offset", with ":metadata" and "(epoch)" where there is one; waits are run through.
  std::string fetch(const std::vector<place>& places, const std::string& group = "g");
  std::string fetch_all(const std::string& group = "g");
  std::string state(const std::string& group = "g");
  std::string list(const std::vector<std::string_view>& states = {}, const std::vector<std::string_view>& types = {});
  model::refusal remove(const std::string& group = "g");
  std::string remove_offsets(const std::vector<place>& places, const std::string& group = "g");

  void pass(std::int64_t ms) {
    reactor.run_for(ms);
    if (journal.auto_durable) journal.settle();
  }
  void settle() { journal.settle(); }
  // The log since the last call.
  std::vector<std::string> said() { return std::exchange(log, {}); }
  std::string alias(const std::string& member);
  void note(const std::string& line) { log.push_back(std::to_string(time.ms()) + " " + line); }
  byte_vector snapshot() const;

  hand_clock time;
  hand_executor reactor{time};
  counting_rng random;
  hand_journal journal;
  hand_topics topics;
  group_settings settings;
  std::unique_ptr<group_coordinator> groups;
  model::caller who;
  std::vector<std::string> log;
  std::function<void(client&, const model::group_joined&)> on_joined{};
  std::function<void(client&, const model::group_synced&)> on_synced{};
  static constexpr model::shard_id shard{7};

 private:
  std::map<std::string, std::string> aliases_;
  std::map<std::string, int> alias_counts_;
  std::uint64_t waiters_ = 1'000;
};

[[nodiscard]] std::string text_of(model::refusal r);
// A "consumer" subscription to these topics, as a Kafka client writes it.
[[nodiscard]] std::string subscription_to(const std::vector<std::string>& topics);

}  // namespace weir::broker::testing
