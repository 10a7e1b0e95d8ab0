// One store of a simulated machine: its reactor, its folder, its state machine and the truth about it; the random work
// that is done to it, and the checks. Lives as long as the run; the store inside comes and goes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "platform/sim/sim_disk.h"
#include "platform/sim/sim_world.h"
#include "storage/store.h"
#include "tests/sim/keyed_format.h"
#include "tests/sim/seed_runner.h"
#include "tests/sim/shadow_machine.h"
#include "tests/sim/truth.h"

namespace weir::sim_tests {

// What kinds of work this run likes; drawn per seed, so that seeds differ more than by luck of the dice.
struct work_shape {
  std::uint64_t shards = 2;
  std::uint64_t append = 10, burst = 2, state_only = 2, create = 2, remove = 1, trim = 1, read = 6, find = 1,
                checkpoint = 1, clean = 1, policy = 1, idle = 3;
  std::uint64_t payload_max = 300;
  std::uint64_t logs_max = 20;
  bool compaction = false;
  bool retention = false;
};

// Which outcomes other than success the run has given reason for.
struct excuses {
  bool io = false;        // writes, syncs or reads fail now and then
  bool no_space = false;  // the disk may be full
  bool damage = false;    // bits were flipped
};

class store_node {
 public:
  using fail_fn = std::function<void(const std::string&)>;
  using open_fn = std::function<result<std::unique_ptr<storage::store>>(
      platform::disk&, executor&, const clock&, rng&, const storage::format_registry&, model::state_machine&,
      const storage::store_options&)>;
  store_node(platform::sim::sim_world& world, platform::sim::sim_volume& volume, platform::sim::sim_executor& reactor,
             std::string folder, work_shape shape, storage::store_options options, open_fn open, fail_fn fail);
  ~store_node();

  // Opens and checks what recovery gave. False: it did not open; `why` says so.
  bool open();
  [[nodiscard]] const fault& why() const { return why_; }
  [[nodiscard]] bool is_open() const { return store_ != nullptr; }
  [[nodiscard]] storage::store& get() { return *store_; }
  // The process dies: the store, the disk and everything under way goes.
  void drop();
  void start_close();
  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] const result<void>& close_result() const { return close_result_; }

  // One random piece of work. On the reactor.
  void work();
  // Sets policies again and waits for nothing; after open().
  void set_policies();
  // Everything appended is durable.
  [[nodiscard]] bool settled() const;
  [[nodiscard]] bool fenced() const { return machine_ != nullptr && machine_->fenced(); }
  // Reads every log from its start to its end and compares; calls itself through reads until done.
  void start_verify();
  [[nodiscard]] bool verified() const { return verify_left_.empty() && reads_open_ == 0; }
  [[nodiscard]] std::uint64_t reads_open() const { return reads_open_; }
  void check_bounds();
  // After a clean stop no record is left to replay.
  void check_clean_start();
  // What it keeps for a start on a full disk is there, whole.
  [[nodiscard]] bool has_reserve() const;
  // Bulk is taken (after a full disk or a full ring, in the end it must be).
  [[nodiscard]] bool writable() const { return store_->writable(model::log_store::write_class::bulk).has_value(); }

  excuses excuse;
  truth known;
  counters counts;

 private:
  struct pending_read {
    model::log_id log{};
    model::offset from{};
    model::offset below{};
    std::size_t bytes_max = 0;
    bool at_least_one = true;
    bool verify = false;
    model::offset end_then{};  // of the log when it was asked
  };

  // --- work
  void do_append(std::size_t entries_max);
  void do_state_only();
  void do_create();
  void do_remove();
  void do_trim();
  void do_read();
  void do_find_time();
  void do_checkpoint();
  void do_clean();
  void do_policy();
  [[nodiscard]] bool may_append(model::log_store::write_class c);
  void append(const model::new_record& r);
  [[nodiscard]] byte_vector random_bytes(std::size_t n);
  [[nodiscard]] std::size_t payload_size();
  [[nodiscard]] byte_vector keyed_payload(model::offset base, std::uint32_t& count, std::int64_t& max_timestamp);
  [[nodiscard]] model::log_id any_log(bool live_only = true);
  [[nodiscard]] model::shard_id shard_of_new_log();

  // --- checks
  void start_read(const pending_read& p);
  void finish_read(const pending_read& p, const result<model::read_batch>& r);
  void check_batch(const pending_read& p, const log_truth& log, const model::read_batch& batch);
  [[nodiscard]] bool same_entry(model::log_id log, const entry_truth& expected, const model::read_entry& got);
  void check_recovered();
  void check_files();
  void note_verified(model::log_id log, const model::read_batch& batch);
  void check_compacted(model::log_id id, const log_truth& log, model::offset below);
  void check_found(model::log_id id, std::int64_t from_ms, model::offset below,
                   const std::optional<model::read_batch>& r);
  void fail(const std::string& what);
  void continue_verify();
  [[nodiscard]] bool excused(const fault& f) const;

  platform::sim::sim_world& world_;
  platform::sim::sim_volume& volume_;
  platform::sim::sim_executor& reactor_;
  std::string folder_;
  work_shape shape_;
  storage::store_options options_;
  open_fn open_;
  fail_fn fail_;
  platform::sim::sim_rng random_;
  keyed_format format_;
  storage::format_registry formats_;
  std::unique_ptr<platform::sim::sim_disk> disk_;
  std::unique_ptr<shadow_machine> machine_;
  std::unique_ptr<storage::store> store_;
  fault why_;
  bool closing_ = false;
  bool closed_ = false;
  result<void> close_result_;
  std::uint64_t next_log_ = 1;
  std::uint64_t incarnation_ = 0;
  std::uint64_t reads_open_ = 0;
  std::map<model::log_id, model::log_policy> policies_;
  std::vector<std::pair<model::log_id, model::offset>> verify_left_;
  std::map<model::log_id, std::set<std::int64_t>> verify_seen_;  // offsets of records, of compacted logs
  std::set<model::log_id> doubted_;  // looked wrong once: a compaction may have run beside it
};

}  // namespace weir::sim_tests
