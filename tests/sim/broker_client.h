// A client of a simulated node: an idempotent producer that retries what was not answered, a reader that remembers what it
// saw, and a group that commits. It outlives the node and connects again to the next one.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "model/broker_port.h"
#include "platform/sim/sim_rng.h"
#include "platform/sim/sim_world.h"
#include "tests/sim/broker_truth.h"
#include "tests/sim/seed_runner.h"

namespace weir::sim_tests {

class broker_client final : public model::event_sink {
 public:
  using fail_fn = broker_truth::fail_fn;
  broker_client(std::size_t index, platform::sim::sim_world& world, broker_truth& known, counters& counts,
                fail_fn fail);

  // A connection to a node that lives now. `reactor` runs everything of this client until disconnect().
  void connect(model::broker_port& port, platform::sim::sim_executor& reactor);
  // The node is gone; what was not answered is unknown.
  void disconnect();

  // One random action, on its reactor.
  void act();
  // Only finishes what is begun: sends again what was not acknowledged.
  void finish();
  [[nodiscard]] platform::sim::sim_executor* reactor() const { return port_ == nullptr ? nullptr : reactor_; }
  [[nodiscard]] bool idle() const;  // everything sent is acknowledged, nothing is asked
  // Asks for all that it ever committed; answers go to the truth.
  void ask_offsets();
  // Refusals of these kinds are excused.
  bool excuse_io = false;
  bool excuse_space = false;
  bool excuse_damage = false;
  // Draws topics that are async, and changes of that; null: all stay sync.
  platform::sim::sim_rng* levels = nullptr;
  // A planted fault: the truth does not hear of it, so what it takes for sync is not.
  bool levels_in_secret = false;

  void on_event(model::token t, model::event&& e) override;
  void on_pressure(bool) override {}

 private:
  struct batch {
    std::int32_t first_sequence = 0;
    std::vector<record_id> records;
    byte_vector bytes;
    bool acked = false;
  };
  // What one producer writes to one partition, in order.
  struct lane {
    std::int32_t next_sequence = 0;
    std::deque<batch> batches;  // not acknowledged yet, oldest first
    std::deque<batch> kept;     // acknowledged, with `levels`: what a crash takes is sent again
    std::size_t sent = 0;       // of them, in this try
    std::size_t outstanding = 0;
    bool begun = false;  // something was acknowledged
    bool again = false;  // one was refused: all are sent again when the others are answered
  };
  struct asked_produce {
    partition_name where;
    std::int32_t first_sequence = 0;
  };
  struct asked_fetch {
    partition_name where;
    std::int64_t from = 0;
    std::int64_t high = 0;  // as it was known
  };
  struct asked_commit {
    partition_name where;
    std::int64_t at = 0;
  };
  struct asked_offsets {
    std::int64_t commits = 0;  // begun when it was asked
  };
  struct asked_setting {
    std::int64_t value = 0;
  };
  struct asked_settings {
    std::int64_t settings = 0;  // begun when it was asked
  };
  struct asked_id {};
  struct asked_topic {
    std::string name;
    std::int32_t partitions = 0;
    bool async = false;
  };
  struct asked_level {
    std::string topic;
    bool async = false;
  };
  struct asked_trim {
    partition_name where;
  };
  using asked = std::variant<asked_produce, asked_fetch, asked_commit, asked_offsets, asked_setting, asked_settings,
                             asked_id, asked_topic, asked_level, asked_trim>;

  void produce_some();
  void pump(const partition_name& where);
  [[nodiscard]] batch make_batch(const partition_name& where, lane& l);
  void fetch_some();
  void commit_some();
  void set_broker();
  void ask_broker();
  void create_topic();
  void change_level();
  void send_lost_again();
  void trim_some();
  void get_id();
  template<class Command>
  void submit(Command&& c, asked what);
  [[nodiscard]] const partition_name* any_partition();
  [[nodiscard]] bool excused(model::refusal r) const;
  void refused(const char* what, model::refusal r);

  void take(const asked_produce& a, const model::produced& e);
  void take(const asked_fetch& a, const model::fetched& e);
  void take(const asked_commit& a, const model::offsets_committed& e);
  void take(const asked_offsets& a, const model::offsets_fetched& e);
  void take(const asked_setting& a, const model::configs_altered& e);
  void take(const asked_settings& a, const model::configs_described& e);
  void take(const asked_id& a, const model::producer_ready& e);
  void take(const asked_topic& a, const model::topics_created& e);
  void take(const asked_level& a, const model::configs_altered& e);
  void take(const asked_trim& a, const model::records_deleted& e);

  std::size_t index_;
  platform::sim::sim_world& world_;
  broker_truth& known_;
  counters& counts_;
  fail_fn fail_;
  platform::sim::sim_rng random_;
  std::string group_;
  model::caller who_;
  model::broker_port* port_ = nullptr;
  platform::sim::sim_executor* reactor_ = nullptr;
  model::session_id session_{};
  std::uint64_t next_token_ = 1;
  std::map<std::uint64_t, asked> asked_;
  std::int64_t producer_id_ = -1;
  std::map<partition_name, lane> lanes_;
  std::map<partition_name, std::int64_t> positions_;
  std::int64_t next_commit_ = 0;
  bool committing_ = false;
  // What this client sets for the broker, a rising number; kept in the truth as commits of a group of its own.
  partition_name setting_;
  std::int64_t next_setting_ = 0;
  bool setting_asked_ = false;
  std::vector<partition_name> names_;
};

}  // namespace weir::sim_tests
