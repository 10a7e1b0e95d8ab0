// A histogram of times with a bounded relative error (below 1 %) and a fixed size, whatever is recorded.
//
// Buckets: 128 of equal width in each power of two; values below 128 are exact. Thread: one.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace weir::cli {

class latency_histogram {
 public:
  void record(std::int64_t ns, std::uint64_t times = 1) {
    const auto v = static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0));
    counts_[index_of(v)] += times;
    total_ += times;
    max_ = std::max(max_, v);
  }
  void merge(const latency_histogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
    max_ = std::max(max_, other.max_);
  }
  [[nodiscard]] std::uint64_t total() const { return total_; }
  // The value that `share` (0..1) of all recorded do not exceed, in microseconds; 0 when nothing was recorded.
  [[nodiscard]] double percentile_us(double share) const {
    if (total_ == 0) return 0;
    const auto wanted =
        std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::llround(share * static_cast<double>(total_))));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= wanted) return static_cast<double>(std::min(highest_of(i), max_)) / 1000.0;
    }
    return static_cast<double>(max_) / 1000.0;
  }
  [[nodiscard]] double max_us() const { return static_cast<double>(max_) / 1000.0; }

 private:
  static constexpr unsigned bits = 7;
  static constexpr std::uint64_t per_octave = 1ULL << bits;

  static std::size_t index_of(std::uint64_t v) {
    if (v < per_octave) return v;
    const unsigned shift = static_cast<unsigned>(std::bit_width(v)) - 1 - bits;
    return (static_cast<std::size_t>(shift + 1) << bits) + static_cast<std::size_t>((v >> shift) - per_octave);
  }
  static std::uint64_t highest_of(std::size_t index) {
    const std::size_t octave = index >> bits;
    if (octave == 0) return index;
    const std::uint64_t mantissa = per_octave + (index & (per_octave - 1));
    return ((mantissa + 1) << (octave - 1)) - 1;
  }

  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>((64 - bits + 1) << bits);
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace weir::cli
