// The server's configuration: plain data, filled once before anything starts.
//
// The table of keys (config_keys.h) is the one place that knows names, units, limits and documentation; the defaults are the
// member initialisers here and in the settings of the modules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/settings.h"
#include "platform/posix/open_disk.h"
#include "protocol/common/session.h"
#include "storage/options.h"

namespace weir::server {

struct listener_config {
  std::string protocol;  // "kafka"
  protocol::endpoint address;
};

// What a connection may cost. Named in refusals and in docs/configuration.md.
struct connection_limits {
  std::int64_t connections = 20'000;         // of the process; a further one is closed at once
  std::int64_t connections_per_address = 0;  // of one peer address; 0: no limit
  std::int64_t request_bytes = 100LL << 20;
  std::int64_t receive_bytes = 256LL << 20;  // of a reactor: all requests that are arriving
  std::int64_t idle_ms = 600'000;            // nothing arrived and nothing is in the works
  std::int64_t first_frame_ms = 30'000;      // from the accept to the first whole request
  std::int64_t frame_progress_ms = 10'000;   // an unfinished request must bring at least ...
  std::int64_t frame_progress_bytes = 1024;  // ... so much in that time, or its end
  std::int64_t write_stall_ms = 60'000;      // a receiver that takes nothing for so long is closed
  // A receiver that took nothing for a second gets a copy of what it is owed, so that it holds no shared memory; when that
  // is more than this, it is closed after a sixth of write_stall_ms instead.
  std::int64_t slow_receiver_copy_bytes = 1LL << 20;
};

struct server_config {
  std::string config_file;  // where it came from; empty: none
  std::string data_dir = "weir-data";
  bool dev = false;
  std::vector<listener_config> listeners = {{"kafka", {"127.0.0.1", 9092}}};
  std::string log_level = "info";
  std::string log_levels;  // "kafka=debug,storage=warn"
  std::string log_format = "text";

  std::int64_t reactors = 0;  // 0: by the number of cores
  std::int64_t spin_us = 0;
  platform::disk_mode disk = platform::disk_mode::automatic;
  std::int64_t shards_per_reactor = 4;  // of a new data folder

  std::optional<protocol::endpoint> kafka_advertised;
  std::string kafka_rack;
  std::int64_t kafka_requests_in_works = 1024;

  connection_limits limits;
  broker::settings broker;
  storage::store_options store;
  bool cache_auto = true;  // store.cache_bytes_max is where it begins; how much it is follows the memory that is free
};

}  // namespace weir::server
