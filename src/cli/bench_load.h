// The load generator: what to do, what was measured, and the loop that drives loads over their connections.
//
// Coordinated omission: with a rate, every batch has an intended send time from the plan, and its latency counts from
// there, also when we could not send it in time because earlier ones were unanswered. Without a rate it counts from the
// moment that the batch was handed over. Thread: one, the generator's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/bench_histogram.h"
#include "cli/bench_link.h"
#include "cli/kafka_client.h"

namespace weir::cli {

struct bench_options {
  std::string brokers = "127.0.0.1:9092";
  std::string topic = "weir-bench";
  std::int32_t partitions = 1;
  std::int64_t size = 1024;    // bytes of a record's value
  std::int64_t batch = 16384;  // bytes of a batch, at least one record
  double seconds = 10;
  double warmup = 0;         // seconds before the measurement begins
  double rate = 0;           // records per second; 0: as fast as possible
  std::int64_t records = 0;  // stop after so many; 0: by time
  std::int32_t connections = 1;
  std::int32_t in_flight = 5;    // requests per connection
  std::int32_t fetches = 1;      // per connection; a broker answers them in order, so one that waits holds up the next
  std::int32_t per_request = 0;  // batches in one request, each of another partition; 0: up to 1 MiB
  std::int32_t acks = -1;
  std::int64_t fetch_bytes = 1 << 20;  // per partition
  std::int32_t broker_pid = 0;         // 0: look for who listens on the port
  bool to_end = false;                 // consume: stop at the end that the logs had at the start
  bool stamp = false;                  // the last record of a batch carries its intended time, for end-to-end latency
  bool quiet = false;
};

struct measured {
  bool closed = false;  // the window is over: latencies of what was sent still count, throughput does not
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;  // of batches as they are on the wire
  std::uint64_t requests = 0;
  std::uint64_t unsent = 0;  // records that were due in the window and could not even be sent
  std::uint64_t errors = 0;  // batches or partitions that were answered with an error
  std::string first_error;
  latency_histogram latency;
  latency_histogram end_to_end;

  void count_error(kafka::error_code code, std::string_view text = {});
};

// One kind of load over some connections.
class bench_load {
 public:
  bench_load() = default;
  bench_load(const bench_load&) = delete;
  bench_load& operator=(const bench_load&) = delete;
  virtual ~bench_load() = default;

  [[nodiscard]] virtual const std::vector<std::unique_ptr<bench_link>>& links() const = 0;
  virtual void begin(std::int64_t now) = 0;
  // Sends what is due. Called after every turn of the loop.
  virtual void tick(std::int64_t now) = 0;
  // When tick has something to do by itself; INT64_MAX: only after an answer.
  [[nodiscard]] virtual std::int64_t next_due() const = 0;
  virtual void stop(std::int64_t now) = 0;          // the window is over: no further requests
  [[nodiscard]] virtual bool idle() const = 0;      // nothing unanswered
  [[nodiscard]] virtual bool finished() const = 0;  // it has reached its own end
  [[nodiscard]] virtual measured& result() = 0;
};

struct bench_window {
  double seconds = 0;  // that were measured
  double generator_cpu_s = 0;
  double broker_cpu_s = 0;
  std::uint64_t generator_rss = 0;
  std::uint64_t broker_rss = 0;
  std::uint64_t broker_rss_max = 0;  // of the samples taken every second
  std::optional<std::int32_t> broker_pid;
};

// Drives the loads until the time is over or all have finished, then waits for unanswered requests; those count for
// latency, not for throughput. The fault is that of a lost connection.
[[nodiscard]] result<bench_window> drive(const bench_options& o, const std::vector<bench_load*>& loads);

// Makes the topic unless it is there with enough partitions.
[[nodiscard]] result<void> ensure_topic(kafka_client& client, const bench_options& o);

[[nodiscard]] result<std::unique_ptr<bench_load>> make_produce_load(const bench_options& o);
[[nodiscard]] result<std::unique_ptr<bench_load>> make_consume_load(const bench_options& o, bool from_end);

}  // namespace weir::cli
