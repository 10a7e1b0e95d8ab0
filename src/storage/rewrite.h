// Rewrites runs of logs that are in data files into new files: to merge many small pieces, to move what is left in nearly
// dead files, to compact. The next checkpoint records the replacement and lets the old extents go.
//
// One job at a time, a step at a time, so that the reactor never stalls for long. Nothing in the tables changes before
// the checkpoint. Owner thread: the store's reactor.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "storage/core.h"
#include "storage/reader.h"

namespace weir::storage {

class rewriter {
 public:
  // Whole extents: those of `log` that begin in [from, to).
  struct piece {
    model::log_id log{};
    model::offset from{};
    model::offset to{};
    bool own = false;  // into a file of its own
  };
  // What is left of an entry: nullopt drops it (its offsets become a gap), the payload is what is stored.
  struct kept {
    bytes payload;
    std::int64_t max_timestamp_ms = -1;
  };
  using entry_filter = std::function<result<std::optional<kept>>(const model::read_entry&)>;
  // On success the replacement waits in core.replaced for the next checkpoint. On a fault nothing has changed.
  using job_done = std::function<void(result<void>)>;

  rewriter(core& c, reader& r);
  ~rewriter();
  [[nodiscard]] bool running() const { return job_ != nullptr; }
  void start(std::vector<piece> pieces, entry_filter filter, job_done done);
  // The job under way ends at its next step with errc::closed and leaves no file. The store is closing: for good.
  void stop() { stopping_ = true; }

 private:
  struct job;
  struct pending_write;
  void step();
  void take(const model::read_batch& batch);
  [[nodiscard]] result<void> put(const model::read_entry& e, const kept& what);
  [[nodiscard]] result<void> choose_file(const log_state& log, std::size_t entry_bytes);
  void end_file();
  void end_piece();
  void write_out(bool last);
  void finish(const result<void>& outcome);

  core& core_;
  reader& reader_;
  std::unique_ptr<job> job_;
  bool stopping_ = false;
  std::shared_ptr<rewriter*> alive_;
};

}  // namespace weir::storage
