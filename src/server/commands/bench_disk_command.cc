// weir bench disk: what a durable write costs on this disk, both ways that the server can write, at several sizes and depths.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <vector>

#include "platform/posix/open_disk.h"
#include "platform/posix/reactor.h"
#include "server/commands/commands.h"
#include "server/config_text.h"

namespace weir::server {

namespace json = boost::json;

namespace {

struct disk_flags {
  std::string folder = ".";
  std::string sizes = "4KiB,64KiB,256KiB,1MiB";
  std::string depths = "1,4";
  double seconds = 1.0;
  std::int64_t file_bytes = 256 << 20;
  cli::output_format format = cli::output_format::table;
};

double cpu_seconds() {
  rusage u{};
  ::getrusage(RUSAGE_SELF, &u);
  const auto s = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return s(u.ru_utime) + s(u.ru_stime);
}

struct block_free {
  void operator()(std::byte* p) const { std::free(p); }
};

// One measurement: `depth` durable writes of `size` in flight for `seconds`, one after the other through a file that was
// written before, as the write-ahead log does it.
class measurement {
 public:
  measurement(platform::reactor& loop, platform::file& file, std::uint64_t file_bytes, std::size_t size, unsigned depth,
              double seconds)
      : loop_(loop), file_(file), slots_(file_bytes / size), size_(size), depth_(depth) {
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(platform::disk_block_bytes, size)));
    for (std::size_t i = 0; i < size; ++i) memory_.get()[i] = static_cast<std::byte>(i * 31 + size);
    duration_ns_ = static_cast<std::int64_t>(seconds * 1e9);
  }

  [[nodiscard]] result<json::object> run() {
    const double cpu = cpu_seconds();
    begin_ = loop_.clock().now();
    end_ = begin_ + duration_ns_;
    loop_.defer([this] {
      for (unsigned i = 0; i < depth_; ++i) start_one();
    });
    loop_.run_until([this] { return in_flight_ == 0 && loop_.clock().now() >= end_; });
    if (failed_.code != errc::ok) return failed_;
    const double elapsed = static_cast<double>(last_ - begin_) / 1e9;
    const auto writes = static_cast<double>(latencies_.size());
    std::sort(latencies_.begin(), latencies_.end());
    return json::object{{"size", print_bytes(static_cast<std::int64_t>(size_))},
                        {"depth", depth_},
                        {"writes_per_s", std::round(writes / elapsed)},
                        {"mb_per_s", std::round(writes * static_cast<double>(size_) / elapsed / 1e5) / 10},
                        {"p50_us", at(0.50)},
                        {"p99_us", at(0.99)},
                        {"max_us", at(1.0)},
                        {"cpu_us_per_write", std::round((cpu_seconds() - cpu) / writes * 1e7) / 10}};
  }

 private:
  void start_one() {
    ++in_flight_;
    const std::uint64_t pos = (next_++ % slots_) * size_;
    file_.write(pos, {bytes(memory_.get(), size_)}, [this, since = loop_.clock().now()](const result<std::size_t>& r) {
      --in_flight_;
      last_ = loop_.clock().now();
      if (!r) failed_ = r.error();
      latencies_.push_back(last_ - since);
      if (last_ < end_ && failed_.code == errc::ok) start_one();
    });
  }
  [[nodiscard]] double at(double q) const {
    if (latencies_.empty()) return 0;
    const auto i = static_cast<std::size_t>(q * static_cast<double>(latencies_.size() - 1));
    return std::round(static_cast<double>(latencies_[i]) / 100) / 10;
  }

  platform::reactor& loop_;
  platform::file& file_;
  const std::uint64_t slots_;
  const std::size_t size_;
  const unsigned depth_;
  std::unique_ptr<std::byte, block_free> memory_;
  std::int64_t duration_ns_ = 0;
  mono_ns begin_{};
  mono_ns end_{};
  mono_ns last_{};
  std::uint64_t next_ = 0;
  unsigned in_flight_ = 0;
  std::vector<std::int64_t> latencies_;
  fault failed_;
};

result<std::vector<std::int64_t>> parse_list(const std::string& text, result<std::int64_t> (*parse)(std::string_view)) {
  std::vector<std::int64_t> out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    auto one = parse(std::string_view(text).substr(at, comma - at));
    if (!one) return one.error();
    out.push_back(*one);
    at = comma + 1;
  }
  return out;
}

result<void> prewrite(platform::file& file, std::uint64_t length) {
  const std::size_t step = 1 << 20;
  const std::unique_ptr<std::byte, block_free> zeros(
      static_cast<std::byte*>(std::aligned_alloc(platform::disk_block_bytes, step)));
  std::fill_n(zeros.get(), step, std::byte{0});
  for (std::uint64_t at = 0; at < length; at += step) {
    if (auto ok = file.write_now(at, bytes(zeros.get(), std::min<std::uint64_t>(step, length - at))); !ok) return ok;
  }
  return file.sync_now();
}

result<void> measure_path(const disk_flags& flags, const std::string& folder, platform::disk_mode mode,
                          const char* name, const std::vector<std::int64_t>& sizes,
                          const std::vector<std::int64_t>& depths, json::array& rows) {
  platform::reactor loop;
  auto disk = platform::open_disk(loop, folder, mode);
  if (!disk) return disk.error();
  auto file = disk->where->open(name, {.create = true, .exclusive = false, .durable_writes = true});
  if (!file) return file.error();
  if (auto ok = prewrite(**file, static_cast<std::uint64_t>(flags.file_bytes)); !ok) return ok;
  for (const std::int64_t size : sizes) {
    for (const std::int64_t depth : depths) {
      measurement one(loop, **file, static_cast<std::uint64_t>(flags.file_bytes), static_cast<std::size_t>(size),
                      static_cast<unsigned>(depth), flags.seconds);
      auto row = one.run();
      if (!row) return row.error();
      (*row)["path"] = disk->where->durable_path();
      rows.push_back(std::move(*row));
    }
  }
  file->reset();
  return disk->where->unlink_now(name);
}

int run_bench_disk(const disk_flags& flags) {
  const auto sizes = parse_list(flags.sizes, parse_bytes);
  if (!sizes) return cli::complain("--sizes: " + sizes.error().text, 2);
  const auto depths = parse_list(flags.depths, parse_integer);
  if (!depths) return cli::complain("--depths: " + depths.error().text, 2);
  for (const std::int64_t s : *sizes) {
    if (s < 4096 || s % 4096 != 0 || s > flags.file_bytes)
      return cli::complain("--sizes: multiples of 4KiB up to the size of the file are possible", 2);
  }
  for (const std::int64_t d : *depths) {
    if (d < 1 || d > 64) return cli::complain("--depths: 1 to 64 is possible", 2);
  }
  const std::string folder = fmt::format("{}/weir-bench-{}", flags.folder, ::getpid());
  json::array rows;
  if (auto direct = measure_path(flags, folder, platform::disk_mode::direct, "direct", *sizes, *depths, rows);
      !direct) {
    (void)cli::complain("direct: " + direct.error().text);
  }
  const auto buffered = measure_path(flags, folder, platform::disk_mode::buffered, "buffered", *sizes, *depths, rows);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  if (!buffered) return cli::complain("buffered: " + buffered.error().text);
  print(std::cout, flags.format, rows,
        {"path", "size", "depth", "writes_per_s", "mb_per_s", "p50_us", "p99_us", "max_us", "cpu_us_per_write"});
  return 0;
}

}  // namespace

void add_bench_disk_command(CLI::App& app, cli::run_state& run) {
  auto flags = std::make_shared<disk_flags>();
  CLI::App& group = cli::command_group(app, "bench", "measure a broker or a disk");
  CLI::App& command = *group.add_subcommand(
      "disk", "measure durable writes: latency and throughput by size and depth, direct and buffered");
  command.add_option("--folder", flags->folder, "a folder on the disk to measure")
      ->capture_default_str()
      ->check(CLI::ExistingDirectory);
  command.add_option("--sizes", flags->sizes, "sizes of one write")->capture_default_str();
  command.add_option("--depths", flags->depths, "writes in flight")->capture_default_str();
  command.add_option("--seconds", flags->seconds, "time per measurement")
      ->capture_default_str()
      ->check(CLI::Range(0.05, 600.0));
  cli::add_output_flag(command, flags->format);
  command.callback([&run, flags] { run.action = [flags] { return run_bench_disk(*flags); }; });
}

}  // namespace weir::server
