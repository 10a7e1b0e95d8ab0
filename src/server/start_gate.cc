#include "server/start_gate.h"

#include <utility>

namespace weir::server {

result<void> start_gate::arrive() {
  std::unique_lock lock(mutex_);
  if (--missing_ == 0) changed_.notify_all();
  changed_.wait(lock, [this] { return failed_ || missing_ == 0; });
  if (failed_) return fault(errc::closed, "another store of this folder cannot be opened");
  return {};
}

void start_gate::fail() {
  const std::lock_guard lock(mutex_);
  failed_ = true;
  changed_.notify_all();
}

class gated_disk::gated_file final : public platform::file {
 public:
  gated_file(std::shared_ptr<platform::file> behind, std::shared_ptr<gate> gate)
      : behind_(std::move(behind)), gate_(std::move(gate)) {}
  void write(std::uint64_t pos, std::vector<bytes> parts, platform::io_done done) override {
    behind_->write(pos, std::move(parts), std::move(done));
  }
  void read(std::uint64_t pos, mutable_bytes into, platform::io_done done) override {
    behind_->read(pos, into, std::move(done));
  }
  void sync(platform::op_done done) override { behind_->sync(std::move(done)); }
  void allocate(std::uint64_t length, platform::op_done done) override { behind_->allocate(length, std::move(done)); }
  [[nodiscard]] result<std::size_t> read_now(std::uint64_t pos, mutable_bytes into) override {
    return behind_->read_now(pos, into);
  }
  [[nodiscard]] result<void> write_now(std::uint64_t pos, bytes data) override {
    if (auto ok = gate_->pass(); !ok) return ok;
    return behind_->write_now(pos, data);
  }
  [[nodiscard]] result<void> sync_now() override {
    if (auto ok = gate_->pass(); !ok) return ok;
    return behind_->sync_now();
  }
  [[nodiscard]] result<void> truncate_now(std::uint64_t length) override {
    if (auto ok = gate_->pass(); !ok) return ok;
    return behind_->truncate_now(length);
  }
  [[nodiscard]] std::uint64_t size() const override { return behind_->size(); }

 private:
  std::shared_ptr<platform::file> behind_;
  std::shared_ptr<gate> gate_;
};

result<void> gated_disk::gate::pass() {
  if (passed) return {};
  if (auto ok = before_change(); !ok) return ok;
  passed = true;
  before_change = nullptr;
  return {};
}

result<std::shared_ptr<platform::file>> gated_disk::open(const std::string& path, platform::open_options options) {
  if (options.create) {
    if (auto ok = gate_->pass(); !ok) return ok.error();
  }
  auto opened = behind_->open(path, options);
  if (!opened || gate_->passed) return opened;
  return std::shared_ptr<platform::file>(std::make_shared<gated_file>(std::move(*opened), gate_));
}

result<void> gated_disk::rename(const std::string& from, const std::string& to) {
  if (auto ok = gate_->pass(); !ok) return ok;
  return behind_->rename(from, to);
}

result<void> gated_disk::unlink_now(const std::string& path) {
  if (auto ok = gate_->pass(); !ok) return ok;
  return behind_->unlink_now(path);
}

result<void> gated_disk::sync_folder_now(const std::string& path) {
  if (auto ok = gate_->pass(); !ok) return ok;
  return behind_->sync_folder_now(path);
}

}  // namespace weir::server
