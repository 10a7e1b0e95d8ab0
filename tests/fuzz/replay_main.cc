// Feeds a fuzzer the files of its corpus, each whole, cut short and with single bytes changed: what `./dev test` runs with
// every compiler and sanitizer. Finding new inputs is the work of `./dev fuzz`.
//
// Usage: replay FOLDER [FILE...]; a crash names its input on stderr first. The changes are the same in every run.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using input = std::vector<std::uint8_t>;

constexpr std::size_t cuts_max = 64;
constexpr std::size_t changes_max = 128;

// Printed when a run does not come back from it.
struct place {
  std::string file;
  const char* how = "";
  std::size_t at = 0;
};
place now;

void print_place() { std::fprintf(stderr, "replay: last input: %s, %s %zu\n", now.file.c_str(), now.how, now.at); }

void run(const input& in, const char* how, std::size_t at) {
  now.how = how;
  now.at = at;
  // A block of exactly this size: an address sanitizer sees the first byte beyond it.
  const input exact(in.begin(), in.end());
  (void)LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

input read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Whole, cut at up to cuts_max places, and with up to changes_max bytes changed, one at a time.
std::size_t run_file(const std::filesystem::path& file) {
  const input all = read(file);
  now.file = file.string();
  run(all, "whole", all.size());
  std::size_t runs = 1;
  const std::size_t cut_step = std::max<std::size_t>(1, all.size() / cuts_max);
  for (std::size_t n = 0; n < all.size(); n += cut_step, ++runs) {
    run({all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n)}, "cut to", n);
  }
  constexpr std::uint8_t values[] = {0x00, 0x7f, 0x80, 0xff, 0x01};
  const std::size_t change_step = std::max<std::size_t>(1, all.size() / changes_max);
  input changed = all;
  for (std::size_t i = 0; i < all.size(); i += change_step, ++runs) {
    changed[i] = values[(i + all.size()) % std::size(values)];
    run(changed, "with another byte at", i);
    changed[i] = all[i];
  }
  return runs;
}

void add_files(const std::filesystem::path& where, std::vector<std::filesystem::path>& out) {
  if (!std::filesystem::is_directory(where)) return out.push_back(where);
  for (const auto& entry : std::filesystem::directory_iterator(where)) {
    if (entry.is_regular_file()) out.push_back(entry.path());
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  std::size_t runs = 0;
  try {
    for (int i = 1; i < argc; ++i) add_files(argv[i], files);
    std::sort(files.begin(), files.end());
    std::set_terminate([] {
      print_place();
      std::abort();
    });
    for (const auto& file : files) runs += run_file(file);
  } catch (const std::exception& e) {
    print_place();
    std::fprintf(stderr, "replay: %s\n", e.what());
    return 1;
  }
  std::printf("%zu files, %zu inputs\n", files.size(), runs);
  return files.empty() ? 1 : 0;  // a corpus that went missing is no success
}
