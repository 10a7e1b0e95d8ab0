// The disk seam over a sim_volume, for one reactor of one process life. Operations complete on that reactor
// after a random latency, in any order. See sim_volume.h for what a crash does.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "platform/disk.h"
#include "platform/sim/sim_volume.h"
#include "platform/sim/sim_world.h"

namespace weir::platform::sim {

class sim_disk final : public disk {
 public:
  // `root`: the data folder inside the volume ("" is its top); must exist. The volume and the reactor outlive
  // the disk.
  sim_disk(sim_volume& volume, sim_executor& reactor, std::string root = "");

  result<std::shared_ptr<file>> open(const std::string& path, open_options options) override;
  result<void> make_folder(const std::string& path) override;
  result<std::vector<folder_entry>> list(const std::string& path) override;
  result<void> rename(const std::string& from, const std::string& to) override;
  result<space_info> space() override;
  void unlink(const std::string& path, op_done done) override;
  void sync_folder(const std::string& path, op_done done) override;
  result<void> unlink_now(const std::string& path) override;
  result<void> sync_folder_now(const std::string& path) override;
  [[nodiscard]] bool direct() const override;

 private:
  [[nodiscard]] std::string full(const std::string& path) const;
  sim_volume& volume_;
  sim_executor& reactor_;
  std::string root_;
};

class sim_file final : public file {
 public:
  sim_file(sim_volume& volume, sim_executor& reactor, std::string path, std::shared_ptr<sim_inode> node, bool durable);
  ~sim_file() override;

  void write(std::uint64_t pos, std::vector<bytes> parts, io_done done) override;
  void read(std::uint64_t pos, mutable_bytes into, io_done done) override;
  void sync(op_done done) override;
  void allocate(std::uint64_t length, op_done done) override;
  result<std::size_t> read_now(std::uint64_t pos, mutable_bytes into) override;
  result<void> write_now(std::uint64_t pos, bytes data) override;
  result<void> sync_now() override;
  result<void> truncate_now(std::uint64_t length) override;
  [[nodiscard]] std::uint64_t size() const override { return node_->cache.size(); }

 private:
  sim_volume& volume_;
  sim_executor& reactor_;
  std::string path_;
  std::shared_ptr<sim_inode> node_;
  bool durable_;
  std::shared_ptr<std::uint32_t> outstanding_ = std::make_shared<std::uint32_t>(0);
};

}  // namespace weir::platform::sim
