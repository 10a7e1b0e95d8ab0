#include "tests/sim/storage_run.h"

#include <algorithm>
#include <cstdio>

#include "tests/sim/damage.h"
#include "tests/sim/troubles.h"

namespace weir::sim_tests {

using platform::sim::run_end;
using platform::sim::sim_disk;
using platform::sim::sim_rng;
using platform::sim::sim_volume;
using platform::sim::sim_world;

namespace {

constexpr std::uint64_t patience_steps = 200'000;

work_shape draw_shape(sim_rng& dice) {
  work_shape s;
  s.shards = dice.between(1, 3);
  s.append = dice.between(4, 16);
  s.burst = dice.below(4);
  s.state_only = dice.below(4);
  s.create = dice.between(1, 3);
  s.remove = dice.below(2);
  s.trim = dice.below(3);
  s.read = dice.between(1, 8);
  s.find = dice.below(2);
  s.checkpoint = dice.below(2);
  s.clean = dice.below(2);
  s.policy = dice.below(2);
  s.payload_max = dice.chance(0.2) ? 1500 : dice.between(20, 400);
  s.logs_max = dice.chance(0.2) ? 120 : dice.between(1, 24);
  s.compaction = dice.chance(0.3);
  s.retention = dice.chance(0.3);
  return s;
}

store_node::open_fn open_fn_of_storage() {
  return
      [](platform::disk& disk, executor& exec, const clock& time, rng& random, const storage::format_registry& formats,
         model::state_machine& machine, const storage::store_options& options) {
        return storage::open_store(disk, exec, time, random, formats, machine, options);
      };
}

class storage_run {
 public:
  storage_run(std::uint64_t seed, const run_config& config)
      : dice_(seed),
        world_(dice_.next()),
        volume_(world_, {.capacity_bytes = 1ULL << 30, .direct = dice_.chance(0.5)}) {
    if (tracing()) {
      world_.sink = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
    }
    const std::size_t reactors = dice_.chance(0.2) ? 3 : 1;
    const work_shape shape = draw_shape(dice_);
    storage::store_options options = draw_store_options(dice_);
    options.planted = config.planted;
    const store_node::open_fn open = config.open ? config.open : open_fn_of_storage();
    damage_ = config.damage;
    for (std::size_t i = 0; i < reactors; ++i) {
      auto& reactor = world_.add_reactor();
      const std::string folder = "s" + std::to_string(i);
      sim_disk top(volume_, reactor);
      (void)top.make_folder(folder);
      (void)top.sync_folder_now("");
      nodes_.push_back(std::make_unique<store_node>(world_, volume_, reactor, folder, shape, options, open,
                                                    [this](const std::string& what) { fail(what); }));
    }
  }

  seed_outcome run() {
    const std::uint64_t generations = dice_.between(2, 6);
    for (std::uint64_t g = 0; g < generations && outcome_.failure.empty(); ++g) generation();
    if (outcome_.failure.empty()) last_generation();
    drop_all();
    for (const auto& v : volume_.violations()) fail("rule of the disk broken: " + v);
    outcome_.sites = volume_.sites();
    for (const auto& n : nodes_) {
      for (const auto& [name, count] : n->counts) outcome_.counts[name] += count;
    }
    return std::move(outcome_);
  }

 private:
  void fail(const std::string& what) {
    if (world_.tracing()) world_.trace("FAIL " + what);
    if (outcome_.failure.empty()) outcome_.failure = what;
    world_.stop();
  }
  struct flip {
    std::string path;
    std::uint64_t bit = 0;
    std::uint64_t file = 0;  // the inode
    byte_vector around;      // as the flip left it
  };
  [[nodiscard]] bool over() const { return !outcome_.failure.empty() || volume_.dead(); }

  void drop_all() {
    if (!volume_.dead()) volume_.cut_power();
    for (auto& n : nodes_) n->drop();
  }

  // --- One generation
  void generation() {
    excuses e = troubles_.choose();
    e.damage = e.damage || !flipped_.empty();
    for (auto& n : nodes_) n->excuse = e;
    ++outcome_.counts["trouble_" + std::to_string(static_cast<int>(troubles_.now()))];
    troubles_.choose_crash();
    // With its reserve whole a store opens on a disk that is full to the last byte.
    full_with_reserve_ = troubles_.now() == trouble::full_at_start &&
                         std::all_of(nodes_.begin(), nodes_.end(), [](const auto& n) { return n->has_reserve(); });
    if (full_with_reserve_) ++outcome_.counts["full_with_reserve"];
    if (!open_all()) return;
    full_with_reserve_ = false;
    verify_all();
    const std::uint64_t pieces = dice_.between(10, 120);
    for (std::uint64_t i = 0; i < pieces && !over(); ++i) {
      store_node& n = *nodes_[dice_.below(nodes_.size())];
      world_.reactor(index_of(n)).defer([&n] { n.work(); });
      pass_time();
      if (check_fence()) return;
    }
    if (!over()) end_of_work();
    if (volume_.dead()) crash(true);
  }

  [[nodiscard]] std::size_t index_of(const store_node& n) const {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].get() == &n) return i;
    }
    return 0;
  }

  void pass_time() {
    const std::uint64_t draw = dice_.below(100);
    std::uint64_t ns = dice_.below(120'000);
    if (draw < 15) ns = dice_.below(3'000'000);
    if (draw < 3) ns = dice_.below(60'000'000);
    (void)world_.run_for(static_cast<std::int64_t>(ns), patience_steps);
    if (dice_.chance(0.005)) world_.time().step_wall(dice_.chance(0.5) ? 3'600'000 : -3'600'000);
  }

  // False: the generation is over (or the run).
  bool open_all() {
    for (int attempt = 0;; ++attempt) {
      const auto refused = std::find_if(nodes_.begin(), nodes_.end(), [](auto& n) { return !n->open(); });
      if (volume_.dead()) {
        crash(true);
        return false;
      }
      if (refused == nodes_.end()) break;
      if (!outcome_.failure.empty() || !may_retry((*refused)->why(), attempt)) return false;
    }
    if (!outcome_.failure.empty()) return false;
    for (auto& n : nodes_) n->set_policies();
    troubles_.opened();
    return true;
  }

  bool may_retry(const fault& why, int attempt) {
    if (world_.tracing()) {
      for (std::size_t i = 0; i < nodes_.size(); ++i) trace_wal(world_, volume_, "s" + std::to_string(i));
    }
    const bool reason = (why.code == errc::io && nodes_[0]->excuse.io) ||
                        (why.code == errc::corrupt && !flipped_.empty()) ||
                        (why.code == errc::no_space && nodes_[0]->excuse.no_space && !full_with_reserve_);
    if (!reason || attempt > 5) {
      fail("the store does not open: " + why.describe());
      return false;
    }
    ++outcome_.counts[std::string("refused_open_") + to_string(why.code)];
    drop_all();
    volume_.kill_process();
    if (why.code == errc::corrupt) repair();
    if (attempt >= 2) volume_.faults = {};
    if (attempt >= 2 && why.code == errc::no_space) volume_.set_capacity(1ULL << 30);
    return true;
  }

  // The damaged byte and what stands before it; what is behind may be the end of a file that still grows.
  [[nodiscard]] static byte_vector around(const platform::sim::sim_inode& node, std::uint64_t bit) {
    const std::uint64_t to = std::min<std::uint64_t>(bit / 8 + 1, node.cache.size());
    const std::uint64_t from = to < 32 ? 0 : to - 32;
    return {node.cache.begin() + static_cast<std::ptrdiff_t>(from),
            node.cache.begin() + static_cast<std::ptrdiff_t>(to)};
  }

  // Flips the same bits back, where nobody wrote since: a store that refused must have left everything as it was.
  void repair() {
    std::reverse(flipped_.begin(), flipped_.end());  // the last flip may stand in what surrounds an earlier one
    for (const flip& f : flipped_) {
      const auto* node = volume_.find(f.path);
      const bool same = node != nullptr && node->id == f.file && around(*node, f.bit) == f.around;
      if (same) (void)volume_.flip_bit(f.path, f.bit);
    }
    flipped_.clear();
  }

  void verify_all() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      world_.reactor(i).defer([n = nodes_[i].get()] { n->start_verify(); });
    }
    const auto done = [this] {
      return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& n) { return n->verified(); });
    };
    (void)world_.run_for(1, patience_steps);  // starts them all
    if (over()) return;
    const run_end how = world_.run_until(done, patience_steps);
    if (!over() && how != run_end::reached) fail("reads do not come back");
  }

  // True: a store is fenced and the generation is over.
  bool check_fence() {
    const bool fenced = std::any_of(nodes_.begin(), nodes_.end(), [](const auto& n) { return n->fenced(); });
    if (!fenced || over()) return false;
    ++outcome_.counts["fenced"];
    if (!nodes_[0]->excuse.io && !nodes_[0]->excuse.no_space && !nodes_[0]->excuse.damage) {
      fail("fenced without a reason");
      return true;
    }
    crash(dice_.chance(0.5));
    return true;
  }

  void end_of_work() {
    for (auto& n : nodes_) n->check_bounds();
    const std::uint64_t draw = dice_.below(100);
    if (draw < 25) {
      ++outcome_.counts["end_power"];
      crash(true);
    } else if (draw < 45) {
      ++outcome_.counts["end_kill"];
      crash(false);
    } else {
      troubles_.end();
      settle();
      if (!over() && draw < 75) close_all();
      if (!over()) crash(dice_.chance(0.5));
    }
    if (outcome_.failure.empty() && !volume_.dead() && dice_.chance(0.15)) damage();
  }

  void settle() {
    const auto settled = [this] {
      return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& n) {
        return n->fenced() || (n->settled() && n->reads_open() == 0 && n->writable());
      });
    };
    const run_end how = world_.run_until(settled, patience_steps);
    if (over()) return;
    if (how != run_end::reached) {
      std::string what = "does not settle:";
      for (auto& n : nodes_) {
        if (!n->settled()) what += " appended work is not durable;";
        if (n->reads_open() != 0) what += " a read is open;";
        if (!n->writable())
          what += " writes are refused: " + n->get().writable(model::log_store::write_class::bulk).error().describe();
      }
      fail(what);
      return;
    }
    if (check_fence()) return;
    verify_all();
    if (over()) return;
    for (auto& n : nodes_) n->check_bounds();
  }

  void close_all() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (!nodes_[i]->is_open()) return;
      world_.reactor(i).defer([n = nodes_[i].get()] { n->start_close(); });
    }
    const auto closed = [this] {
      return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& n) { return n->closed(); });
    };
    const run_end how = world_.run_until(closed, patience_steps);
    if (over()) return;
    if (how != run_end::reached) {
      fail("close does not end");
      return;
    }
    for (auto& n : nodes_) {
      if (!n->close_result() && !n->fenced()) fail("close failed: " + n->close_result().error().describe());
    }
    ++outcome_.counts["end_close"];
  }

  void crash(bool power) {
    drop_all();
    if (power)
      volume_.power_cycle();
    else
      volume_.kill_process();
    crashed_ = true;
  }

  void damage() {
    if (!crashed_ || !damage_) return;
    for (std::uint64_t n = dice_.between(1, 4); n > 0; --n) {
      const auto where = choose_damage(volume_, "s" + std::to_string(dice_.below(nodes_.size())), dice_);
      if (!where || !volume_.flip_bit(where->path, where->bit)) continue;
      const auto* node = volume_.find(where->path);
      flipped_.push_back({where->path, where->bit, node->id, around(*node, where->bit)});
      ++outcome_.counts["flips"];
      if (is_wal(op_kind::read, where->path)) ++outcome_.counts["flips_in_wal"];
    }
  }

  // Nothing troubles it: everything that was promised is there, and a clean stop leaves nothing to replay.
  void last_generation() {
    repair();
    troubles_.end();
    volume_.arm({});
    for (auto& n : nodes_) n->excuse = {};
    if (!open_all()) return;
    verify_all();
    if (over()) return;
    settle();
    if (over()) return;
    close_all();
    if (over()) return;
    crash(dice_.chance(0.5));
    if (!open_all()) return;
    for (auto& n : nodes_) n->check_clean_start();
    verify_all();
  }

  sim_rng dice_;
  sim_world world_;
  sim_volume volume_;
  std::vector<std::unique_ptr<store_node>> nodes_;
  troubles troubles_{volume_, dice_};
  std::vector<flip> flipped_;
  bool crashed_ = false;
  bool full_with_reserve_ = false;
  bool damage_ = true;
  seed_outcome outcome_;
};

}  // namespace

seed_outcome run_storage_seed(std::uint64_t seed, const run_config& config) { return storage_run(seed, config).run(); }

}  // namespace weir::sim_tests
