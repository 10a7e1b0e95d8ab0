#include "tests/sim/seed_runner.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace weir::sim_tests {

namespace {

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == 0 ? otherwise : std::strtoull(text, nullptr, 10);
}

// A seed takes milliseconds; after so much of the processor it hangs. On a machine that is busy with something else a lot
// more may go by; what sleeps for ever is ended, too.
constexpr unsigned seed_seconds_max = 20;
constexpr unsigned seed_wall_seconds_max = 300;

void limit_seed() {
  const itimerval cpu{{0, 0}, {seed_seconds_max, 0}};
  (void)setitimer(ITIMER_PROF, &cpu, nullptr);
  (void)alarm(seed_wall_seconds_max);
}

// Shared with a child: how far it is, which survives its death.
struct progress {
  std::uint64_t seed = 0;
  std::uint64_t ran = 0;
};

struct child {
  pid_t pid = -1;
  int from = -1;
  progress* shared = nullptr;
  seed_range range;
};

void put_line(std::FILE* out, const std::string& line) {
  std::string one = line;
  std::replace(one.begin(), one.end(), '\n', '\x1f');
  std::fprintf(out, "%s\n", one.c_str());
}

void merge(sweep_result& into, const seed_outcome& one) {
  for (const auto& [site, n] : one.sites) {
    into.sites[site].seen += n.seen;
    into.sites[site].crashed += n.crashed;
  }
  for (const auto& [name, n] : one.counts) into.counts[name] += n;
}

// In the child: seeds first, first + stride, ... and then what they did, as lines.
void run_child(const child& c, std::uint64_t stride, const seed_body& body, const sweep_options& options,
               std::FILE* out) {
  sweep_result sum;
  std::uint32_t failures = 0;
  for (std::uint64_t seed = c.range.first; seed < c.range.first + c.range.count; seed += stride) {
    c.shared->seed = seed;
    limit_seed();
    const seed_outcome one = body(seed);
    ++c.shared->ran;
    merge(sum, one);
    if (one.failure.empty()) continue;
    put_line(out, "F " + std::to_string(seed) + " " + one.failure);
    if (options.stop_at_first || ++failures >= options.failures_max) break;
  }
  for (const auto& [site, n] : sum.sites) {
    put_line(out, "S " + std::to_string(static_cast<int>(site.kind)) + " " + std::to_string(n.seen) + " " +
                      std::to_string(n.crashed) + " " + site.file_class);
  }
  for (const auto& [name, n] : sum.counts) put_line(out, "C " + std::to_string(n) + " " + name);
  put_line(out, "E");
}

child start_child(seed_range range, std::uint64_t stride, const seed_body& body, const sweep_options& options) {
  child c;
  c.range = range;
  void* page = mmap(nullptr, sizeof(progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) std::abort();
  c.shared = new (page) progress;
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  std::fflush(nullptr);
  c.pid = fork();
  if (c.pid == 0) {
    close(ends[0]);
    if (options.quiet) {
      const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
      if (null >= 0) (void)dup2(null, STDERR_FILENO);
    }
    std::FILE* out = fdopen(ends[1], "w");
    run_child(c, stride, body, options, out);
    std::fclose(out);
    std::fflush(nullptr);
    _exit(0);
  }
  close(ends[1]);
  c.from = ends[0];
  return c;
}

// Reads a child to its end. Returns whether it ended by itself.
bool finish_child(child& c, sweep_result& sum) {
  std::FILE* in = fdopen(c.from, "r");
  char* line = nullptr;
  std::size_t room = 0;
  bool complete = false;
  while (getline(&line, &room, in) > 0) {
    std::string text(line);
    if (!text.empty() && text.back() == '\n') text.pop_back();
    std::istringstream words(text.size() > 2 ? text.substr(2) : std::string{});
    std::string rest;
    if (text[0] == 'F') {
      seed_failure f;
      words >> f.seed;
      std::getline(words >> std::ws, f.text);
      std::replace(f.text.begin(), f.text.end(), '\x1f', '\n');
      sum.failures.push_back(std::move(f));
    } else if (text[0] == 'S') {
      int kind = 0;
      std::uint64_t seen = 0;
      std::uint64_t crashed = 0;
      words >> kind >> seen >> crashed;
      std::getline(words >> std::ws, rest);
      auto& n = sum.sites[{static_cast<op_kind>(kind), rest}];
      n.seen += seen;
      n.crashed += crashed;
    } else if (text[0] == 'C') {
      std::uint64_t n = 0;
      words >> n;
      std::getline(words >> std::ws, rest);
      sum.counts[rest] += n;
    } else if (text[0] == 'E') {
      complete = true;
    }
  }
  std::free(line);
  std::fclose(in);
  int status = 0;
  (void)waitpid(c.pid, &status, 0);
  sum.ran += c.shared->ran;
  if (complete) return true;
  const std::string how = WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                                              : "exit code " + std::to_string(WEXITSTATUS(status));
  sum.failures.push_back(
      {c.shared->seed, "the process died (" + how + "): an assertion, a sanitizer, or (signals 14, 27) it hangs"});
  return false;
}

}  // namespace

seed_range seeds_from_environment(std::uint64_t usual, const char* own_count) {
  const std::uint64_t count = number_from("WEIR_SIM_SEEDS", usual);
  return {number_from("WEIR_SIM_FIRST_SEED", 1), own_count == nullptr ? count : number_from(own_count, count)};
}

bool tracing() { return number_from("WEIR_SIM_TRACE", 0) != 0; }

sweep_result sweep(seed_range range, const seed_body& body, const sweep_options& options) {
  sweep_result sum;
  const std::uint64_t jobs = std::clamp<std::uint64_t>(number_from("WEIR_SIM_JOBS", 2), 1, 64);
  std::vector<child> children;
  for (std::uint64_t j = 0; j < std::min(jobs, range.count); ++j) {
    children.push_back(start_child({range.first + j, range.count - j}, jobs, body, options));
  }
  std::uint32_t deaths = 0;
  for (std::size_t i = 0; i < children.size(); ++i) {
    child c = children[i];
    const bool ended = finish_child(c, sum);
    const std::uint64_t next = c.shared->seed + jobs;
    const std::uint64_t end = c.range.first + c.range.count;
    munmap(c.shared, sizeof(progress));
    if (!ended && !options.stop_at_first && next < end && ++deaths < options.failures_max) {
      children.push_back(start_child({next, end - next}, jobs, body, options));
    }
  }
  std::sort(sum.failures.begin(), sum.failures.end(), [](const auto& a, const auto& b) { return a.seed < b.seed; });
  return sum;
}

std::string describe(const seed_failure& f) {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  std::string name = test == nullptr ? "*" : std::string(test->test_suite_name()) + "." + test->name();
  return "seed " + std::to_string(f.seed) + ": " + f.text +
         "\n  again, with a trace: WEIR_SIM_FIRST_SEED=" + std::to_string(f.seed) +
         " WEIR_SIM_SEEDS=1 WEIR_SIM_TRACE=1 tests_sim --gtest_filter=" + name + "\n";
}

void print_sites(const site_counts& sites) {
  std::printf("  crash points: %-14s %-28s %10s %10s\n", "operation", "file", "passed", "crashed");
  for (const auto& [site, n] : sites) {
    std::printf("                %-14s %-28s %10llu %10llu\n", to_string(site.kind), site.file_class.c_str(),
                static_cast<unsigned long long>(n.seen), static_cast<unsigned long long>(n.crashed));
  }
}

void print_counts(const counters& counts) {
  std::string line = " ";
  for (const auto& [name, n] : counts) line += " " + name + "=" + std::to_string(n);
  std::printf("%s\n", line.c_str());
}

}  // namespace weir::sim_tests
