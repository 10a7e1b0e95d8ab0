// Watches the disk's free space: bulk writes stop at the critical mark and go on above the resume mark. Polled, told about
// no_space faults, and told how much is written: a fast writer fills a disk between two polls. Owner thread: the store's
// reactor.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"
#include "platform/disk.h"
#include "storage/options.h"

namespace weir::storage {

class space_guard {
 public:
  space_guard(platform::disk& disk, const store_options& options) : disk_(disk), options_(options) {}

  // Looks when it is time to; true when the state changed from critical to fine.
  bool poll(mono_ns now) {
    if (looked_ && now.raw() - last_ns_ < options_.space_poll_ms * 1'000'000) return false;
    last_ns_ = now.raw();
    return look();
  }
  // Bulk data of so many bytes was taken. Looks again before half of what was left above the mark can be used up.
  void took(std::uint64_t bytes) {
    taken_ += bytes;
    if (critical_ || !looked_) return;
    const std::uint64_t above = free_bytes_ - std::min(free_bytes_, options_.critical_free_bytes);
    if (taken_ > above / 2) (void)look();
  }
  // A write found the disk full, whatever the last poll said.
  void hit_no_space() { critical_ = true; }

  [[nodiscard]] bool critical() const { return critical_; }
  [[nodiscard]] std::uint64_t free_bytes() const { return free_bytes_; }
  [[nodiscard]] std::uint64_t total_bytes() const { return total_bytes_; }

 private:
  bool look() {
    looked_ = true;
    taken_ = 0;
    auto space = disk_.space();
    if (!space) return false;
    free_bytes_ = space->free_bytes;
    total_bytes_ = space->total_bytes;
    if (critical_) {
      critical_ = free_bytes_ < options_.resume_free_bytes;
      return !critical_;
    }
    critical_ = free_bytes_ < options_.critical_free_bytes;
    return false;
  }

  platform::disk& disk_;
  const store_options& options_;
  std::uint64_t free_bytes_ = 0;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t taken_ = 0;  // since the last look
  std::int64_t last_ns_ = 0;
  bool looked_ = false;
  bool critical_ = false;
};

}  // namespace weir::storage
