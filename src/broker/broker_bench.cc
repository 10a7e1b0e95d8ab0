// What a produce request costs in the core itself: names, rights, checks, places, the answer; the store copies the bytes
// and is durable at once, and the entry format does next to nothing.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/assert.h"
#include "broker/core.h"

namespace weir::broker {
namespace {

class quiet_clock final : public clock {
 public:
  [[nodiscard]] mono_ns now() const override { return mono_ns(1); }
  [[nodiscard]] wall_ms wall() const override { return wall_ms(1'700'000'000'000); }
};

class idle_executor final : public executor {
 public:
  void defer(task t) override { tasks.push_back(std::move(t)); }
  void send(task t) override { tasks.push_back(std::move(t)); }
  timer_id at(mono_ns, task) override { return timer_id(++timers_); }
  void cancel(timer_id) override {}
  std::vector<task> tasks;

 private:
  std::uint64_t timers_ = 0;
};

class plain_rng final : public rng {
 public:
  [[nodiscard]] std::uint64_t next() override { return ++state_ * 0x9e3779b97f4a7c15ULL; }

 private:
  std::uint64_t state_ = 0;
};

// Takes one-record entries as they are.
class trusting_format final : public model::entry_format {
 public:
  std::int64_t producer_id = -1;
  mutable std::int32_t sequence = 0;
  [[nodiscard]] result<model::entry_facts> inspect(bytes, const model::entry_rules&) const override {
    return model::entry_facts{1, 1'700'000'000'000, 1'700'000'000'000};
  }
  [[nodiscard]] std::size_t stamp(bytes p, model::offset base, model::epoch, std::optional<std::int64_t>,
                                  mutable_bytes head) const override {
    std::memcpy(head.data(), p.data(), 61);
    store_be(head.data(), base.raw());
    return 61;
  }
  [[nodiscard]] result<void> for_each(bytes, const std::function<bool(const model::record_view&)>&) const override {
    return {};
  }
  [[nodiscard]] result<std::optional<model::found_record>> find_time(bytes, std::int64_t) const override {
    return std::optional<model::found_record>();
  }
  [[nodiscard]] result<filtered> filter(bytes, const std::function<bool(const model::record_view&)>&) const override {
    return fault(errc::unsupported);
  }
  [[nodiscard]] result<model::producer_facts> producer(bytes p) const override {
    model::producer_facts f;
    f.producer_id = producer_id;
    f.producer_epoch = 0;
    f.first_sequence = f.last_sequence = static_cast<std::int32_t>(load_be<std::int64_t>(p.data()) & INT32_MAX);
    return f;
  }
};

// Logs that are counters: an append costs what the core makes it cost, and one copy.
class counter_store final : public model::log_store {
 public:
  explicit counter_store(model::state_machine& machine) : machine_(machine) { memory_.resize(64U << 20); }
  [[nodiscard]] result<void> writable(write_class) const override { return {}; }
  model::ticket append(const model::new_record& r) override {
    applied_.shard = r.shard;
    applied_.changes = r.changes;
    applied_.entries.clear();
    applied_.state_kind = r.state_kind;
    applied_.state_version = r.state_version;
    applied_.state = r.state;
    for (const auto& c : r.changes) ends_[c.log] = 0;
    for (const auto& e : r.entries) {
      const std::size_t n = e.head.size() + e.body.size();
      if (at_ + n > memory_.size()) at_ = 0;
      std::memcpy(memory_.data() + at_, e.head.data(), e.head.size());
      std::memcpy(memory_.data() + at_ + e.head.size(), e.body.data(), e.body.size());
      std::int64_t& end = ends_[e.log];
      applied_.entries.push_back({e.log, model::offset(end), e.count, e.format, e.max_timestamp_ms, e.leader_epoch,
                                  bytes(memory_).subspan(at_, n)});
      end += e.count;
      at_ += n;
    }
    machine_.apply(applied_);
    return model::ticket(++last_);
  }
  void sync() {
    durable_ = last_;
    machine_.on_durable(model::ticket(last_));
  }
  [[nodiscard]] model::ticket last_ticket() const override { return model::ticket(last_); }
  [[nodiscard]] model::ticket durable_ticket() const override { return model::ticket(durable_); }
  [[nodiscard]] bool exists(model::log_id log) const override { return ends_.contains(log); }
  [[nodiscard]] model::log_info info(model::log_id log) const override {
    const model::offset end(ends_.at(log));
    return {model::offset(0), end, end, 0, -1};
  }
  void set_policy(model::log_id, const model::log_policy&) override {}
  void clean_now(model::log_id, std::function<void(result<void>)>) override {}
  void read(const model::read_request&, model::read_done done) override { done(model::read_batch{}); }
  void find_time(model::log_id, std::int64_t, model::offset, model::find_done) override {}
  void find_latest_time(model::log_id, model::offset, model::find_done) override {}
  [[nodiscard]] model::store_stats stats() const override { return {}; }
  void checkpoint(std::function<void(result<void>)>) override {}

 private:
  model::state_machine& machine_;
  model::applied_record applied_;
  std::unordered_map<model::log_id, std::int64_t> ends_;
  byte_vector memory_;
  std::size_t at_ = 0;
  std::uint64_t last_ = 0;
  std::uint64_t durable_ = 0;
};

class counting_sink final : public model::event_sink {
 public:
  void on_event(model::token, model::event&& e) override {
    if (const auto* p = std::get_if<model::produced>(&e)) {
      for (const auto& i : p->items) WEIR_ASSERT(i.error == model::refusal::none);
    }
    ++events;
  }
  void on_pressure(bool) override {}
  std::uint64_t events = 0;
};

// Arguments: partitions in one request, whether the producer is idempotent.
void produce_request(benchmark::State& state) {
  const auto partitions = static_cast<std::int32_t>(state.range(0));
  settings config;
  quiet_clock time;
  idle_executor exec;
  plain_rng random;
  trusting_format format;
  format_registry formats;
  formats.add(model::format_tag::kafka_batch_v2, format);
  core c({0, 1, 4}, {config, exec, time, random, formats});
  c.link({&c});
  counter_store store(c);
  c.start(store, [](const result<void>&) {});
  store.sync();
  model::caller who;
  who.loopback = true;
  counting_sink sink;
  const auto session = c.port().attach(sink, who);
  model::create_topics make;
  make.topics.emplace_back().name = "measured-topic";
  make.topics.back().partitions = partitions;
  c.port().submit(session, model::token(0), std::move(make));
  store.sync();
  if (state.range(1) != 0) format.producer_id = 1;

  byte_vector entry(200);
  model::produce request;
  for (std::int32_t p = 0; p < partitions; ++p) {
    request.items.push_back({{"measured-topic", {}}, p, model::format_tag::kafka_batch_v2, entry});
  }
  std::uint64_t t = 0;
  for (auto _ : state) {
    store_be(entry.data(), static_cast<std::int64_t>(t));  // the sequence
    c.port().submit(session, model::token(++t), model::produce(request));
    if (t % 16 == 0) store.sync();
  }
  store.sync();
  WEIR_ASSERT(sink.events == t + 1);
  state.SetItemsProcessed(static_cast<std::int64_t>(t) * partitions);
  c.stop();
}
BENCHMARK(produce_request)->Args({1, 0})->Args({1, 1})->Args({100, 0})->Args({100, 1});

}  // namespace
}  // namespace weir::broker
