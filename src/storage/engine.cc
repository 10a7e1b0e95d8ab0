#include "storage/engine.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "storage/format/record.h"
#include "storage/recovery.h"

namespace weir::storage {

namespace {

// Limits that depend on each other.
store_options settled(store_options o) {
  o.wal_first_file_bytes = std::min(o.wal_first_file_bytes, o.wal_file_bytes);
  o.wal_files_min = std::max<std::uint32_t>(o.wal_files_min, 2);
  o.wal_files_max = std::max(o.wal_files_max, o.wal_files_min + 2);
  const std::uint64_t one_file = o.wal_file_bytes - 2 * wal_page_bytes;
  o.record_bytes_max = std::min(o.record_bytes_max, one_file - wal_block_header_bytes);
  return o;
}

}  // namespace

result<std::unique_ptr<store>> open_store(platform::disk& disk, executor& exec, const clock& time, rng& random,
                                          const format_registry& formats, model::state_machine& machine,
                                          store_options options) {
  auto e = std::make_unique<engine>(disk, exec, time, random, formats, machine, settled(std::move(options)));
  if (auto ok = e->open(); !ok) return ok.error();
  return std::unique_ptr<store>(std::move(e));
}

engine::engine(platform::disk& disk, executor& exec, const clock& time, rng& random, const format_registry& formats,
               model::state_machine& machine, const store_options& options)
    : core_(disk, exec, time, random, formats, machine, options),
      manifest_(disk, core_.options),
      wal_files_(std::make_unique<wal_files>(disk, core_.options)),
      reader_(std::make_unique<reader>(core_)),
      rewriter_(std::make_unique<rewriter>(core_, *reader_)),
      compactor_(std::make_unique<compactor>(core_, *reader_, *rewriter_)),
      cache_(core_),
      space_(disk, core_.options),
      reserve_(disk, core_.options),
      alive_(std::make_shared<engine*>(this)) {}

engine::~engine() {
  if (tick_timer_ != timer_id{}) core_.exec.cancel(tick_timer_);
}

result<void> engine::open() {
  recovery start(core_, manifest_, *wal_files_, reserve_, report_);
  if (auto ok = start.run(); !ok) return ok;
  report_.incarnation = core_.incarnation;
  report_.logs = core_.logs.size();
  report_.files = core_.files.size();
  report_.kept_files =
      static_cast<std::uint64_t>(std::count_if(core_.files.all().begin(), core_.files.all().end(),
                                               [](const auto& f) { return f.second->kind == data_file_kind::wal; }));
  start_wal(start.next_block_seq(), start.durable_place());
  space_.poll(core_.time.now());
  last_append_ns_ = last_checkpoint_ns_ = last_clean_ns_ = core_.time.now().raw();
  arm_tick();
  core_.exec.defer([this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    wal_files_->provision(false);
    reserve_.keep();
    // What was replayed once shall not be replayed again: a process that dies young and often would pile up WAL and take
    // longer to start each time.
    const bool replayed = report_.replayed_records > 0 && checkpointer_->needed();
    if (replayed && !checkpointer_->running() && !wal_->fenced()) return start_checkpoint();
    maybe_checkpoint();
  });
  return {};
}

void engine::start_wal(std::uint64_t next_seq, ring_position durable_place) {
  wal_files_->keeps = [this](std::uint64_t number) { return core_.take_from_wal(number); };
  wal::events up;
  up.new_chunk = [this](std::size_t n) { return core_.memory.add(n); };
  up.on_durable = [this](model::ticket t) { released(t); };
  up.on_starved = [this] { checkpointer_->wal_moved(); };
  up.on_fenced = [this](const fault& why) { fenced(why); };
  wal_ = std::make_unique<wal>(core_.exec, *wal_files_, core_.options,
                               wal::start{core_.store_id, core_.incarnation, next_seq, durable_place}, std::move(up));
  checkpointer_ = std::make_unique<checkpointer>(core_, manifest_, *wal_, *wal_files_);
}

// ---- Appending --------------------------------------------------------------------------------------------------------

// How many bytes the WAL and the ring may hold uncovered, so that `files_kept` files are still free.
std::uint64_t engine::wal_limit(std::uint32_t files_kept) const {
  const std::uint64_t files = core_.options.wal_files_max - files_kept;
  return std::min(core_.options.ring_bytes_max, files * core_.options.wal_file_bytes);
}

result<void> engine::writable(write_class c) const {
  if (closing_) return fault(errc::closed, "the store is closing");
  if (wal_->fenced()) return fault(errc::fenced, "the store stopped after a failed write of its WAL");
  const std::uint64_t held = core_.memory.uncovered_bytes();
  if (c == write_class::bulk) {
    if (space_.critical()) {
      refused_ = true;
      return fault(errc::no_space, "the disk is nearly full: writes are refused until there is space again");
    }
    if (held >= wal_limit(2)) {
      refused_ = true;
      return fault(errc::busy, "the tail ring is full");
    }
    return {};
  }
  // Essential records get a reserve of one WAL file beyond what bulk may use.
  if (held >= wal_limit(2) + core_.options.wal_file_bytes) {
    refused_ = true;
    return fault(errc::busy, "the tail ring and its reserve are full");
  }
  return {};
}

model::ticket engine::append(const model::new_record& record) {
  WEIR_ASSERT(!applying_ && !closing_ && !wal_->fenced());
  const std::size_t size = record_size(record);
  WEIR_ASSERT(size <= core_.options.record_bytes_max);
  space_.took(size);
  const wal::place at = wal_->reserve(size);
  shard_state& shard = core_.shard(record.shard);
  if (!shard.dirty) {
    shard.dirty = true;
    core_.dirty_shards.push_back(shard.id.raw());
  }
  ++shard.last;
  applied_.shard = record.shard;
  applied_.at = shard.last;
  applied_.changes = record.changes;
  applied_.entries.clear();
  applied_.state_kind = record.state_kind;
  applied_.state_version = record.state_version;

  record_header h;
  h.length = static_cast<std::uint32_t>(size);
  h.shard = record.shard;
  h.at = shard.last;
  h.state_kind = record.state_kind;
  h.state_version = record.state_version;
  h.state_bytes = static_cast<std::uint32_t>(record.state.size());
  h.entries = static_cast<std::uint32_t>(record.entries.size());
  h.changes = static_cast<std::uint32_t>(record.changes.size());
  const std::size_t fixed = h.fixed_bytes();
  put_record_head(at.at, h, record.changes, record.state);
  applied_.state = bytes(at.at + fixed - record.state.size(), record.state.size());
  for (const model::log_change& c : record.changes) core_.apply_change(c, record.shard);
  write_entries(record, at, fixed);
  const std::uint32_t crc = seal_record(at.at, fixed, entry_crcs_);
  ++last_ticket_;
  wal_->commit(size, crc, last_ticket_);
  core_.appended_bytes += size;
  ++records_;
  if (!std::exchange(appended_since_tick_, true)) reader_->give_way(true);
  applying_ = true;
  core_.machine.apply(applied_);
  applying_ = false;
  if (core_.appended_bytes >= core_.options.checkpoint_bytes) maybe_checkpoint();
  return last_ticket_;
}

void engine::write_entries(const model::new_record& record, wal::place at, std::size_t fixed) {
  std::size_t position = fixed;
  entry_crcs_ = 0;
  for (const model::new_entry& e : record.entries) {
    log_state* log = core_.logs.find(e.log);
    WEIR_ASSERT(log != nullptr && log->shard == record.shard && e.count > 0);
    std::byte* out = at.at + position;
    entry_header h;
    WEIR_ASSERT(!e.body_of || (e.head.empty() && e.body.empty()));
    h.payload_bytes = static_cast<std::uint32_t>(e.body_of ? body_reference_bytes : e.head.size() + e.body.size());
    h.log = e.log;
    h.base = log->end;
    h.count = e.count;
    h.format = e.format;
    h.max_timestamp_ms = e.max_timestamp_ms;
    h.leader_epoch = e.leader_epoch;
    if (e.body_of) h.kind = entry_kind::body_reference;
    put_entry_header(out, h);
    std::byte* payload = out + entry_header_bytes;
    if (e.body_of) put_body_reference(payload, {e.body_of->log, e.body_of->at});
    if (!e.head.empty()) std::memcpy(payload, e.head.data(), e.head.size());
    if (!e.body.empty()) std::memcpy(payload + e.head.size(), e.body.data(), e.body.size());
    const std::size_t total = h.total_bytes();
    h.crc = seal_entry({out, total});
    entry_crcs_ = chain_crc(h.crc, entry_crcs_);
    if (total >= core_.options.keep_entry_bytes) core_.appended_large_bytes += total;
    core_.apply_entry(*log, h, *at.where, at.position + static_cast<std::uint32_t>(position));
    applied_.entries.push_back(
        {e.log, h.base, h.count, h.format, h.max_timestamp_ms, h.leader_epoch, bytes(payload, h.payload_bytes)});
    position += total;
  }
}

void engine::released(model::ticket t) {
  durable_ticket_ = t;
  checkpointer_->wal_moved();
  core_.machine.on_durable(t);
  close_later();
}

void engine::fenced(const fault& why) {
  checkpointer_->wal_moved();
  refuse_cleaning(why);
  core_.machine.on_fenced(why);
  close_later();
}

// ---- Looking ----------------------------------------------------------------------------------------------------------

model::log_info engine::info(model::log_id id) const {
  const log_state* log = core_.logs.find(id);
  WEIR_ASSERT(log != nullptr);
  model::log_info out;
  out.start = log->start;
  out.end = out.durable_end = log->end;
  const ring_position durable = wal_->durable_place();
  if (!log->tail.empty() && log->tail.back().place() >= durable) {
    out.durable_end = std::max(log->start, log->tail[log->tail.find_place(durable)].base);
  }
  out.size_bytes = log->extent_bytes + log->unflushed_bytes;
  out.max_timestamp_ms = log->start == log->end ? -1 : log->max_timestamp();
  return out;
}

void engine::set_policy(model::log_id id, const model::log_policy& policy) {
  log_state* log = core_.logs.find(id);
  WEIR_ASSERT(log != nullptr);
  log->policy = std::make_unique<model::log_policy>(policy);
}

void engine::read(const model::read_request& request, model::read_done done) {
  reader_->read(request, std::move(done));
}

void engine::find_time(model::log_id id, std::int64_t from_ms, model::offset below, model::find_done done) {
  reader_->find_time(id, from_ms, below, std::move(done));
}

void engine::find_latest_time(model::log_id id, model::offset below, model::find_done done) {
  reader_->find_latest_time(id, below, std::move(done));
}

std::vector<model::log_id> engine::logs() const {
  std::vector<model::log_id> out;
  core_.logs.each([&](const log_state& log) { out.push_back(log.id); });
  std::sort(out.begin(), out.end());
  return out;
}

model::store_stats engine::stats() const {
  model::store_stats s;
  s.wal_writes = wal_->writes();
  s.wal_bytes = wal_->bytes_written();
  s.records = records_;
  s.segment_bytes = checkpointer_->segment_bytes();
  s.kept_bytes = checkpointer_->kept_bytes();
  s.checkpoints = checkpoints_;
  s.wal_turnovers = wal_files_->turnovers();
  s.tail_bytes = core_.memory.uncovered_bytes();
  s.cache_bytes = core_.memory.cached_bytes();
  s.cache_bytes_max = cache_.limit();
  s.read_bytes = core_.io_memory->held() + core_.io_memory->kept_bytes();
  s.index_bytes = core_.files.index_bytes();
  s.logs = core_.logs.size();
  s.files = core_.files.size() + wal_files_->used_count() + wal_files_->free_count();
  s.free_bytes = space_.free_bytes();
  s.total_bytes = space_.total_bytes();
  s.fenced = wal_->fenced();
  s.disk_critical = space_.critical();
  return s;
}

// ---- Checkpoints, housekeeping, closing -------------------------------------------------------------------------------

void engine::checkpoint(std::function<void(result<void>)> done) {
  if (wal_->fenced() || closed_) {
    return core_.exec.defer([done = std::move(done)] { done(fault(errc::fenced, "the store is fenced or closed")); });
  }
  next_waiters_.push_back(std::move(done));
  if (checkpointer_->running()) return checkpointer_->hurry();
  start_checkpoint();
}

void engine::maybe_checkpoint() {
  if (checkpointer_->running() || wal_->fenced() || retry_later_) return;
  if (core_.appended_bytes >= core_.options.checkpoint_bytes) start_checkpoint();
}

// Large entries stay where the WAL wrote them when nearly all that came is such: what else its files hold stays with them.
bool engine::may_keep() const {
  const std::uint64_t large = core_.appended_large_bytes;
  return core_.options.keep_entry_bytes > 0 && large >= core_.options.keep_bytes_min &&
         large >= core_.appended_bytes / 100 * core_.options.keep_percent_min &&
         core_.kept_extents < core_.options.keep_extents_max && wal_files_->free_count() > 0 && !space_.critical();
}

// One that nobody waits for takes half of the time in which its data came.
void engine::start_checkpoint() {
  checkpoint_waiters_.swap(next_waiters_);
  const std::int64_t now = core_.time.now().raw();
  const std::int64_t since = now - std::exchange(last_checkpoint_ns_, now);
  const bool awaited = !checkpoint_waiters_.empty() || closing_ || space_.critical();
  const std::int64_t most = core_.options.checkpoint_spread_ms * 1'000'000;
  checkpointer_->start(awaited ? 0 : std::min(since / 2, most), may_keep(),
                       [this](const result<void>& outcome) { checkpointed(outcome); });
}

void engine::checkpointed(const result<void>& outcome) {
  retry_later_ = !outcome;
  if (outcome) {
    ++checkpoints_;
  } else if (outcome.error().code == errc::no_space) {
    space_.hit_no_space();
    (void)reserve_.give_up();  // the next tick tries again
  }
  std::vector<std::function<void(result<void>)>> waiters;
  waiters.swap(checkpoint_waiters_);
  for (auto& w : waiters) w(outcome);
  cache_.covered();
  after_pressure();
  if (closing_) return finish_close();
  if (!next_waiters_.empty() && !wal_->fenced()) return start_checkpoint();
  clean_next();
  if (checkpointer_->running()) return;
  maybe_checkpoint();
}

// Tells the core once when what it was refused for has gone away.
void engine::after_pressure() {
  if (!refused_ || closing_ || wal_->fenced()) return;
  if (space_.critical() || core_.memory.uncovered_bytes() >= wal_limit(2) / 4 * 3) return;
  refused_ = false;
  core_.machine.on_writable();
}

void engine::arm_tick() {
  const mono_ns when(core_.time.now().raw() + core_.options.tick_ms * 1'000'000);
  tick_timer_ = core_.exec.at(when, [this] {
    tick_timer_ = {};
    tick();
  });
}

void engine::tick() {
  const std::int64_t now = core_.time.now().raw();
  if (appended_since_tick_) {
    last_append_ns_ = now;
  } else {
    reader_->give_way(false);
  }
  appended_since_tick_ = false;
  const std::int64_t quiet = (now - last_append_ns_) / 1'000'000;
  if (!checkpointer_->running() && !wal_->fenced() && checkpointer_->needed()) {
    const bool overdue = (now - last_checkpoint_ns_) / 1'000'000 >= core_.options.checkpoint_interval_ms;
    const bool frees = !core_.dead_files.empty();
    const bool worth_it = core_.appended_bytes >= core_.options.quiet_bytes || frees;
    const bool idle = quiet >= (worth_it ? core_.options.quiet_ms : core_.options.quiet_small_ms);
    if (idle || overdue || (frees && space_.critical()) || core_.appended_bytes >= core_.options.checkpoint_bytes) {
      start_checkpoint();
    }
  }
  retry_later_ = false;
  core_.trash.retry();
  if (space_.poll(core_.time.now())) wal_files_->space_came_back();
  if (!space_.critical()) {
    wal_files_->space_came_back();
    reserve_.keep();
  }
  wal_files_->provision(quiet >= core_.options.idle_release_ms);
  cache_.tick(now, quiet);
  reader_->age();
  if (core_.io_memory->used()) last_io_ns_ = now;
  if ((now - last_io_ns_) / 1'000'000 >= core_.options.idle_release_ms) core_.io_memory->release_kept();
  core_.files.trim_indexes(core_.options.index_bytes_max);
  maintain();
  after_pressure();
  arm_tick();
}

void engine::close(std::function<void(result<void>)> done) {
  WEIR_ASSERT(!closing_);
  closing_ = true;
  on_closed_ = std::move(done);
  if (tick_timer_ != timer_id{}) core_.exec.cancel(tick_timer_);
  tick_timer_ = {};
  rewriter_->stop();
  compactor_->stop();
  refuse_cleaning(fault(errc::closed, "the store is closing"));
  core_.trash.on_idle = [this] { close_later(); };
  close_later();
}

// Something that closing may wait for has moved.
void engine::close_later() {
  if (!closing_) return;
  core_.exec.defer([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) finish_close();
  });
}

void engine::finish_close() {
  if (closed_ || rewriter_->running() || compactor_->running()) return;
  if (wal_->fenced()) return end_close(fault(errc::fenced, "the store was fenced"));
  checkpointer_->hurry();
  if (!wal_->idle() || checkpointer_->running()) return;
  if (checkpointer_->needed()) {
    checkpoint([this](const result<void>& last) {
      if (!last && !closed_) end_close(last);
    });
    return;
  }
  if (names_settled()) end_close({});
}

// A clean stop leaves no file that nobody names, whatever happens to the power later.
bool engine::names_settled() {
  constexpr std::uint32_t removals_max = 3;
  if (syncing_names_ || !core_.trash.idle()) return false;
  if (core_.trash.failed() > 0 && removals_tried_ < removals_max) {
    ++removals_tried_;
    core_.trash.retry();
    return false;
  }
  if (!core_.trash.take_removed()) return true;
  syncing_names_ = true;
  core_.disk.sync_folder("data", [this, alive = std::weak_ptr(alive_)](const result<void>&) {
    if (alive.expired()) return;
    syncing_names_ = false;  // if it failed the next start finds what came back
    close_later();
  });
  return false;
}

void engine::end_close(const result<void>& outcome) {
  closed_ = true;
  auto waiters = std::exchange(checkpoint_waiters_, {});
  for (auto& w : std::exchange(next_waiters_, {})) waiters.push_back(std::move(w));
  core_.exec.defer([waiters = std::move(waiters), done = on_closed_, outcome] {
    for (const auto& w : waiters) w(fault(errc::closed, "the store is closed"));
    done(outcome);
  });
}

}  // namespace weir::storage
