// Reads: from memory where the tail reaches, else from data files by large checked reads. Owner thread: the store's
// reactor. What disk reads hold in memory is bounded by read_bytes_max.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "storage/core.h"
#include "storage/read_cursors.h"
#include "storage/read_queue.h"

namespace weir::storage {

class reader {
 public:
  explicit reader(core& c);

  // The contract is model::log_store's.
  void read(const model::read_request& request, model::read_done done);
  void find_time(model::log_id log, std::int64_t from_ms, model::offset below, model::find_done done);
  void find_latest_time(model::log_id log, model::offset below, model::find_done done);
  // At every tick: lets go what was read ahead for nobody.
  void age() { cursors_.age(); }
  // While there are appends, reads leave them most of the disk.
  void give_way(bool appends) {
    queue_.limit(appends ? core_.options.reads_beside_writes_bytes : core_.options.reads_in_flight_bytes);
  }

 private:
  struct disk_read;
  struct time_search;
  struct index_scan;
  using disk_read_ptr = std::shared_ptr<disk_read>;
  using search_ptr = std::shared_ptr<time_search>;
  using scan_ptr = std::shared_ptr<index_scan>;
  using step_done = std::function<void(result<void>)>;

  using references = std::vector<std::size_t>;  // indexes of entries whose payload is still a body reference
  [[nodiscard]] bool from_memory(const log_state& log, const model::read_request& request, model::read_batch& out,
                                 references& refs) const;
  // `follow`: it may be one of a reader that goes through the log.
  void read(const model::read_request& request, bool follow, model::read_done done);
  void complete(const disk_read_ptr& op);
  void resolve(model::read_batch out, references refs, model::read_done done);
  void step(const disk_read_ptr& op);
  void read_extent(const disk_read_ptr& op, const extent& e);
  void fetch(const disk_read_ptr& op);
  void ask_disk(const disk_read_ptr& op);
  void fetched(const disk_read_ptr& op, const std::shared_ptr<io_buffer>& buffer, bytes there);
  [[nodiscard]] static bool enough(const disk_read& op);
  [[nodiscard]] static bool wanted(const disk_read& op, const entry_header& h);
  [[nodiscard]] result<bool> take(disk_read& op, const std::shared_ptr<io_buffer>& buffer, bytes rest);
  [[nodiscard]] result<bool> take_entry(disk_read& op, bytes rest, const std::shared_ptr<io_buffer>& buffer);

  // Sparse indexes: from memory, the footer, or a scan of the file.
  [[nodiscard]] static bool indexed(const data_file& f) { return f.indexed >= f.length && !f.index.empty(); }
  void with_index(data_file& f, step_done done);
  void load_footer(const scan_ptr& op);
  void scan(const scan_ptr& op);
  void index_done(const scan_ptr& op, const result<void>& outcome);

  void search(const search_ptr& op);
  [[nodiscard]] bool search_memory(const search_ptr& op, log_state& log);
  void search_extent(const search_ptr& op, log_state& log, const extent& e);
  void largest_of(const search_ptr& op);

  core& core_;
  read_queue queue_;
  read_cursors cursors_;
  std::unordered_map<std::uint64_t, std::vector<step_done>> index_waiters_;  // by file id
  std::shared_ptr<reader*> alive_;
};

}  // namespace weir::storage
