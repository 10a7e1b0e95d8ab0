#include "tests/sim/broker_run.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "broker/core.h"
#include "platform/sim/sim_disk.h"
#include "protocol/kafka/entry_format.h"
#include "storage/store.h"
#include "tests/sim/broker_client.h"
#include "tests/sim/end_reader.h"
#include "tests/sim/troubles.h"
#include "tests/sim/whole_reader.h"

namespace weir::sim_tests {

using platform::sim::run_end;
using platform::sim::sim_disk;
using platform::sim::sim_rng;
using platform::sim::sim_volume;
using platform::sim::sim_world;

namespace {

constexpr std::uint64_t patience_steps = 400'000;
constexpr std::uint32_t shards_per_reactor = 2;

// One process life of the node.
struct node_life {
  std::unique_ptr<end_reader> ends;
  std::vector<std::unique_ptr<sim_disk>> disks;
  std::vector<std::unique_ptr<broker::core>> cores;
  std::vector<std::unique_ptr<storage::store>> stores;
  std::uint32_t ready = 0;
  std::optional<fault> not_ready;
};

class broker_run {
 public:
  broker_run(std::uint64_t seed, storage::planted_fault planted, broker_fault fault)
      : dice_(seed),
        levels_(seed ^ 0x6c6576656c73ULL),
        world_(dice_.next()),
        volume_(world_, {.capacity_bytes = 1ULL << 30, .direct = dice_.chance(0.5)}),
        reactors_(dice_.chance(0.4) ? 3 : 1),
        known_([this](const std::string& what) { fail(what); }) {
    if (tracing()) {
      world_.sink = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
    }
    options_ = draw_store_options(dice_);
    options_.planted = planted;
    options_.wal_write_bytes_max = std::max<std::uint32_t>(options_.wal_write_bytes_max, 16384);
    options_.wal_file_bytes = std::max<std::uint64_t>(options_.wal_file_bytes, 4 * options_.wal_write_bytes_max);
    options_.record_bytes_max = options_.wal_file_bytes / 2;
    config_.cluster_id = "simulated-cluster-id-0";
    config_.limits.record_bytes = options_.record_bytes_max - 8192;
    config_.message_max_bytes = 8192;
    store_formats_.add(model::format_tag::kafka_batch_v2, format_);
    core_formats_.add(model::format_tag::kafka_batch_v2, format_);
    for (std::uint32_t r = 0; r < reactors_; ++r) {
      sim_disk top(volume_, world_.add_reactor());
      (void)top.make_folder("s" + std::to_string(r));
      (void)top.sync_folder_now("");
    }
    for (std::size_t c = 0; c < 3; ++c) {
      clients_.push_back(std::make_unique<broker_client>(c, world_, known_, outcome_.counts,
                                                         [this](const std::string& what) { fail(what); }));
    }
    // Drawn apart, so that a seed without async topics stays what it was.
    const bool secret = fault == broker_fault::sync_not_waiting;
    if (!levels_.chance(0.5) && !secret) return;
    ++outcome_.counts["seeds_with_async"];
    for (auto& c : clients_) {
      c->levels = &levels_;
      c->levels_in_secret = secret;
    }
  }

  seed_outcome run() {
    const std::uint64_t generations = dice_.between(2, 5);
    for (std::uint64_t g = 0; g < generations && outcome_.failure.empty(); ++g) generation();
    if (outcome_.failure.empty()) last_generation();
    drop();
    for (const auto& v : volume_.violations()) fail("rule of the disk broken: " + v);
    outcome_.sites = volume_.sites();
    return std::move(outcome_);
  }

 private:
  void fail(const std::string& what) {
    if (volume_.dead()) return;
    if (world_.tracing()) world_.trace("FAIL " + what);
    if (outcome_.failure.empty()) outcome_.failure = what;
    world_.stop();
  }
  [[nodiscard]] bool over() const { return !outcome_.failure.empty() || volume_.dead(); }
  [[nodiscard]] bool fenced() const {
    return std::any_of(life_.cores.begin(), life_.cores.end(), [](const auto& c) { return c->stats().fenced; });
  }

  // The process is gone, without a word.
  void drop() {
    if (!volume_.dead()) volume_.cut_power();
    for (auto& c : clients_) c->disconnect();
    for (auto& c : life_.cores) c->stop();
    life_.stores.clear();
    for (std::size_t r = 0; r < world_.reactors(); ++r) world_.reactor(r).drop_all();
    life_ = {};
  }
  void crash(bool power) {
    drop();
    if (power)
      volume_.power_cycle();
    else
      volume_.kill_process();
  }

  [[nodiscard]] result<void> open_stores() {
    for (std::uint32_t r = 0; r < reactors_; ++r) {
      life_.cores.push_back(std::make_unique<broker::core>(
          broker::layout{r, reactors_, shards_per_reactor},
          broker::core_deps{config_, world_.reactor(r), world_.time(), world_.random(), core_formats_}));
    }
    std::vector<broker::core*> all;
    for (auto& c : life_.cores) all.push_back(c.get());
    for (auto& c : life_.cores) c->link(all);
    for (std::uint32_t r = 0; r < reactors_; ++r) {
      life_.disks.push_back(std::make_unique<sim_disk>(volume_, world_.reactor(r), "s" + std::to_string(r)));
      auto opened = storage::open_store(*life_.disks[r], world_.reactor(r), world_.time(), world_.random(),
                                        store_formats_, *life_.cores[r], options_);
      if (!opened) return opened.error();
      life_.stores.push_back(std::move(*opened));
    }
    return {};
  }

  // What may have lost records says where it ends now. False: the node failed before it did.
  bool learn_ends() {
    life_.ends = std::make_unique<end_reader>(known_, [this](const std::string& what) { fail(what); });
    if (life_.ends->idle()) return true;
    world_.reactor(0).defer([this] { life_.ends->start(life_.cores[0]->port()); });
    const run_end how = world_.run_until([this] { return life_.ends->done() || fenced(); }, patience_steps);
    if (!over() && how != run_end::reached) fail("a node that has started does not say where its logs end");
    return !over() && life_.ends->knows();
  }

  // True: the node serves and the clients are connected, or it failed at once.
  bool open() {
    // With its reserve whole a node starts on a disk that is full to the last byte.
    bool reserves_whole = troubles_.now() == trouble::full_at_start;
    for (std::uint32_t r = 0; r < reactors_; ++r) {
      const auto* f = volume_.find("s" + std::to_string(r) + "/reserve");
      reserves_whole = reserves_whole && f != nullptr && f->cache.size() >= options_.reserve_bytes;
    }
    if (reserves_whole) ++outcome_.counts["full_with_reserve"];
    for (int attempt = 0;; ++attempt) {
      if (attempt == 4) {
        volume_.faults = {};
        volume_.set_capacity(1ULL << 30);  // nothing was kept in reserve when the disk became full
      }
      auto done = open_stores();
      if (done && !volume_.dead()) done = start_cores(troubles_.now() == trouble::full_at_start && !reserves_whole);
      if (volume_.dead()) {
        crash(true);
        return false;
      }
      if (!outcome_.failure.empty()) return false;
      if (done) break;
      const bool excused = (excuse_.io && (done.error().code == errc::io || done.error().code == errc::fenced)) ||
                           (excuse_.no_space && done.error().code == errc::no_space && !reserves_whole);
      if (!excused || attempt > 6) {
        fail("the node does not start: " + done.error().describe());
        return false;
      }
      ++outcome_.counts["refused_start"];
      crash(dice_.chance(0.3));
    }
    troubles_.opened();
    ++outcome_.counts["starts"];
    if (!learn_ends()) return outcome_.failure.empty();
    for (auto& c : clients_) {
      const auto r = static_cast<std::size_t>(dice_.below(reactors_));
      world_.reactor(r).defer(
          [this, client = c.get(), r] { client->connect(life_.cores[r]->port(), world_.reactor(r)); });
    }
    (void)world_.run_for(100'000, patience_steps);
    return true;
  }

  // With `full` there may be no room to get ready in: it waits, and gets ready when there is some.
  [[nodiscard]] result<void> start_cores(bool full) {
    for (std::uint32_t r = 0; r < reactors_; ++r) {
      world_.reactor(r).defer([this, r] {
        life_.cores[r]->start(*life_.stores[r], [this](result<void> done) {
          if (done)
            ++life_.ready;
          else
            life_.not_ready = done.error();
        });
      });
    }
    const auto decided = [this] { return life_.ready == reactors_ || life_.not_ready || fenced(); };
    run_end how = world_.run_until(decided, full ? patience_steps / 20 : patience_steps);
    if (full && how != run_end::reached && !over()) {
      ++outcome_.counts["waited_for_room"];
      volume_.set_capacity(1ULL << 30);
      how = world_.run_until(decided, patience_steps);
    }
    if (over()) return {};
    if (life_.not_ready) return *life_.not_ready;
    if (fenced()) return fault(errc::fenced, "fenced while it started");
    if (how != run_end::reached) fail("the node does not get ready");
    return {};
  }

  void generation() {
    excuse_ = troubles_.choose();
    troubles_.choose_crash();
    ++outcome_.counts["trouble_" + std::to_string(static_cast<int>(troubles_.now()))];
    for (auto& c : clients_) {
      c->excuse_io = excuse_.io;
      c->excuse_space = excuse_.no_space;
      c->excuse_damage = excuse_.damage;
    }
    if (!open()) {
      if (volume_.dead()) crash(true);
      return;
    }
    const std::uint64_t pieces = dice_.between(10, 150);
    for (std::uint64_t i = 0; i < pieces && !over() && !fenced(); ++i) {
      broker_client& c = *clients_[dice_.below(clients_.size())];
      on_its_reactor(c, [&c] { c.act(); });
      const std::uint64_t draw = dice_.below(100);
      const std::uint64_t ns = draw < 3    ? dice_.below(60'000'000)
                               : draw < 15 ? dice_.below(3'000'000)
                                           : dice_.below(150'000);
      (void)world_.run_for(static_cast<std::int64_t>(ns), patience_steps);
    }
    if (!outcome_.failure.empty()) return;
    if (!volume_.dead() && fenced() && !excuse_.io && !excuse_.no_space) return fail("fenced without a reason");
    if (!volume_.dead() && !fenced() && dice_.chance(0.4)) settle();
    if (outcome_.failure.empty()) crash(volume_.dead() || dice_.chance(0.6));
  }

  template<class F>
  void on_its_reactor(broker_client& c, F f) {
    if (auto* r = c.reactor()) r->defer(std::move(f));
  }

  // All troubles end; what clients want gets done.
  void settle() {
    troubles_.end();
    for (int round = 0; round < 400; ++round) {
      if (over() || fenced()) return;
      if (std::all_of(clients_.begin(), clients_.end(), [](const auto& c) { return c->idle(); })) return;
      for (auto& c : clients_) on_its_reactor(*c, [client = c.get()] { client->finish(); });
      (void)world_.run_for(3'000'000, patience_steps);
    }
    fail("clients do not get their work done");
  }

  void last_generation() {
    troubles_.end();
    volume_.arm({});
    excuse_ = {};
    for (auto& c : clients_) c->excuse_io = c->excuse_space = c->excuse_damage = false;
    if (!open()) return;
    settle();
    for (auto& c : clients_) on_its_reactor(*c, [client = c.get()] { client->ask_offsets(); });
    (void)world_.run_for(5'000'000, patience_steps);
    look_at_everything();
    if (over()) return;
    crash(true);
    if (!open()) return;
    for (auto& c : clients_) on_its_reactor(*c, [client = c.get()] { client->ask_offsets(); });
    (void)world_.run_for(5'000'000, patience_steps);
    look_at_everything();
  }

  void look_at_everything() {
    if (over()) return;
    whole_reader reader(known_, [this](const std::string& what) { fail(what); });
    world_.reactor(0).defer([&] { reader.start(life_.cores[0]->port()); });
    const run_end how = world_.run_until([&] { return reader.done(); }, patience_steps);
    if (!over() && how != run_end::reached) fail("a last look does not end");
  }

  sim_rng dice_;
  sim_rng levels_;
  sim_world world_;
  sim_volume volume_;
  std::uint32_t reactors_;
  seed_outcome outcome_;
  broker_truth known_;
  storage::store_options options_;
  broker::settings config_;
  kafka::batch_entry_format format_;
  storage::format_registry store_formats_;
  broker::format_registry core_formats_;
  std::vector<std::unique_ptr<broker_client>> clients_;
  node_life life_;
  troubles troubles_{volume_, dice_};
  excuses excuse_;
};

}  // namespace

seed_outcome run_broker_seed(std::uint64_t seed, storage::planted_fault planted, broker_fault fault) {
  return broker_run(seed, planted, fault).run();
}

}  // namespace weir::sim_tests
