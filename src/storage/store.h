// The durable log engine: one store per reactor, on one data folder. The contract of its calls is model/log_port.h.
//
// Life: open_store (blocking: recovery runs inside, the state machine gets restore() and apply() calls) -> use on the
// owner thread -> close(done). Destroying a store without close is a crash as far as the disk is concerned: what was
// answered is there after the next open. No completion of the store runs after its destructor.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "base/result.h"
#include "model/entry_format.h"
#include "model/log_port.h"
#include "platform/disk.h"
#include "storage/options.h"

namespace weir::storage {

// Entry formats by tag. The formats must outlive the store. A tag without a format can be stored and read; such
// entries are skipped by compaction.
class format_registry {
 public:
  void add(model::format_tag tag, const model::entry_format& format) { by_tag_[tag] = &format; }
  [[nodiscard]] const model::entry_format* find(model::format_tag tag) const {
    const auto it = by_tag_.find(tag);
    return it == by_tag_.end() ? nullptr : it->second;
  }

 private:
  std::map<model::format_tag, const model::entry_format*> by_tag_;
};

// What recovery found, for the log and for tests.
struct recovery_report {
  bool created = false;           // the folder was empty
  std::uint64_t incarnation = 0;  // of this open
  std::uint64_t replayed_records = 0;
  std::uint64_t replayed_bytes = 0;
  std::uint64_t torn_blocks = 0;  // unfinished writes at the end of the WAL, dropped
  std::uint64_t logs = 0;
  std::uint64_t files = 0;
  std::uint64_t kept_files = 0;       // of them, the WAL's
  std::uint64_t orphans_removed = 0;  // files that no manifest edit names
};

class store : public model::log_store {
 public:
  // Takes no more appends, makes everything durable, writes a last checkpoint, then calls `done` (with the fault when the
  // store is fenced or the checkpoint failed; the data is still in the WAL then). Call once; destroy after `done`.
  virtual void close(std::function<void(result<void>)> done) = 0;
  [[nodiscard]] virtual const recovery_report& recovered() const = 0;
  // Every log that exists, by id. For start-up of the core and for tools.
  [[nodiscard]] virtual std::vector<model::log_id> logs() const = 0;
  // Recent data that stays in memory after it went to files: at most so much from now on (store_options::cache_bytes_max
  // until then).
  virtual void limit_cache(std::uint64_t bytes) = 0;
};

// Opens the data folder behind `disk`, recovering what a crash left, or makes a new store in an empty folder. Everything
// passed by reference must outlive the store. Faults: corrupt (with file and position: nothing was changed), unsupported
// (a newer format), io, no_space.
[[nodiscard]] result<std::unique_ptr<store>> open_store(platform::disk& disk, executor& exec, const clock& time,
                                                        rng& random, const format_registry& formats,
                                                        model::state_machine& machine, store_options options);

}  // namespace weir::storage
