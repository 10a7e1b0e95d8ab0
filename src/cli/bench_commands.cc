// The commands of the load generator: options in, one object out.
#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <cmath>
#include <iostream>
#include <map>
#include <memory>

#include "cli/bench_load.h"
#include "cli/client_commands.h"

namespace weir::cli {
namespace {

namespace json = boost::json;

struct bench_run {
  bench_options o;
  output_format form = output_format::table;
};

double rounded(double v) { return std::round(v * 100) / 100; }

void put_latency(json::object& out, const std::string& prefix, const latency_histogram& h) {
  const auto put = [&](const char* name, double us) {
    out[prefix + name] = h.total() != 0 ? json::value(rounded(us)) : json::value(nullptr);  // with acks=0 nobody knows
  };
  put("p50_us", h.percentile_us(0.50));
  put("p90_us", h.percentile_us(0.90));
  put("p99_us", h.percentile_us(0.99));
  put("p999_us", h.percentile_us(0.999));
  put("p9999_us", h.percentile_us(0.9999));
  put("max_us", h.max_us());
}

void put_flow(json::object& out, const std::string& prefix, const measured& m, const bench_window& w) {
  const double seconds = w.seconds > 0 ? w.seconds : 1;
  out[prefix + "rate"] = static_cast<std::uint64_t>(std::llround(static_cast<double>(m.records) / seconds));
  out[prefix + "mb_s"] = rounded(static_cast<double>(m.bytes) / seconds / 1e6);
  out[prefix + "records"] = m.records;
  out[prefix + "bytes"] = m.bytes;
  out[prefix + "requests"] = m.requests;
}

void put_processes(json::object& out, const bench_window& w) {
  out["seconds"] = rounded(w.seconds);
  out["generator_cpu_s"] = rounded(w.generator_cpu_s);
  out["generator_rss_bytes"] = w.generator_rss;
  out["broker_pid"] = w.broker_pid ? json::value(*w.broker_pid) : json::value(nullptr);
  if (!w.broker_pid) return;  // it runs elsewhere: no figures rather than zeros
  out["broker_cpu_s"] = rounded(w.broker_cpu_s);
  out["broker_rss_bytes"] = w.broker_rss;
  out["broker_rss_max_bytes"] = w.broker_rss_max;
}

void put_settings(json::object& out, const char* kind, const bench_options& o) {
  out["kind"] = kind;
  out["size"] = o.size;
  out["batch"] = o.batch;
  out["partitions"] = o.partitions;
  out["connections"] = o.connections;
  out["in_flight"] = std::string_view(kind) == "consume" ? o.fetches : o.in_flight;
  out["acks"] = o.acks;
  out["target_rate"] = o.rate;
  out["topic"] = o.topic;
}

int finish(const bench_run& r, json::object& out, const measured& m) {
  if (r.o.rate > 0) out["unsent"] = m.unsent;
  out["errors"] = m.errors;
  if (m.errors != 0) out["first_error"] = m.first_error;
  print(std::cout, r.form, out);
  if (m.errors == 0) return 0;
  return complain(std::to_string(m.errors) + " errors; the first: " + m.first_error);
}

int run_produce(const bench_run& r) {
  auto load = make_produce_load(r.o);
  if (!load) return complain(load.error());
  const auto window = drive(r.o, {load->get()});
  if (!window) return complain(window.error());
  const measured& m = (*load)->result();
  json::object out;
  put_settings(out, "produce", r.o);
  put_flow(out, "", m, *window);
  put_latency(out, "", m.latency);
  put_processes(out, *window);
  return finish(r, out, m);
}

int run_consume(const bench_run& r) {
  auto load = make_consume_load(r.o, false);
  if (!load) return complain(load.error());
  const auto window = drive(r.o, {load->get()});
  if (!window) return complain(window.error());
  const measured& m = (*load)->result();
  json::object out;
  put_settings(out, "consume", r.o);
  put_flow(out, "", m, *window);
  put_latency(out, "", m.latency);
  put_processes(out, *window);
  return finish(r, out, m);
}

int run_both(bench_run r, const char* kind) {
  r.o.stamp = true;
  auto producer = make_produce_load(r.o);
  if (!producer) return complain(producer.error());
  auto consumer = make_consume_load(r.o, true);
  if (!consumer) return complain(consumer.error());
  // The consumer first, so that it waits already when the first batch is written.
  const auto window = drive(r.o, {consumer->get(), producer->get()});
  if (!window) return complain(window.error());
  measured& p = (*producer)->result();
  const measured& c = (*consumer)->result();
  json::object out;
  put_settings(out, kind, r.o);
  put_flow(out, "", p, *window);
  put_latency(out, "", p.latency);
  put_flow(out, "consumed_", c, *window);
  put_latency(out, "e2e_", c.end_to_end);
  put_processes(out, *window);
  if (p.errors == 0) p.first_error = c.first_error;
  p.errors += c.errors;
  return finish(r, out, p);
}

void add_common(CLI::App& c, bench_run& r) {
  bench_options& o = r.o;
  add_brokers_flag(c, o.brokers);
  c.add_option("-t,--topic", o.topic, "topic; made when it is missing")->capture_default_str();
  c.add_option("-p,--partitions", o.partitions, "how many of its partitions to use")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  c.add_option("-s,--size", o.size, "bytes of a record's value")->check(CLI::Range(1, 64 << 20))->capture_default_str();
  c.add_option("-n,--seconds", o.seconds, "how long to measure")->check(CLI::Range(0.01, 1e7))->capture_default_str();
  c.add_option("--warmup", o.warmup, "seconds before the measurement")->check(CLI::Range(0.0, 1e6));
  c.add_option("--records", o.records, "stop after so many records (0: by time)")->check(CLI::NonNegativeNumber);
  c.add_option("-c,--connections", o.connections, "connections")->check(CLI::Range(1, 10'000))->capture_default_str();
  c.add_option("--broker-pid", o.broker_pid, "process to measure; found by its port when it runs here");
  c.add_flag("-q,--quiet", o.quiet, "no progress lines");
  add_output_flag(c, r.form);
}

void add_produce_options(CLI::App& c, bench_run& r) {
  bench_options& o = r.o;
  c.add_option("--rate", o.rate, "records per second; 0: as fast as it goes")->check(CLI::NonNegativeNumber);
  c.add_option("--batch", o.batch, "bytes of a batch; 1: one record each")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  c.add_option("--in-flight", o.in_flight, "unanswered requests per connection")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  c.add_option("--per-request", o.per_request, "batches per request, each of another partition; 0: up to 1 MiB")
      ->check(CLI::NonNegativeNumber);
  c.add_option("--acks", o.acks, "-1 (all), 1 or 0")
      ->transform(CLI::CheckedTransformer(std::map<std::string, int>{{"all", -1}, {"-1", -1}, {"1", 1}, {"0", 0}})
                      .description(""))
      ->option_text("all|1|0");
}

}  // namespace

void add_load_commands(CLI::App& app, run_state& run) {
  CLI::App& bench = command_group(app, "bench", "measure: load generator and disk");
  const auto produce = std::make_shared<bench_run>();
  CLI::App* c = bench.add_subcommand("produce", "produce as fast as possible, or at a rate");
  add_common(*c, *produce);
  add_produce_options(*c, *produce);
  c->callback([&run, produce] { run.action = [produce] { return run_produce(*produce); }; });

  const auto consume = std::make_shared<bench_run>();
  c = bench.add_subcommand("consume", "consume from the earliest offset");
  add_common(*c, *consume);
  c->add_option("--in-flight", consume->o.fetches, "unanswered fetches per connection, each of its own partitions")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  c->add_option("--fetch-bytes", consume->o.fetch_bytes, "most bytes per partition and fetch")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  c->add_flag("--to-end", consume->o.to_end, "stop at the end that the partitions have now");
  c->callback([&run, consume] { run.action = [consume] { return run_consume(*consume); }; });

  const auto both = std::make_shared<bench_run>();
  c = bench.add_subcommand("both", "produce and consume at once; also the end-to-end latency");
  add_common(*c, *both);
  add_produce_options(*c, *both);
  c->callback([&run, both] { run.action = [both] { return run_both(*both, "both"); }; });

  const auto latency = std::make_shared<bench_run>();
  latency->o.batch = 1;
  latency->o.in_flight = 1;
  latency->o.topic = "weir-bench-latency";
  c = bench.add_subcommand("latency", "one record at a time: durable round trip and end to end");
  add_common(*c, *latency);
  c->add_option("--rate", latency->o.rate, "records per second; 0: each after the answer to the last");
  c->callback([&run, latency] { run.action = [latency] { return run_both(*latency, "latency"); }; });
}

}  // namespace weir::cli
