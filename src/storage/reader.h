// Reads: from memory where the tail reaches, else from data files by large checked reads. Owner thread: the store's
// reactor. Buffers are released on any thread; what they hold is bounded by read_bytes_max.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "storage/core.h"

namespace weir::storage {

class reader {
 public:
  explicit reader(core& c);

  void read(const model::read_request& request, model::read_done done);
  void find_time(log_state& log, std::int64_t from_ms, model::offset below, model::find_done done);
  void find_latest_time(log_state& log, model::offset below, model::find_done done);

  // The sparse index of a file, built by reading it when it is neither in memory nor in a footer.
  void with_index(data_file& f, std::function<void(result<void>)> done);
  // Reads a span of a file; the buffer is charged to the read budget. Faults: busy.
  using span_done = std::function<void(result<std::shared_ptr<byte_vector>>)>;
  void read_span(data_file& f, std::uint64_t position, std::size_t length, span_done done);

  [[nodiscard]] std::uint64_t held_bytes() const { return held_->load(std::memory_order_relaxed); }

 private:
  struct disk_read;
  struct time_search;
  struct index_scan;
  [[nodiscard]] bool from_memory(log_state& log, const model::read_request& request, model::read_batch& out) const;
  void step(const std::shared_ptr<disk_read>& op);
  void locate(const std::shared_ptr<disk_read>& op);
  void fetch(const std::shared_ptr<disk_read>& op);
  void take(const std::shared_ptr<disk_read>& op, const std::shared_ptr<byte_vector>& buffer);
  void finish(const std::shared_ptr<disk_read>& op, result<model::read_batch> outcome);
  void scan_index(const std::shared_ptr<index_scan>& op);
  void load_footer(data_file& f, std::function<void(result<void>)> done);
  void search(const std::shared_ptr<time_search>& op);

  core& core_;
  std::shared_ptr<std::atomic<std::uint64_t>> held_;
  std::shared_ptr<reader*> alive_;
};

}  // namespace weir::storage
