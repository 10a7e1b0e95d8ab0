// The store: glue between its parts, and the calls of the log port. See store.h and model/log_port.h for the contracts.
#pragma once

#include <deque>
#include <memory>

#include "storage/checkpoint.h"
#include "storage/compaction.h"
#include "storage/core.h"
#include "storage/manifest_store.h"
#include "storage/reader.h"
#include "storage/rewrite.h"
#include "storage/space_guard.h"
#include "storage/space_reserve.h"
#include "storage/store.h"
#include "storage/tail_cache.h"
#include "storage/wal.h"

namespace weir::storage {

class engine final : public store {
 public:
  engine(platform::disk& disk, executor& exec, const clock& time, rng& random, const format_registry& formats,
         model::state_machine& machine, const store_options& options);
  ~engine() override;
  [[nodiscard]] result<void> open();

  [[nodiscard]] result<void> writable(write_class c) const override;
  model::ticket append(const model::new_record& record) override;
  [[nodiscard]] model::ticket last_ticket() const override { return last_ticket_; }
  [[nodiscard]] model::ticket durable_ticket() const override { return durable_ticket_; }
  [[nodiscard]] bool exists(model::log_id log) const override { return core_.logs.find(log) != nullptr; }
  [[nodiscard]] model::log_info info(model::log_id log) const override;
  void set_policy(model::log_id log, const model::log_policy& policy) override;
  void clean_now(model::log_id log, std::function<void(result<void>)> done) override;
  void read(const model::read_request& request, model::read_done done) override;
  void find_time(model::log_id log, std::int64_t from_ms, model::offset below, model::find_done done) override;
  void find_latest_time(model::log_id log, model::offset below, model::find_done done) override;
  [[nodiscard]] model::store_stats stats() const override;
  void checkpoint(std::function<void(result<void>)> done) override;

  void close(std::function<void(result<void>)> done) override;
  [[nodiscard]] const recovery_report& recovered() const override { return report_; }
  [[nodiscard]] std::vector<model::log_id> logs() const override;
  void limit_cache(std::uint64_t bytes) override { cache_.set_limit(bytes); }

 private:
  void start_wal(std::uint64_t next_seq, ring_position durable_place);
  void write_entries(const model::new_record& record, wal::place at, std::size_t fixed);
  void released(model::ticket t);
  void fenced(const fault& why);
  void tick();
  void arm_tick();
  void maybe_checkpoint();
  void start_checkpoint();
  [[nodiscard]] bool may_keep() const;
  void checkpointed(const result<void>& outcome);
  void after_pressure();
  // cleaning.cc
  void clean_all();
  [[nodiscard]] result<void> retain(log_state& log);
  void trim(log_state& log, model::offset at);
  void maintain();
  [[nodiscard]] bool may_rewrite() const;
  void clean_next();
  void compact(log_state& log, std::function<void(result<void>)> done);
  [[nodiscard]] std::uint64_t kept_live_percent() const;
  void merge_small();
  void refuse_cleaning(const fault& why);
  // engine.cc
  void close_later();
  void finish_close();
  [[nodiscard]] bool names_settled();
  void end_close(const result<void>& outcome);
  [[nodiscard]] std::uint64_t wal_limit(std::uint32_t files_kept) const;

  core core_;
  recovery_report report_;
  manifest_store manifest_;
  std::unique_ptr<wal_files> wal_files_;
  std::unique_ptr<wal> wal_;
  std::unique_ptr<checkpointer> checkpointer_;
  std::unique_ptr<reader> reader_;
  std::unique_ptr<rewriter> rewriter_;
  std::unique_ptr<compactor> compactor_;
  tail_cache cache_;
  space_guard space_;
  space_reserve reserve_;
  model::ticket last_ticket_{};
  model::ticket durable_ticket_{};
  model::applied_record applied_;
  std::uint32_t entry_crcs_ = 0;  // of the record being written
  std::uint64_t records_ = 0;
  std::uint64_t checkpoints_ = 0;
  mutable bool refused_ = false;  // somebody was told busy or no_space and waits for on_writable
  bool applying_ = false;
  bool closing_ = false;
  bool closed_ = false;
  bool syncing_names_ = false;        // of the data folder, while closing
  std::uint32_t removals_tried_ = 0;  // again, while closing
  std::function<void(result<void>)> on_closed_;
  std::vector<std::function<void(result<void>)>> checkpoint_waiters_;  // of the one under way
  std::vector<std::function<void(result<void>)>> next_waiters_;        // of the next
  std::uint64_t checkpoint_serial_ = 0;
  timer_id tick_timer_{};
  std::int64_t last_append_ns_ = 0;
  std::int64_t last_io_ns_ = 0;
  bool appended_since_tick_ = false;
  std::int64_t last_checkpoint_ns_ = 0;
  std::int64_t last_clean_ns_ = 0;
  std::int64_t last_merge_ns_ = 0;
  struct clean_request {
    model::log_id log{};
    std::function<void(result<void>)> done;
  };
  std::deque<clean_request> clean_queue_;  // logs to look at for compaction
  bool retry_later_ = false;               // a checkpoint failed: the next one waits for the tick
  std::shared_ptr<engine*> alive_;
};

}  // namespace weir::storage
