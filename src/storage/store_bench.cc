// What the store itself costs per appended entry: a disk that takes everything at once, so that only our own work counts.
#include <benchmark/benchmark.h>

#include <deque>
#include <map>

#include "storage/store.h"

namespace weir::storage {
namespace {

class bench_clock final : public clock {
 public:
  [[nodiscard]] mono_ns now() const override { return now_; }
  [[nodiscard]] wall_ms wall() const override { return wall_ms{1'700'000'000'000}; }
  mono_ns now_{1};
};

class bench_rng final : public rng {
 public:
  [[nodiscard]] std::uint64_t next() override { return ++state_ * 0x9e3779b97f4a7c15ULL; }
  std::uint64_t state_ = 1;
};

class bench_executor final : public executor {
 public:
  void defer(task t) override { tasks_.push_back(std::move(t)); }
  void send(task t) override { tasks_.push_back(std::move(t)); }
  timer_id at(mono_ns, task) override { return timer_id{1}; }
  void cancel(timer_id) override {}
  void run() {
    while (!tasks_.empty()) {
      task t = std::move(tasks_.front());
      tasks_.pop_front();
      t();
    }
  }
  std::deque<task> tasks_;
};

class null_file final : public platform::file {
 public:
  explicit null_file(bench_executor& e) : exec_(e) {}
  void write(std::uint64_t pos, std::vector<bytes> parts, platform::io_done done) override {
    std::size_t n = 0;
    for (const bytes p : parts) n += p.size();
    size_ = std::max<std::uint64_t>(size_, pos + n);
    exec_.defer([done = std::move(done), n] { done(n); });
  }
  void read(std::uint64_t, mutable_bytes into, platform::io_done done) override {
    std::fill(into.begin(), into.end(), std::byte{0});
    exec_.defer([done = std::move(done), n = into.size()] { done(n); });
  }
  void sync(platform::op_done done) override {
    exec_.defer([done = std::move(done)] { done({}); });
  }
  void allocate(std::uint64_t, platform::op_done done) override { sync(std::move(done)); }
  result<std::size_t> read_now(std::uint64_t, mutable_bytes) override { return std::size_t{0}; }
  result<void> write_now(std::uint64_t, bytes) override { return {}; }
  result<void> sync_now() override { return {}; }
  result<void> truncate_now(std::uint64_t) override { return {}; }
  [[nodiscard]] std::uint64_t size() const override { return size_; }

 private:
  bench_executor& exec_;
  std::uint64_t size_ = 0;
};

class null_disk final : public platform::disk {
 public:
  explicit null_disk(bench_executor& e) : exec_(e) {}
  result<std::shared_ptr<platform::file>> open(const std::string& path, platform::open_options o) override {
    auto& f = files_[path];
    if (f == nullptr && !o.create) return fault(errc::not_found);
    if (f == nullptr) f = std::make_shared<null_file>(exec_);
    return std::shared_ptr<platform::file>(f);
  }
  result<void> make_folder(const std::string&) override { return {}; }
  result<std::vector<platform::folder_entry>> list(const std::string&) override {
    return std::vector<platform::folder_entry>{};
  }
  result<void> rename(const std::string&, const std::string&) override { return {}; }
  result<platform::space_info> space() override { return platform::space_info{1ULL << 40, 1ULL << 40}; }
  void unlink(const std::string& path, platform::op_done done) override {
    files_.erase(path);
    exec_.defer([done = std::move(done)] { done({}); });
  }
  void sync_folder(const std::string&, platform::op_done done) override {
    exec_.defer([done = std::move(done)] { done({}); });
  }
  result<void> unlink_now(const std::string&) override { return {}; }
  result<void> sync_folder_now(const std::string&) override { return {}; }
  [[nodiscard]] bool direct() const override { return true; }

 private:
  bench_executor& exec_;
  std::map<std::string, std::shared_ptr<null_file>> files_;
};

class null_machine final : public model::state_machine {
 public:
  void apply(const model::applied_record&) override {}
  void snapshot(model::shard_id, byte_vector&) const override {}
  result<void> restore(model::shard_id, bytes) override { return {}; }
  void on_durable(model::ticket) override {}
  void on_fenced(const fault&) override {}
  void on_writable() override {}
};

struct setup {
  setup() {
    auto opened = open_store(disk, exec, time, random, formats, machine, {});
    s = std::move(*opened);
    exec.run();
  }
  void create(std::uint64_t logs) {
    for (std::uint64_t i = 1; i <= logs; ++i) {
      model::new_record r;
      r.shard = model::shard_id{i % 64};
      r.changes.push_back({model::log_change_kind::create, model::log_id{i}, {}});
      (void)s->append(r);
    }
    exec.run();
  }
  bench_executor exec;
  bench_clock time;
  bench_rng random;
  null_disk disk{exec};
  format_registry formats;
  null_machine machine;
  std::unique_ptr<store> s;
};

// One entry per record, `turn` records per loop turn, over range(1) logs.
void append(benchmark::State& state) {
  setup env;
  const auto logs = static_cast<std::uint64_t>(state.range(1));
  env.create(logs);
  const byte_vector payload(static_cast<std::size_t>(state.range(0)), std::byte{7});
  constexpr int turn = 64;
  model::new_record r;
  r.entries.resize(1);
  r.entries[0].count = 1;
  r.entries[0].head = bytes(payload).first(61);
  r.entries[0].body = bytes(payload).subspan(61);
  std::uint64_t next = 0;
  for ([[maybe_unused]] auto _ : state) {
    for (int i = 0; i < turn; ++i) {
      const std::uint64_t id = 1 + next++ % logs;
      r.shard = model::shard_id{id % 64};
      r.entries[0].log = model::log_id{id};
      if (!env.s->writable(model::log_store::write_class::bulk)) env.exec.run();
      (void)env.s->append(r);
    }
    env.exec.run();
  }
  state.SetItemsProcessed(state.iterations() * turn);
  state.SetBytesProcessed(state.iterations() * turn * state.range(0));
  state.counters["checkpoints"] = static_cast<double>(env.s->stats().checkpoints);
}
BENCHMARK(append)
    ->Args({100, 1})
    ->Args({1024, 1})
    ->Args({1024, 100})
    ->Args({1024, 10000})
    ->Args({16384, 1})
    ->Args({16384, 100});

}  // namespace
}  // namespace weir::storage
