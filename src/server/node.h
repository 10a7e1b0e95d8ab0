// The node: reactors with their disks, stores, cores and connections, put together. The only place that knows them all.
//
// Life: open (blocking: locks the folder, recovers every store) -> start (threads run, cores serve, listeners accept) ->
// run (this thread is reactor 0 until a stop is asked for) -> the destructor. Main thread only, except where said.
#pragma once

#include <atomic>
#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "broker/core.h"
#include "platform/disk.h"
#include "platform/posix/posix_rng.h"
#include "platform/posix/reactor.h"
#include "protocol/kafka/bootstrap_watch.h"
#include "protocol/kafka/entry_format.h"
#include "protocol/kafka/session.h"
#include "server/admin_session.h"
#include "server/chunk_memory.h"
#include "server/connection_group.h"
#include "server/data_folder.h"
#include "server/listener.h"
#include "server/start_gate.h"
#include "storage/store.h"

namespace weir::server {

// What one reactor owns, in the order of construction; destroyed in reverse.
struct reactor_part {
  std::uint32_t index = 0;
  std::unique_ptr<platform::reactor> loop;
  std::unique_ptr<platform::posix_rng> random;
  std::shared_ptr<chunk_memory> memory = std::make_shared<chunk_memory>();  // what was taken from it holds it
  std::shared_ptr<platform::disk> disk;
  std::unique_ptr<broker::core> core;
  std::unique_ptr<storage::store> store;
  std::unique_ptr<connection_group> connections;
  kafka::bootstrap_watch bootstraps;
  kafka::session_options kafka;   // with `bootstraps`: the part must not move any more
  std::uint64_t moved_bytes = 0;  // into the WAL and out to clients, as of the last look
  std::thread thread;             // not of reactor 0
};

class node {
 public:
  [[nodiscard]] static result<std::unique_ptr<node>> open(const server_config& config);
  ~node();
  node(const node&) = delete;
  node& operator=(const node&) = delete;

  // Fault: a core did not start, or a listener's address is not to be had.
  [[nodiscard]] result<void> start();
  [[nodiscard]] std::vector<std::pair<std::string, protocol::endpoint>> listening() const;
  // Serves until request_stop, then stops cleanly. The fault says what went wrong (errc::fenced: a store lost its disk).
  [[nodiscard]] result<void> run();
  // Any thread.
  void request_stop();
  [[nodiscard]] platform::reactor& main_loop() { return *parts_.front().loop; }

  // For the admin API; reactor 0.
  void status(std::function<void(boost::json::object)> done);
  void connections(std::size_t max, std::function<void(boost::json::object)> done);
  void checkpoint(std::function<void(result<void>)> done);

 private:
  node(const server_config& config, data_folder folder);
  [[nodiscard]] result<void> open_parts();
  [[nodiscard]] result<void> open_disk(reactor_part& part);
  // All or none: each in a thread of its own when there are several.
  [[nodiscard]] result<void> open_stores();
  // In the part's own thread or the main one.
  [[nodiscard]] result<void> open_store(reactor_part& part, start_gate& gate);
  [[nodiscard]] result<void> start_cores();
  [[nodiscard]] result<void> start_listeners();
  void start_threads();
  void stop_all();
  void stop_part(reactor_part& part, const std::shared_ptr<std::atomic<std::size_t>>& left);
  void adopt_kafka(new_connection&& c);
  void watch(reactor_part& part);
  void report_lost_bootstraps(reactor_part& part);
  void size_memory(reactor_part& part, const model::store_stats& now) const;
  void size_cache(reactor_part& part, std::uint64_t held) const;
  // Pieces of memory that are made ready ahead of need, at most.
  static constexpr std::uint64_t prepared_pieces_max = 256;
  // Runs `ask` on every reactor, then `done` on reactor 0 with the answers in their order.
  void gather(std::function<boost::json::object(reactor_part&)> ask,
              std::function<void(std::vector<boost::json::object>)> done);
  [[nodiscard]] boost::json::object status_head() const;

  server_config config_;
  data_folder folder_;
  kafka::batch_entry_format kafka_format_;
  storage::format_registry storage_formats_;
  broker::format_registry broker_formats_;
  connection_census census_;
  connection_census admin_census_;
  connection_numbers numbers_;
  admin_operations admin_;
  std::vector<reactor_part> parts_;
  std::vector<std::unique_ptr<listener>> listeners_;
  std::unique_ptr<listener> admin_listener_;
  std::size_t next_reactor_ = 0;
  bool stop_requested_ = false;  // reactor 0
  std::atomic<bool> stopping_{false};
  fault failure_;  // reactor 0
  mono_ns started_{};
  log log_{"server"};
};

// Adds the operations of the admin API that the node answers.
void add_admin_operations(admin_operations& to, node& n);

}  // namespace weir::server
