// The generator's loop: one thread, poll, and a progress line each second.
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <algorithm>
#include <cstdio>

#include "cli/bench_load.h"
#include "cli/bench_process.h"

namespace weir::cli {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t drain_ns = 10 * second_ns;

class driver {
 public:
  driver(const bench_options& o, const std::vector<bench_load*>& loads) : o_(o), loads_(loads) {
    for (bench_load* load : loads_)
      for (const auto& link : load->links()) links_.push_back(link.get());
    // A plan in microseconds needs timers that are not rounded by the kernel's default slack of 50.
    ::prctl(PR_SET_TIMERSLACK, 1UL);
    find_broker();
  }

  result<bench_window> run() {
    const std::int64_t begun = steady_ns();
    for (bench_load* load : loads_) load->begin(begun);
    if (o_.warmup > 0) {
      if (auto r = run_until(begun + nanoseconds(o_.warmup)); !r) return r.error();
    }
    begin_window();
    if (auto r = run_until(window_start_ + nanoseconds(o_.seconds)); !r) return r.error();
    end_window();
    for (bench_load* load : loads_) load->stop(steady_ns());
    if (auto r = drain(); !r) return r.error();
    if (!o_.quiet && ::isatty(2) != 0) std::fputc('\n', stderr);
    return window_;
  }

 private:
  static std::int64_t nanoseconds(double s) { return static_cast<std::int64_t>(s * static_cast<double>(second_ns)); }

  void find_broker() {
    if (o_.broker_pid > 0) {
      window_.broker_pid = o_.broker_pid;
    } else if (const auto addresses = parse_addresses(o_.brokers); addresses) {
      const auto pid = find_listener(addresses->front().port);
      if (pid) window_.broker_pid = static_cast<std::int32_t>(*pid);
    }
  }
  [[nodiscard]] process_facts broker() const {
    return window_.broker_pid ? look_at_process(*window_.broker_pid).value_or(process_facts{}) : process_facts{};
  }

  void begin_window() {
    for (bench_load* load : loads_) load->result() = {};
    generator_before_ = look_at_process(::getpid()).value_or(process_facts{});
    broker_before_ = broker();
    window_start_ = steady_ns();
    next_line_ = window_start_ + second_ns;
    line_before_ = 0;
  }
  void end_window() {
    window_.seconds = static_cast<double>(steady_ns() - window_start_) / static_cast<double>(second_ns);
    const process_facts generator_now = look_at_process(::getpid()).value_or(process_facts{});
    const process_facts broker_now = broker();
    window_.generator_cpu_s = generator_now.cpu_seconds - generator_before_.cpu_seconds;
    window_.broker_cpu_s = broker_now.cpu_seconds - broker_before_.cpu_seconds;
    window_.generator_rss = generator_now.resident_bytes;
    window_.broker_rss = broker_now.resident_bytes;
    window_.broker_rss_max = std::max(window_.broker_rss_max, broker_now.resident_bytes);
  }

  [[nodiscard]] bool all_finished() const {
    return std::ranges::all_of(loads_, [](const bench_load* l) { return l->finished(); });
  }

  result<void> run_until(std::int64_t end) {
    for (;;) {
      const std::int64_t now = steady_ns();
      if (now >= end || all_finished()) return {};
      std::int64_t due = end;
      for (bench_load* load : loads_) {
        load->tick(now);
        due = std::min(due, load->next_due());
      }
      if (window_start_ != 0 && now >= next_line_) print_line(now);
      if (auto r = turn(std::min(due, now + second_ns / 4)); !r) return r;
    }
  }

  result<void> drain() {
    const std::int64_t end = steady_ns() + drain_ns;
    while (!std::ranges::all_of(loads_, [](const bench_load* l) { return l->idle(); }) && steady_ns() < end)
      if (auto r = turn(steady_ns() + second_ns / 10); !r) return r;
    return {};
  }

  // Waits for the sockets until `until`, and serves those that are ready.
  result<void> turn(std::int64_t until) {
    polls_.clear();
    for (const bench_link* link : links_)
      polls_.push_back({.fd = link->fd(),
                        .events = static_cast<short>(POLLIN | (link->wants_to_write() ? POLLOUT : 0)),
                        .revents = 0});
    const std::int64_t wait = std::max<std::int64_t>(until - steady_ns(), 0);
    const timespec time{.tv_sec = wait / second_ns, .tv_nsec = wait % second_ns};
    if (::ppoll(polls_.data(), polls_.size(), &time, nullptr) <= 0) return {};
    for (std::size_t i = 0; i < polls_.size(); ++i) {
      if ((polls_[i].revents & POLLOUT) != 0) links_[i]->on_writable();
      if ((polls_[i].revents & (POLLIN | POLLERR | POLLHUP)) == 0) continue;
      if (auto r = links_[i]->on_readable(); !r) return r;
    }
    return {};
  }

  void print_line(std::int64_t now) {
    const process_facts seen = broker();
    window_.broker_rss_max = std::max(window_.broker_rss_max, seen.resident_bytes);
    next_line_ += second_ns;
    if (o_.quiet) return;
    const measured& m = loads_.back()->result();
    const bool terminal = ::isatty(2) != 0;
    const std::int64_t passed = (now - window_start_) / second_ns;
    if (!terminal && passed % 5 != 0) {
      line_before_ = m.records;
      return;
    }
    const latency_histogram& h = m.end_to_end.total() != 0 ? m.end_to_end : m.latency;
    fmt::print(stderr, "{}{:>4} s  {:>11} records/s  p50 {:.0f} us  p99 {:.0f} us  errors {}{}", terminal ? "\r" : "",
               passed, m.records - line_before_, h.percentile_us(0.5), h.percentile_us(0.99), m.errors,
               terminal ? "   " : "\n");
    line_before_ = m.records;
  }

  const bench_options& o_;
  const std::vector<bench_load*>& loads_;
  std::vector<bench_link*> links_;
  std::vector<pollfd> polls_;
  bench_window window_;
  process_facts generator_before_;
  process_facts broker_before_;
  std::int64_t window_start_ = 0;
  std::int64_t next_line_ = 0;
  std::uint64_t line_before_ = 0;
};

}  // namespace

void measured::count_error(kafka::error_code code, std::string_view text) {
  ++errors;
  if (first_error.empty()) first_error = explain(code, text);
}

result<bench_window> drive(const bench_options& o, const std::vector<bench_load*>& loads) {
  return driver(o, loads).run();
}

result<void> ensure_topic(kafka_client& client, const bench_options& o) {
  kafka::metadata_request ask;
  ask.topics.emplace().push_back({.topic_id = {}, .name = o.topic});
  ask.allow_auto_topic_creation = false;
  const auto seen = client.call<kafka::metadata_response>(ask);
  if (!seen) return seen.error();
  const auto& topics = seen->message.topics;
  if (!topics.empty() && topics.front().error_code == kafka::error_code::none) {
    const std::size_t there = topics.front().partitions.size();
    if (there >= static_cast<std::size_t>(o.partitions)) return {};
    return fault(errc::exists, fmt::format("topic {} is there with {} partitions, {} are asked for; choose another "
                                           "--topic or run: weir topic alter {} --partitions {}",
                                           o.topic, there, o.partitions, o.topic, o.partitions));
  }
  kafka::create_topics_request make;
  make.timeout_ms = 30'000;
  auto& topic = make.topics.emplace_back();
  topic.name = o.topic;
  topic.num_partitions = o.partitions;
  topic.replication_factor = 1;
  const auto made = client.call<kafka::create_topics_response>(make, kafka::create_topics_request::max_version, 30'000);
  if (!made) return made.error();
  for (const auto& t : made->message.topics)
    if (t.error_code != kafka::error_code::none && t.error_code != kafka::error_code::topic_already_exists)
      return fault(errc::invalid, explain(t.error_code, t.error_message.value_or("")));
  return {};
}

}  // namespace weir::cli
