#include "platform/sim/sim_disk.h"

#include <utility>

#include "base/assert.h"

namespace weir::platform::sim {

namespace {

template<class Done>
Done counted(std::shared_ptr<std::uint32_t> outstanding, Done done) {
  ++*outstanding;
  return [outstanding = std::move(outstanding), done = std::move(done)](auto result) {
    --*outstanding;
    done(std::move(result));
  };
}

}  // namespace

// ---- Files
// --------------------------------------------------------------------------------------------------------

sim_file::sim_file(sim_volume& volume, sim_executor& reactor, std::string path, std::shared_ptr<sim_inode> node,
                   bool durable)
    : volume_(volume), reactor_(reactor), path_(std::move(path)), node_(std::move(node)), durable_(durable) {
  ++node_->handles;
}

sim_file::~sim_file() {
  if (*outstanding_ != 0 && !volume_.dead()) volume_.violation("closed with operations outstanding: " + path_);
  --node_->handles;
  volume_.release(*node_);
}

void sim_file::write(std::uint64_t pos, std::vector<bytes> parts, io_done done) {
  sim_volume::operation o;
  o.kind = durable_ ? op_kind::durable_write : op_kind::write;
  o.path = path_;
  o.node = node_;
  o.pos = pos;
  o.parts = std::move(parts);
  o.io = counted(outstanding_, std::move(done));
  volume_.start(reactor_, std::move(o));
}

void sim_file::read(std::uint64_t pos, mutable_bytes into, io_done done) {
  sim_volume::operation o;
  o.kind = op_kind::read;
  o.path = path_;
  o.node = node_;
  o.pos = pos;
  o.into = into;
  o.io = counted(outstanding_, std::move(done));
  volume_.start(reactor_, std::move(o));
}

void sim_file::sync(op_done done) {
  sim_volume::operation o;
  o.kind = op_kind::sync;
  o.path = path_;
  o.node = node_;
  o.op = counted(outstanding_, std::move(done));
  volume_.start(reactor_, std::move(o));
}

void sim_file::allocate(std::uint64_t length, op_done done) {
  sim_volume::operation o;
  o.kind = op_kind::allocate;
  o.path = path_;
  o.node = node_;
  o.length = length;
  o.op = counted(outstanding_, std::move(done));
  volume_.start(reactor_, std::move(o));
}

result<std::size_t> sim_file::read_now(std::uint64_t pos, mutable_bytes into) {
  if (volume_.dead()) return fault{errc::io, "the power is off"};
  sim_volume::operation o;
  o.kind = op_kind::read;
  o.path = path_;
  o.node = node_;
  o.pos = pos;
  o.into = into;
  o.fail = volume_.fault_hits(volume_.faults.read, op_kind::read, path_);
  return volume_.do_read(o);
}

result<void> sim_file::write_now(std::uint64_t pos, bytes data) {
  if (volume_.dead()) return fault{errc::io, "the power is off"};
  sim_volume::operation o;
  o.kind = durable_ ? op_kind::durable_write : op_kind::write;
  o.path = path_;
  o.node = node_;
  o.pos = pos;
  // One blocking write may come from any memory: the real disk copies it to an aligned place.
  const auto p = volume_.pass(o.kind, path_);
  volume_.trace("write_now", path_, pos, data.size());
  o.data.assign(data.begin(), data.end());
  if (durable_) ++node_->durable_writes_in_flight;
  if (p == sim_volume::point::die) {
    volume_.in_flight_.emplace(volume_.next_operation_++, std::move(o));
    return fault{errc::io, "the power went off"};
  }
  o.fail = volume_.fault_hits(volume_.faults.write, o.kind, path_);
  const auto moved = volume_.do_write(o);
  if (p == sim_volume::point::die_after) volume_.die({o.kind, file_class(path_)});
  if (!moved) return moved.error();
  return {};
}

result<void> sim_file::sync_now() {
  if (volume_.dead()) return fault{errc::io, "the power is off"};
  sim_volume::operation o;
  o.kind = op_kind::sync;
  o.path = path_;
  o.node = node_;
  const auto p = volume_.pass(o.kind, path_);
  volume_.trace("sync_now", path_, 0, 0);
  if (p == sim_volume::point::die) return fault{errc::io, "the power went off"};
  volume_.prepare_sync(o);
  auto done = volume_.do_sync(o);
  if (p == sim_volume::point::die_after) volume_.die({o.kind, file_class(path_)});
  return done;
}

result<void> sim_file::truncate_now(std::uint64_t length) {
  if (volume_.dead()) return fault{errc::io, "the power is off"};
  const auto p = volume_.pass(op_kind::truncate, path_);
  volume_.trace("truncate_now", path_, length, node_->cache.size());
  if (p != sim_volume::point::die && volume_.fault_hits(volume_.faults.metadata, op_kind::truncate, path_)) {
    return fault{errc::io, "injected: truncate " + path_};
  }
  volume_.truncate(*node_, length);  // unsynced: when the power goes here, either size survives
  if (p == sim_volume::point::die_after) volume_.die({op_kind::truncate, file_class(path_)});
  if (p == sim_volume::point::die) return fault{errc::io, "the power went off"};
  if (node_->cache.size() != length) return fault{errc::no_space, "simulated disk full: " + path_};
  return {};
}

// ---- The disk
// -----------------------------------------------------------------------------------------------------

sim_disk::sim_disk(sim_volume& volume, sim_executor& reactor, std::string root)
    : volume_(volume), reactor_(reactor), root_(std::move(root)) {
  WEIR_ASSERT(volume_.folders_.contains(root_));
}

std::string sim_disk::full(const std::string& path) const {
  if (root_.empty()) return path;
  return path.empty() ? root_ : root_ + "/" + path;
}

result<std::shared_ptr<file>> sim_disk::open(const std::string& path, open_options options) {
  auto node = volume_.open_node(full(path), options);
  if (!node) return node.error();
  return std::shared_ptr<file>(
      std::make_shared<sim_file>(volume_, reactor_, full(path), std::move(*node), options.durable_writes));
}

result<void> sim_disk::make_folder(const std::string& path) { return volume_.make_folder(full(path)); }

result<std::vector<folder_entry>> sim_disk::list(const std::string& path) {
  if (volume_.dead()) return fault{errc::io, "the power is off"};
  const std::string folder = full(path);
  if (!volume_.folders_.contains(folder)) return fault{errc::not_found, path};
  const std::string prefix = folder.empty() ? "" : folder + "/";
  const auto child = [&](const std::string& name) {
    return name.size() > prefix.size() && name.starts_with(prefix) &&
           name.find('/', prefix.size()) == std::string::npos;
  };
  std::map<std::string, folder_entry> found;
  for (const auto& [name, node] : volume_.names_) {
    if (child(name)) found[name.substr(prefix.size())] = {name.substr(prefix.size()), node->cache.size(), false};
  }
  for (const auto& name : volume_.folders_) {
    if (child(name)) found[name.substr(prefix.size())] = {name.substr(prefix.size()), 0, true};
  }
  std::vector<folder_entry> out;
  out.reserve(found.size());
  for (auto& [name, entry] : found) out.push_back(std::move(entry));
  return out;
}

result<void> sim_disk::rename(const std::string& from, const std::string& to) {
  return volume_.rename(full(from), full(to));
}

result<space_info> sim_disk::space() {
  if (volume_.dead()) return fault{errc::io, "the power is off"};
  const std::uint64_t total = volume_.options_.capacity_bytes;
  const std::uint64_t used = volume_.used_bytes();
  return space_info{total, total > used ? total - used : 0};
}

void sim_disk::unlink(const std::string& path, op_done done) {
  sim_volume::operation o;
  o.kind = op_kind::unlink;
  o.path = full(path);
  o.op = std::move(done);
  volume_.start(reactor_, std::move(o));
}

void sim_disk::sync_folder(const std::string& path, op_done done) {
  sim_volume::operation o;
  o.kind = op_kind::sync_folder;
  o.path = full(path);
  o.op = std::move(done);
  volume_.start(reactor_, std::move(o));
}

result<void> sim_disk::unlink_now(const std::string& path) { return volume_.unlink(full(path)); }

result<void> sim_disk::sync_folder_now(const std::string& path) {
  if (volume_.dead()) return fault{errc::io, "the power is off"};
  const std::string folder = full(path);
  const auto p = volume_.pass(op_kind::sync_folder, folder);
  volume_.trace("sync_folder_now", folder, 0, 0);
  if (p == sim_volume::point::die) return fault{errc::io, "the power went off"};
  sim_volume::operation o;
  o.path = folder;
  volume_.prepare_sync_folder(o);
  auto done = volume_.do_sync_folder(folder, o.names, o.fail);
  if (p == sim_volume::point::die_after) volume_.die({op_kind::sync_folder, file_class(folder)});
  return done;
}

bool sim_disk::direct() const { return volume_.options_.direct; }

}  // namespace weir::platform::sim
