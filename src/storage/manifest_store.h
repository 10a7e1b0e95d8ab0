// The manifest file: loading it at start-up, and appending edits or rewriting it at run time.
//
// Owner thread: the store's reactor. After a failed write or sync the file is not appended to again: the next edit must
// be a full one, which makes a new file.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "platform/disk.h"
#include "storage/format/manifest.h"
#include "storage/options.h"

namespace weir::storage {

class manifest_store {
 public:
  manifest_store(platform::disk& disk, const store_options& options);

  // Start-up: every whole edit in order. No file gives none. An unfinished edit at the end was never relied on and is
  // dropped; anything else that is not whole is corrupt. The file is not written to again: the first edit is a full one.
  [[nodiscard]] result<std::vector<manifest_edit>> load(std::uint64_t store_id);

  // Writes what was loaded to a new file: an edit may have been read whose sync failed, and which no disk has. To be
  // called before files that it does not name are removed or WAL that it covers is reused. Blocking.
  [[nodiscard]] result<void> make_durable();

  // Whether the next edit must hold everything.
  [[nodiscard]] bool needs_full() const { return handle_ == nullptr || size_ > rewrite_at_; }
  // Durable when `done` says so. One at a time.
  void append(manifest_edit edit, bool full, std::uint64_t store_id, std::function<void(result<void>)> done);

 private:
  void rewrite(std::shared_ptr<byte_vector> data, std::function<void(result<void>)> done);

  platform::disk& disk_;
  const store_options& options_;
  std::shared_ptr<platform::file> handle_;
  byte_vector loaded_;  // until make_durable
  std::uint64_t size_ = 0;
  std::uint64_t rewrite_at_ = 0;
  std::uint64_t next_seq_ = 1;
  std::shared_ptr<manifest_store*> alive_;
};

}  // namespace weir::storage
