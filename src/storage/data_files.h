// The table of data files: which there are, how far each is filled and recorded, who still needs it, and a bounded
// number of open descriptors. Owner thread: the store's reactor.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "platform/disk.h"
#include "storage/format/data_file.h"

namespace weir::storage {

struct data_file {
  std::uint64_t id = 0;
  data_file_kind kind = data_file_kind::own;
  model::log_id log{};  // own files
  std::int64_t created_ms = 0;
  std::uint64_t length = 0;   // entries end here, as the manifest says
  std::uint64_t written = 0;  // entries end here, with a checkpoint that is under way
  bool sealed = false;        // never appended to again
  bool recorded = false;      // named by the manifest
  bool footer_checked = false;
  bool in_wal = false;        // a kept file that the WAL still has: it is not dead before the WAL lets it go
  std::uint32_t extents = 0;  // that refer to it; 0 and recorded or failed: dead
  std::shared_ptr<platform::file> open;
  std::list<data_file*>::iterator lru{};
  // The sparse index, once it was built or loaded; complete up to `indexed`.
  std::vector<index_entry> index;
  std::uint64_t indexed = 0;
  std::uint64_t index_used = 0;  // for the choice of whom to drop
};

[[nodiscard]] std::string data_file_name(std::uint64_t id, data_file_kind kind);  // with its folder
[[nodiscard]] bool parse_data_file_name(const std::string& name, std::uint64_t& id, data_file_kind& kind);

class data_files {
 public:
  data_files(platform::disk& disk, std::uint32_t open_max) : disk_(disk), open_max_(open_max) {}

  // A new file with the next id; nothing is created on disk before open_for_write.
  data_file& create(data_file_kind kind, model::log_id log, std::int64_t now_ms);
  // The WAL's file of this number, to be kept from now on.
  data_file& keep(std::uint64_t wal_number, std::int64_t now_ms);
  data_file& restore(const data_file& known);  // recovery
  [[nodiscard]] data_file* find(std::uint64_t id);
  void forget(std::uint64_t id);

  // An open handle; `create` makes the file. Keeps at most open_max handles beside those in use. For a kept WAL file it is
  // the only one, so that busy() is the truth.
  [[nodiscard]] result<std::shared_ptr<platform::file>> open(data_file& f, bool create = false);
  // Whether somebody reads it.
  [[nodiscard]] static bool busy(const data_file& f) { return f.open.use_count() > 1; }
  [[nodiscard]] std::size_t size() const { return files_.size(); }
  [[nodiscard]] std::uint64_t next_id() const { return next_id_; }
  void set_next_id(std::uint64_t id) { next_id_ = id; }
  template<class F>
  void each(F f) {
    for (const auto& [id, file] : files_) f(*file);
  }
  [[nodiscard]] const std::unordered_map<std::uint64_t, std::unique_ptr<data_file>>& all() const { return files_; }

  // Index memory: the sum over files, and dropping the least recently used until it is below `bytes_max`.
  void index_used(data_file& f) { f.index_used = ++use_counter_; }
  void trim_indexes(std::uint64_t bytes_max);
  [[nodiscard]] std::uint64_t index_bytes() const;

 private:
  void close_oldest();

  platform::disk& disk_;
  std::uint32_t open_max_;
  std::uint64_t next_id_ = 1;
  std::uint64_t use_counter_ = 0;
  std::unordered_map<std::uint64_t, std::unique_ptr<data_file>> files_;
  std::list<data_file*> open_;  // most recently used first
};

}  // namespace weir::storage
