// The volume's names: folders and files, and which of them a power cut leaves.
#include <algorithm>
#include <map>

#include "base/assert.h"
#include "platform/sim/sim_volume.h"

namespace weir::platform::sim {

namespace {

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string{} : path.substr(0, slash);
}

}  // namespace

void sim_volume::unlink_name(const std::string& path) {
  const auto found = names_.find(path);
  if (found == names_.end()) return;
  const inode_ptr node = found->second;
  names_.erase(found);
  --node->links;
  release(*node);
}

// Makes the change visible when `in_cache` and remembers that it is not durable.
void sim_volume::change_name(name_change c, bool in_cache) {
  c.order = next_name_change_++;
  if (in_cache) {
    switch (c.kind) {
      case op_kind::create:
        names_[c.path] = c.node;
        ++c.node->links;
        break;
      case op_kind::rename:
        if (c.path == c.to) return;
        unlink_name(c.to);
        names_.erase(c.path);
        names_[c.to] = c.node;
        break;
      case op_kind::unlink:
        unlink_name(c.path);
        break;
      case op_kind::make_folder:
        folders_.insert(c.path);
        break;
      default:
        WEIR_ASSERT(false);
    }
  }
  name_changes_.push_back(std::move(c));
}

void sim_volume::apply_durably(const name_change& c) {
  const auto drop = [&] {
    const auto found = durable_names_.find(c.path);
    if (found != durable_names_.end() && found->second == c.node) durable_names_.erase(found);
  };
  switch (c.kind) {
    case op_kind::create:
      durable_names_[c.path] = c.node;
      break;
    case op_kind::rename:
      // Also the name before an earlier rename that was lost: a file has one name.
      std::erase_if(durable_names_, [&](const auto& name) { return name.second == c.node; });
      durable_names_[c.to] = c.node;
      break;
    case op_kind::unlink:
      drop();
      break;
    case op_kind::make_folder:
      durable_folders_.insert(c.path);
      break;
    default:
      WEIR_ASSERT(false);
  }
}

result<bool> sim_volume::begin_change(const name_change& c) {
  if (dead_) return fault{errc::io, "the power is off"};
  const point p = pass(c.kind, c.kind == op_kind::rename ? c.to : c.path);
  trace(to_string(c.kind), c.kind == op_kind::rename ? c.path + " -> " + c.to : c.path, 0, 0);
  if (p == point::die) {
    change_name(c, false);
    return fault{errc::io, "the power went off"};
  }
  if (fault_hits(faults.metadata, c.kind, c.path)) {
    ++stats_.other;
    return fault{errc::io, std::string("injected: ") + to_string(c.kind) + " " + c.path};
  }
  return p == point::die_after;
}

result<sim_volume::inode_ptr> sim_volume::open_node(const std::string& path, const open_options& options) {
  if (dead_) return fault{errc::io, "the power is off"};
  const auto found = names_.find(path);
  if (found != names_.end()) {
    if (options.create && options.exclusive) return fault{errc::exists, path};
    return found->second;
  }
  if (!options.create || !folders_.contains(folder_of(path))) return fault{errc::not_found, path};
  const name_change c{op_kind::create, path, {}, std::make_shared<sim_inode>(), 0};
  c.node->id = next_inode_++;
  const auto begun = begin_change(c);
  if (!begun) return begun.error();
  change_name(c, true);
  if (*begun) die({op_kind::create, file_class(path)});
  return c.node;
}

result<void> sim_volume::rename(const std::string& from, const std::string& to) {
  if (dead_) return fault{errc::io, "the power is off"};
  const auto found = names_.find(from);
  if (found == names_.end() || !folders_.contains(folder_of(to))) return fault{errc::not_found, from};
  const name_change c{op_kind::rename, from, to, found->second, 0};
  const auto begun = begin_change(c);
  if (!begun) return begun.error();
  change_name(c, true);
  if (*begun) die({op_kind::rename, file_class(to)});
  return {};
}

result<void> sim_volume::unlink(const std::string& path) {
  if (dead_) return fault{errc::io, "the power is off"};
  const auto found = names_.find(path);
  if (found == names_.end()) return fault{errc::not_found, path};
  const name_change c{op_kind::unlink, path, {}, found->second, 0};
  const auto begun = begin_change(c);
  if (!begun) return begun.error();
  change_name(c, true);
  if (*begun) die({op_kind::unlink, file_class(path)});
  return {};
}

result<void> sim_volume::make_folder(const std::string& path) {
  if (dead_) return fault{errc::io, "the power is off"};
  if (folders_.contains(path)) return {};
  if (names_.contains(path)) return fault{errc::exists, path};
  if (!folders_.contains(folder_of(path))) return fault{errc::not_found, path};
  const name_change c{op_kind::make_folder, path, {}, nullptr, 0};
  const auto begun = begin_change(c);
  if (!begun) return begun.error();
  change_name(c, true);
  if (*begun) die({op_kind::make_folder, file_class(path)});
  return {};
}

void sim_volume::prepare_sync_folder(operation& o) {
  o.names = next_name_change_ - 1;
  o.fail = fault_hits(faults.sync_folder, op_kind::sync_folder, o.path);
}

result<void> sim_volume::do_sync_folder(const std::string& folder, std::uint64_t names, bool fail) {
  if (!folders_.contains(folder)) return fault{errc::not_found, folder};
  std::map<const sim_inode*, std::uint64_t> draws;  // tidy-allow(pointer-order): asked for, never walked
  std::erase_if(name_changes_, [&](const name_change& c) {
    const bool ours = folder_of(c.path) == folder || (c.kind == op_kind::rename && folder_of(c.to) == folder);
    if (c.order > names || !ours) return false;
    if (!fail) {
      apply_durably(c);
      return true;
    }
    // A folder's sync that failed saves some names; of the rest some are left for a later sync to save, and some are
    // lost: everybody sees them until the power goes, and a later sync says that all is well. An unlink is not lost (to
    // whoever did it a file that comes back is the same as one that was not removed), nor is a folder.
    const auto [found, first] = draws.try_emplace(c.node.get(), 0);
    if (first) found->second = world_.random().below(3);
    const std::uint64_t draw = found->second;
    if (draw == 0) apply_durably(c);
    return draw == 0 || (draw == 1 && (c.kind == op_kind::create || c.kind == op_kind::rename));
  });
  if (!fail) return {};
  ++stats_.other;
  return fault{errc::io, "injected: sync_folder " + folder};
}

void sim_volume::settle_names() {
  auto& random = world_.random();
  // A journal keeps a prefix; other file systems promise less.
  const std::uint64_t style = random.below(4);
  const std::uint64_t cut = random.below(name_changes_.size() + 1);
  for (std::size_t i = 0; i < name_changes_.size(); ++i) {
    if (style == 0 || (style == 1 && random.chance(0.5)) || (style >= 2 && i < cut)) apply_durably(name_changes_[i]);
  }
  name_changes_.clear();
  const auto reachable = [&](const std::string& path) {
    for (std::string f = folder_of(path);; f = folder_of(f)) {
      if (!durable_folders_.contains(f)) return false;
      if (f.empty()) return true;
    }
  };
  std::erase_if(durable_folders_, [&](const std::string& f) { return !f.empty() && !reachable(f); });
  std::erase_if(durable_names_, [&](const auto& name) { return !reachable(name.first); });
  folders_ = durable_folders_;
  names_ = durable_names_;
}

}  // namespace weir::platform::sim
