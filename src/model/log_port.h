// The log port: how the core sees durable logs. storage/ implements it (cluster/ will wrap it).
//
// One log_store serves the shards of one reactor and has one WAL. Everything here belongs to that reactor's
// thread. Life of a change: decide -> append(record) -> the store calls state_machine::apply at once -> later
// on_durable(ticket)
// -> the answer leaves. Recovery calls restore() with the last snapshot of each shard and then the same
// apply() for every record behind it. Words: a log holds offsets [start, end); [start, durable_end) is what
// readers of `sync` destinations see; all of it is dense when assigned, though compaction may leave holes
// that readers skip.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/entry_format.h"
#include "model/ids.h"
#include "model/shared_bytes.h"

namespace weir::model {

// ---- Writing
// ------------------------------------------------------------------------------------------------------

// One entry to append. Its base offset is the log's end at the append; the caller has already written it into
// `head` if the format wants it there. head + body are copied during the call.
struct body_place {
  log_id log{};
  offset at{};
};
struct new_entry {
  log_id log{};
  format_tag format = format_tag::none;
  std::uint32_t count = 0;             // offsets that it takes, >= 1
  std::int64_t max_timestamp_ms = -1;  // for search by time and retention
  epoch leader_epoch{-1};
  bytes head;
  bytes body;
  // One body for many logs: this entry's payload is that of the entry at this place, in a log of the same shard, which
  // the caller keeps as long as entries refer to it. head and body are empty then. Readers see the payload, not the place.
  std::optional<body_place> body_of{};
};

enum class log_change_kind : std::uint8_t {
  create = 1,  // a new empty log with start = end = 0; opens no file
  remove = 2,  // gone for good, its space is freed by and by
  trim = 3,    // start moves up to `at` (DeleteRecords, retention)
};
struct log_change {
  log_change_kind kind{};
  log_id log{};
  offset at{};  // trim only
};

// One atomic record of a shard: after a crash all of it is there or nothing. `state` is opaque to storage;
// `state_kind` and `state_version` tell the state machine how to read it (0: no state part).
struct new_record {
  shard_id shard{};
  std::vector<log_change> changes;  // take effect before the entries
  std::vector<new_entry> entries;
  std::uint16_t state_kind = 0;
  std::uint8_t state_version = 0;
  bytes state;
};

// The same record as apply() sees it, at append and in recovery. Views live until apply returns.
struct applied_entry {
  log_id log{};
  offset base{};
  std::uint32_t count = 0;
  format_tag format = format_tag::none;
  std::int64_t max_timestamp_ms = -1;
  epoch leader_epoch{-1};
  bytes payload;
};
struct applied_record {
  shard_id shard{};
  lsn at{};
  std::vector<log_change> changes;
  std::vector<applied_entry> entries;
  std::uint16_t state_kind = 0;
  std::uint8_t state_version = 0;
  bytes state;
};

// ---- Reading
// ------------------------------------------------------------------------------------------------------

struct read_entry {
  offset base{};
  std::uint32_t count = 0;
  format_tag format = format_tag::none;
  std::int64_t max_timestamp_ms = -1;
  epoch leader_epoch{-1};
  bytes payload;  // alive while `owners` of the read_batch are
};
struct read_batch {
  std::vector<read_entry> entries;  // in offset order; the first contains or follows the asked offset
  std::vector<std::shared_ptr<const void>> owners;
  std::size_t payload_bytes = 0;
};
using read_done = std::function<void(result<read_batch>)>;

struct read_request {
  log_id log{};
  offset from{};
  offset below{};             // entries whose base is >= this are not returned (durable end, last stable offset, ...)
  std::size_t bytes_max = 0;  // of payload; the first entry is returned even if larger when `at_least_one`
  bool at_least_one = true;
};

struct log_info {
  offset start{};
  offset end{};                        // next offset to assign
  offset durable_end{};                // everything below is on disk
  std::uint64_t size_bytes = 0;        // in files and memory
  std::int64_t max_timestamp_ms = -1;  // the largest seen in what is still there; -1 when empty
};

// The largest-timestamp entry and the first entry at or after a time; the entry's records are for the caller
// to open.
using find_done = std::function<void(result<std::optional<read_batch>>)>;

// ---- The two sides
// ------------------------------------------------------------------------------------------------

// The core's side: the only mutator of state that must survive. One per store. Owner thread: the store's
// reactor.
class state_machine {
 public:
  state_machine() = default;
  state_machine(const state_machine&) = delete;
  state_machine& operator=(const state_machine&) = delete;
  virtual ~state_machine() = default;

  virtual void apply(const applied_record& record) = 0;
  // All state of one shard as of the record applied last. Must be exact: restore(snapshot) then equals the
  // original.
  virtual void snapshot(shard_id shard, byte_vector& out) const = 0;
  [[nodiscard]] virtual result<void> restore(shard_id shard, bytes snapshot) = 0;

  // Everything with ticket <= `t` is durable. Called once per completed group of WAL writes, in rising order.
  virtual void on_durable(ticket t) = 0;
  // The WAL failed (a sync error): nothing after the last durable ticket may be answered, the store is
  // fenced.
  virtual void on_fenced(const fault& why) = 0;
  // Memory or disk pressure went away: appends that were refused with errc::busy or errc::no_space may be
  // tried again.
  virtual void on_writable() = 0;
};

// Per log rules that storage carries out by itself. Changing them is not a logged change of storage: the core
// keeps them in its own state and sets them again after recovery.
struct log_policy {
  std::int64_t retention_ms = -1;     // -1: for ever
  std::int64_t retention_bytes = -1;  // -1: no limit
  std::uint64_t segment_bytes = 1ULL << 30;
  std::int64_t segment_ms = 7LL * 24 * 3600 * 1000;
  bool delete_old = true;  // cleanup.policy contains delete
  bool compact = false;    // cleanup.policy contains compact
  double min_cleanable_ratio = 0.5;
  std::int64_t delete_retention_ms = 24LL * 3600 * 1000;  // how long tombstones stay readable
  std::int64_t min_compaction_lag_ms = 0;
  std::int64_t max_compaction_lag_ms = INT64_MAX;
};

struct store_stats {
  std::uint64_t wal_writes = 0;  // durable writes completed: each is one sync
  std::uint64_t wal_bytes = 0;
  std::uint64_t records = 0;
  std::uint64_t segment_bytes = 0;  // lazily written
  std::uint64_t kept_bytes = 0;     // not written again: the WAL's files are kept for them
  std::uint64_t checkpoints = 0;
  std::uint64_t wal_turnovers = 0;    // WAL files filled and done with
  std::uint64_t tail_bytes = 0;       // in memory, not yet in segments
  std::uint64_t cache_bytes = 0;      // in memory and in segments, and memory kept for the next data
  std::uint64_t cache_bytes_max = 0;  // at the moment
  std::uint64_t read_bytes = 0;       // buffers of disk reads and data file writes, used or kept for the next
  std::uint64_t index_bytes = 0;      // sparse indexes of data files
  std::uint64_t logs = 0;
  std::uint64_t files = 0;
  std::uint64_t free_bytes = 0;   // of the disk, for us
  std::uint64_t total_bytes = 0;  // of the disk
  bool fenced = false;
  bool disk_critical = false;
};

class log_store {
 public:
  log_store() = default;
  log_store(const log_store&) = delete;
  log_store& operator=(const log_store&) = delete;
  virtual ~log_store() = default;

  // Whether a record of this class would be taken now. `bulk` is user data: refused with errc::no_space at
  // the critical disk mark and with errc::busy when the tail ring is full. `essential` is acknowledgements,
  // commits, deletes and trims: they may use the reserve. errc::fenced after a failed sync.
  enum class write_class { bulk, essential };
  [[nodiscard]] virtual result<void> writable(write_class c) const = 0;

  // Takes the record: assigns lsn and base offsets, copies it, calls state_machine::apply before it returns.
  // The record must name logs of its own shard that exist (or that it creates); writable() must have said yes
  // in this turn, both asserted. The ticket is what the answer waits for.
  virtual ticket append(const new_record& record) = 0;
  // The ticket that an answer waits for when it observed state but appended nothing: the last one appended.
  [[nodiscard]] virtual ticket last_ticket() const = 0;
  [[nodiscard]] virtual ticket durable_ticket() const = 0;

  [[nodiscard]] virtual bool exists(log_id log) const = 0;
  [[nodiscard]] virtual log_info info(log_id log) const = 0;  // the log must exist
  virtual void set_policy(log_id log, const log_policy& policy) = 0;
  // One pass of retention and compaction that is due by the policies; the store also does this by itself from
  // time to time.
  virtual void clean_now(log_id log, std::function<void(result<void>)> done) = 0;

  // Calls `done` at once (before it returns) when the answer is in memory, else after the disk was read.
  // Faults: out_of_range (from < start or > end), not_found (the log went away), corrupt (with what and
  // where), io, busy.
  virtual void read(const read_request& request, read_done done) = 0;
  // The first entry below `below` that has max_timestamp_ms >= from_ms, nullopt when there is none.
  virtual void find_time(log_id log, std::int64_t from_ms, offset below, find_done done) = 0;
  // The entry with the largest timestamp, the first such.
  virtual void find_latest_time(log_id log, offset below, find_done done) = 0;

  [[nodiscard]] virtual store_stats stats() const = 0;
  // Starts a checkpoint now (it runs by itself when the WAL fills or the store goes quiet).
  virtual void checkpoint(std::function<void(result<void>)> done) = 0;
};

}  // namespace weir::model
