// One node's simulated disk: what programs see (the cache) and what would survive a power cut (the platter).
//
// It outlives processes: a run crashes the volume, makes new sim_disk objects over it and opens the store
// again. Rules, at the harshest that a POSIX file system with a write-back cache may play:
//  - written bytes survive in any subset of 4 KiB blocks until synced; a block may tear between sectors of
//  512 bytes;
//  - a durable write survives when it completed, in flight in any subset of sectors;
//  - names (created, renamed, unlinked) survive in any subset until their folder is synced; sizes likewise;
//  - a failed sync of a folder loses any of the new names that it should have saved, for good: everybody goes on seeing them
//  until the power goes, and later syncs succeed;
//  - a failed sync loses any subset of the bytes that it should have saved, and marks them clean all the
//  same;
//  - a full disk refuses writes that need new blocks.
// Every changing operation is a numbered *crash point* of a *site* (its kind and its file's class), so that a
// plan may cut the power exactly there. After the cut nothing has an effect and nothing completes, until
// power_cycle().
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "platform/disk.h"
#include "platform/sim/sim_world.h"

namespace weir::platform::sim {

inline constexpr std::size_t sector_bytes = 512;

enum class op_kind : std::uint8_t {
  write,
  durable_write,
  sync,
  allocate,
  truncate,
  create,
  rename,
  unlink,
  make_folder,
  sync_folder,
  read
};
[[nodiscard]] const char* to_string(op_kind kind) noexcept;

// Where in the code an operation comes from, as far as the disk can tell.
struct crash_site {
  op_kind kind{};
  std::string file_class;
  friend auto operator<=>(const crash_site&, const crash_site&) = default;
};
struct site_count {
  std::uint64_t seen = 0;     // operations
  std::uint64_t crashed = 0;  // the power went there
};
using site_counts = std::map<crash_site, site_count>;

// "wal/000017.wal" -> "wal/#.wal": runs of digits (and hexadecimal runs of 4 and more with a digit) become
// '#'.
[[nodiscard]] std::string file_class(const std::string& path);

struct crash_plan {
  // The nth matching operation counted from arm(); 0 never. No kind matches all kinds, an empty class all
  // classes.
  std::uint64_t nth = 0;
  std::optional<op_kind> kind;
  std::string file_class;
  bool after = false;  // when it took effect but its completion was not seen yet; else as it starts
};

// Rates are per operation and count only where `eligible` (all when empty) says so.
struct fault_rates {
  double write = 0, sync = 0, read = 0, sync_folder = 0, metadata = 0;  // errc::io
  double read_flip = 0;  // one bit of what a read returns is wrong, this time
  std::function<bool(op_kind, const std::string& path)> eligible;
};

struct latency_model {
  std::uint64_t least_ns = 20'000;
  std::uint64_t spread_ns = 180'000;
  double stall = 0.01;  // this share takes up to stall_ns more
  std::uint64_t stall_ns = 8'000'000;
};

struct volume_options {
  std::uint64_t capacity_bytes = 1ULL << 30;
  bool direct = true;  // durable writes: O_DIRECT|DSYNC, else page cache and fdatasync
};

// A file's content, shared by its names and handles.
struct sim_inode {
  std::uint64_t id = 0;
  byte_vector cache;
  byte_vector platter;
  std::vector<bool> dirty;  // by block of disk_block_bytes: cache differs from platter, a later sync would save it
  bool size_dirty = false;
  // When the platter's version of a block, or of the size, was taken: an older sync that ends later must not
  // win.
  std::vector<std::uint64_t> saved_order;
  std::uint64_t size_order = 0;
  std::uint32_t handles = 0;
  std::uint32_t links = 0;
  std::uint32_t durable_writes_in_flight = 0;
};

struct fault_stats {
  std::uint64_t failed_writes = 0, failed_syncs = 0, failed_reads = 0, flipped_reads = 0, no_space = 0, other = 0;
};

class sim_volume {
 public:
  sim_volume(sim_world& world, volume_options options);
  ~sim_volume();
  sim_volume(const sim_volume&) = delete;
  sim_volume& operator=(const sim_volume&) = delete;

  // --- The life of the node
  void arm(crash_plan plan);
  // Cuts the power now (a plan does the same at its point). Stops the world's run.
  void cut_power();
  [[nodiscard]] bool dead() const { return dead_; }
  // The site where the power went, when a plan did it.
  [[nodiscard]] const std::optional<crash_site>& died_at() const { return died_at_; }
  // The power comes back: decides what survived. All handles and disks of before must be gone.
  void power_cycle();
  // The process died but the machine did not: the cache survives, what was in flight happened, in part or
  // not.
  void kill_process();

  // --- Faults
  fault_rates faults;
  latency_model latency;
  std::uint64_t slow_factor = 1;
  void set_capacity(std::uint64_t bytes) { options_.capacity_bytes = bytes; }
  [[nodiscard]] std::uint64_t used_bytes() const { return used_blocks_ * disk_block_bytes; }
  // Flips one bit for good. False when the file is shorter.
  bool flip_bit(const std::string& path, std::uint64_t bit);
  [[nodiscard]] const fault_stats& stats() const { return stats_; }

  // --- For checks
  [[nodiscard]] const site_counts& sites() const { return sites_; }
  [[nodiscard]] std::uint64_t points() const { return points_; }
  [[nodiscard]] std::uint64_t reads() const { return reads_; }  // begun, but for the blocking ones
  [[nodiscard]] std::uint64_t read_bytes() const { return read_bytes_; }
  // Broken rules of the seam, in words: unaligned or overlapping durable writes, too many in flight, memory
  // that changed while it was being written, a file closed with operations outstanding.
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  [[nodiscard]] std::vector<std::string> paths() const;
  [[nodiscard]] const sim_inode* find(const std::string& path) const;
  [[nodiscard]] bool direct() const { return options_.direct; }
  [[nodiscard]] std::size_t in_flight() const { return in_flight_.size(); }

 private:
  friend class sim_disk;
  friend class sim_file;
  using inode_ptr = std::shared_ptr<sim_inode>;
  struct name_change {
    op_kind kind{};
    std::string path;
    std::string to;
    inode_ptr node;
    std::uint64_t order = 0;
  };
  struct operation {
    op_kind kind{};
    std::string path;
    inode_ptr node;
    std::uint64_t pos = 0;
    byte_vector data;                                        // what a write will write
    std::vector<bytes> parts;                                // where it came from
    mutable_bytes into;                                      // read
    std::uint64_t length = 0;                                // allocate; size at the start of a sync
    std::vector<std::pair<std::size_t, byte_vector>> saved;  // sync: blocks as they were when it started
    std::uint64_t order = 0;                                 // sync: when it started
    std::uint64_t names = 0;                                 // sync_folder: the last name change before it
    bool fail = false;
    bool die_after = false;
    io_done io;
    op_done op;
  };
  enum class point { go, die, die_after };

  // Counts a crash point. `die`: the power went; treat the operation as in flight.
  point pass(op_kind kind, const std::string& path);
  [[nodiscard]] bool fault_hits(double rate, op_kind kind, const std::string& path);
  [[nodiscard]] std::int64_t draw_latency();
  void die(const crash_site& where);
  void violation(std::string what);
  void trace(const char* what, const std::string& path, std::uint64_t a, std::uint64_t b);

  // Asynchronous operations: start() schedules finish(), unless the power goes first.
  void start(sim_executor& on, operation o);
  void finish(std::uint64_t id);
  [[nodiscard]] result<std::size_t> do_write(operation& o);
  [[nodiscard]] result<std::size_t> do_read(operation& o);
  [[nodiscard]] result<void> do_sync(operation& o);
  [[nodiscard]] result<void> do_allocate(const inode_ptr& node, const std::string& path, std::uint64_t length);
  [[nodiscard]] result<void> do_sync_folder(const std::string& folder, std::uint64_t names, bool fail);
  void prepare_sync_folder(operation& o);
  void prepare_sync(operation& o);
  void prepare_write(operation& o);
  [[nodiscard]] bool overlaps_in_flight(const operation& o) const;

  // Content.
  [[nodiscard]] bool grow(sim_inode& node, std::uint64_t size);  // false: the disk is full
  void put_cache(sim_inode& node, std::uint64_t pos, bytes data);
  void put_both(sim_inode& node, std::uint64_t pos, bytes data);
  void put_any_sectors(sim_inode& node, std::uint64_t pos, bytes data, bool cache, bool platter);
  void touch(sim_inode& node, std::uint64_t from, std::uint64_t to);
  void release(sim_inode& node);
  void truncate(sim_inode& node, std::uint64_t length);
  void settle_in_flight(bool power);
  void settle_content(sim_inode& node);
  [[nodiscard]] std::uint64_t settle_size(const sim_inode& node);

  // Names.
  // The common part of the short metadata calls: counts the point, draws the fault. Not ok: return that
  // fault; the change was noted as in flight when the power went.
  [[nodiscard]] result<bool> begin_change(const name_change& c);  // true: die after it
  [[nodiscard]] result<inode_ptr> open_node(const std::string& path, const open_options& options);
  [[nodiscard]] result<void> rename(const std::string& from, const std::string& to);
  [[nodiscard]] result<void> unlink(const std::string& path);
  [[nodiscard]] result<void> make_folder(const std::string& path);
  void change_name(name_change c, bool in_cache);
  void unlink_name(const std::string& path);
  void recount();
  void apply_durably(const name_change& c);
  void settle_names();

  sim_world& world_;
  volume_options options_;
  std::map<std::string, inode_ptr> names_;
  std::map<std::string, inode_ptr> durable_names_;
  std::set<std::string> folders_{""};
  std::set<std::string> durable_folders_{""};
  std::vector<name_change> name_changes_;  // not durable yet, in order
  std::map<std::uint64_t, operation> in_flight_;
  std::uint64_t next_operation_ = 1;
  std::uint64_t next_name_change_ = 1;
  std::uint64_t next_inode_ = 1;
  std::uint64_t used_blocks_ = 0;
  crash_plan plan_;
  std::uint64_t matched_ = 0;
  std::uint64_t reads_ = 0;
  std::uint64_t read_bytes_ = 0;
  std::uint64_t points_ = 0;
  site_counts sites_;
  std::map<std::string, std::string> class_of_;
  bool dead_ = false;
  std::optional<crash_site> died_at_;
  fault_stats stats_;
  std::vector<std::string> violations_;
};

}  // namespace weir::platform::sim
