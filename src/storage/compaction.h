// Key compaction of one log at a time: of every key the latest record stays. Two steps: the first goes over what is new since
// the last pass, as far as the memory for keys goes, and remembers the latest offset of every key; the second rewrites the log
// from its start to there without what is older (storage/rewrite.h). How far it has been is recorded with what it made.
//
// Offsets stay; a log may have gaps afterwards. A tombstone goes once it has been through a pass that long ago as
// delete_retention_ms asks for, so that every reader had that time to see it. Records without a key, entries whose format
// is not registered, and entries that cannot be opened stay as they are. Owner thread: the store's reactor.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "storage/core.h"
#include "storage/reader.h"
#include "storage/rewrite.h"

namespace weir::storage {

class compactor {
 public:
  using done_fn = std::function<void(result<void>)>;
  compactor(core& c, reader& r, rewriter& w);
  ~compactor();

  [[nodiscard]] bool running() const { return job_ != nullptr; }
  // Whether the policy asks for a pass now.
  [[nodiscard]] bool due(const log_state& log) const;
  // One pass; the rewriter must be idle.
  void start(log_state& log, done_fn done);
  // The pass under way ends at its next step with errc::closed. The store is closing: for good.
  void stop() { stopping_ = true; }

 private:
  struct job;
  [[nodiscard]] model::offset clean_end(const log_state& log) const;
  void read_keys();
  [[nodiscard]] result<bool> note_keys(const model::read_entry& e);
  void rewrite();
  [[nodiscard]] result<std::optional<rewriter::kept>> filter(const model::read_entry& e);
  void note_pass();
  void finish(const result<void>& outcome);

  core& core_;
  reader& reader_;
  rewriter& rewriter_;
  std::unique_ptr<job> job_;
  bool stopping_ = false;
  std::shared_ptr<compactor*> alive_;
};

}  // namespace weir::storage
