// Start-up of several stores as one: none changes anything on its disk before all have been read to their end and make
// sense. So a start that ends with damage has changed nothing, in whichever store the damage is.
//
// Each store is opened in a thread of its own over a gated_disk. Recovery reads first and changes then (storage/recovery.h);
// its first change waits here for the others. What recovery does to an empty folder, making wal/ and data/, passes.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>

#include "base/result.h"
#include "platform/disk.h"

namespace weir::server {

// Any thread.
class start_gate {
 public:
  explicit start_gate(std::size_t stores) : missing_(stores) {}
  // One store has been read and is whole: waits until all have, or one has not. The fault then is errc::closed.
  [[nodiscard]] result<void> arrive();
  // One store cannot be opened: nobody passes any more.
  void fail();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t missing_;
  bool failed_ = false;
};

// Another disk, whose first change waits for `before_change` and fails with its fault. Blocking calls only are held back:
// recovery makes no others. Thread: as the disk behind it.
class gated_disk final : public platform::disk {
 public:
  gated_disk(std::shared_ptr<platform::disk> behind, std::function<result<void>()> before_change)
      : behind_(std::move(behind)), gate_(std::make_shared<gate>(gate{std::move(before_change), false})) {}

  [[nodiscard]] result<std::shared_ptr<platform::file>> open(const std::string& path,
                                                             platform::open_options options) override;
  [[nodiscard]] result<void> make_folder(const std::string& path) override { return behind_->make_folder(path); }
  [[nodiscard]] result<std::vector<platform::folder_entry>> list(const std::string& path) override {
    return behind_->list(path);
  }
  [[nodiscard]] result<void> rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] result<platform::space_info> space() override { return behind_->space(); }
  void unlink(const std::string& path, platform::op_done done) override { behind_->unlink(path, std::move(done)); }
  void sync_folder(const std::string& path, platform::op_done done) override {
    behind_->sync_folder(path, std::move(done));
  }
  [[nodiscard]] result<void> unlink_now(const std::string& path) override;
  [[nodiscard]] result<void> sync_folder_now(const std::string& path) override;
  [[nodiscard]] bool direct() const override { return behind_->direct(); }

 private:
  class gated_file;
  struct gate {
    std::function<result<void>()> before_change;
    bool passed;
    [[nodiscard]] result<void> pass();
  };

  std::shared_ptr<platform::disk> behind_;
  std::shared_ptr<gate> gate_;  // its files hold it, too
};

}  // namespace weir::server
