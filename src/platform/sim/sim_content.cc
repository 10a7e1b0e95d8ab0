// The volume's blocks: the cache, the platter, and what is left of them after a power cut.
#include <algorithm>

#include "base/assert.h"
#include "platform/sim/sim_volume.h"

namespace weir::platform::sim {

namespace {

std::uint64_t blocks_of(std::uint64_t size) { return (size + disk_block_bytes - 1) / disk_block_bytes; }

// Which pieces of a row survive, drawn once per row: whole runs are as likely as a coin for each piece.
class survivors {
 public:
  survivors(sim_rng& random, std::size_t pieces) : random_(random), style_(random.below(5)) {
    cut_ = pieces == 0 ? 0 : random.below(pieces + 1);
  }
  [[nodiscard]] bool keep(std::size_t i) {
    switch (style_) {
      case 0:
        return false;
      case 1:
        return true;
      case 2:
        return i < cut_;
      case 3:
        return i >= cut_;
      default:
        return random_.chance(0.5);
    }
  }

 private:
  sim_rng& random_;
  std::uint64_t style_;
  std::size_t cut_;
};

}  // namespace

bool sim_volume::grow(sim_inode& node, std::uint64_t size) {
  if (size <= node.cache.size()) return true;
  const std::uint64_t more = blocks_of(size) - blocks_of(node.cache.size());
  const std::uint64_t capacity = options_.capacity_bytes / disk_block_bytes;
  const std::uint64_t left = capacity > used_blocks_ ? capacity - used_blocks_ : 0;
  const bool fits = more <= left;
  const std::uint64_t to = fits ? size : (blocks_of(node.cache.size()) + left) * disk_block_bytes;
  if (to <= node.cache.size()) return fits;
  touch(node, node.cache.size(), to);
  used_blocks_ += blocks_of(to) - blocks_of(node.cache.size());
  node.cache.resize(to);
  node.size_dirty = true;
  return fits;
}

void sim_volume::touch(sim_inode& node, std::uint64_t from, std::uint64_t to) {
  if (to <= from) return;
  node.dirty.resize(std::max<std::size_t>(node.dirty.size(), blocks_of(to)));
  for (std::uint64_t b = from / disk_block_bytes; b < blocks_of(to); ++b) {
    // Now and then the kernel had already written the older version of a dirty block.
    const std::uint64_t at = b * disk_block_bytes;
    const std::uint64_t end = std::min<std::uint64_t>({at + disk_block_bytes, node.cache.size(), node.platter.size()});
    if (node.dirty[b] && end > at && world_.random().chance(0.1)) {
      std::copy(node.cache.begin() + static_cast<std::ptrdiff_t>(at),
                node.cache.begin() + static_cast<std::ptrdiff_t>(end),
                node.platter.begin() + static_cast<std::ptrdiff_t>(at));
    }
    node.dirty[b] = true;
  }
}

void sim_volume::put_cache(sim_inode& node, std::uint64_t pos, bytes data) {
  if (data.empty()) return;
  touch(node, pos, pos + data.size());
  WEIR_ASSERT(pos + data.size() <= node.cache.size());
  std::copy(data.begin(), data.end(), node.cache.begin() + static_cast<std::ptrdiff_t>(pos));
}

void sim_volume::put_both(sim_inode& node, std::uint64_t pos, bytes data) {
  const std::uint64_t end = pos + data.size();
  const std::uint64_t order = next_operation_++;
  if (node.platter.size() < end) {
    node.platter.resize(end);
    node.size_dirty = node.platter.size() != node.cache.size();
    node.size_order = order;
  }
  node.dirty.resize(std::max<std::size_t>(node.dirty.size(), blocks_of(node.cache.size())));
  std::copy(data.begin(), data.end(), node.cache.begin() + static_cast<std::ptrdiff_t>(pos));
  std::copy(data.begin(), data.end(), node.platter.begin() + static_cast<std::ptrdiff_t>(pos));
  node.saved_order.resize(node.dirty.size());
  for (std::uint64_t b = pos / disk_block_bytes; b < blocks_of(end); ++b) {
    node.dirty[b] = false;
    node.saved_order[b] = order;
  }
}

void sim_volume::put_any_sectors(sim_inode& node, std::uint64_t pos, bytes data, bool cache, bool platter) {
  if (data.empty()) return;
  WEIR_ASSERT(pos + data.size() <= node.cache.size());
  if (cache && !platter) touch(node, pos, pos + data.size());
  survivors kept(world_.random(), (data.size() + sector_bytes - 1) / sector_bytes);
  for (std::size_t at = 0; at < data.size(); at += sector_bytes) {
    if (!kept.keep(at / sector_bytes)) continue;
    const bytes sector = data.subspan(at, std::min(sector_bytes, data.size() - at));
    if (cache) std::copy(sector.begin(), sector.end(), node.cache.begin() + static_cast<std::ptrdiff_t>(pos + at));
    if (!platter) continue;
    if (node.platter.size() < pos + at + sector.size()) node.platter.resize(pos + at + sector.size());
    std::copy(sector.begin(), sector.end(), node.platter.begin() + static_cast<std::ptrdiff_t>(pos + at));
  }
}

void sim_volume::truncate(sim_inode& node, std::uint64_t length) {
  const std::uint64_t old = node.cache.size();
  if (length == old) return;
  if (length > old) {
    (void)grow(node, length);
    return;
  }
  touch(node, length, old);
  used_blocks_ -= blocks_of(old) - blocks_of(length);
  node.cache.resize(length);
  node.size_dirty = true;
}

result<void> sim_volume::do_allocate(const inode_ptr& node, const std::string& path, std::uint64_t length) {
  if (grow(*node, length)) return {};
  ++stats_.no_space;
  return fault{errc::no_space, "simulated disk full: " + path};
}

bool sim_volume::flip_bit(const std::string& path, std::uint64_t bit) {
  const auto found = names_.find(path);
  if (found == names_.end() || bit / 8 >= found->second->cache.size()) return false;
  auto& node = *found->second;
  const auto mask = static_cast<std::byte>(1U << (bit % 8));
  node.cache[bit / 8] ^= mask;
  if (bit / 8 < node.platter.size()) node.platter[bit / 8] ^= mask;
  trace("FLIPPED BIT", path, bit / 8, bit % 8);
  return true;
}

std::uint64_t sim_volume::settle_size(const sim_inode& node) {
  const std::uint64_t before = node.platter.size();
  const std::uint64_t after = node.cache.size();
  if (!node.size_dirty || before == after) return before;
  switch (world_.random().below(4)) {
    case 0:
      return before;
    case 1:
      return world_.random().between(std::min(before, after), std::max(before, after));
    default:
      return after;
  }
}

void sim_volume::settle_content(sim_inode& node) {
  auto& random = world_.random();
  const std::uint64_t size = settle_size(node);
  survivors kept(random, node.dirty.size());
  byte_vector after = node.platter;
  after.resize(std::max<std::size_t>(size, after.size()));
  for (std::size_t b = 0; b < node.dirty.size(); ++b) {
    const std::size_t at = b * disk_block_bytes;
    const std::size_t end = std::min({at + disk_block_bytes, node.cache.size(), after.size()});
    if (!node.dirty[b] || at >= end || !kept.keep(b)) continue;
    const bool torn = random.chance(0.15);
    survivors sectors(random, disk_block_bytes / sector_bytes);
    for (std::size_t s = at; s < end; s += sector_bytes) {
      if (torn && !sectors.keep((s - at) / sector_bytes)) continue;
      std::copy(node.cache.begin() + static_cast<std::ptrdiff_t>(s),
                node.cache.begin() + static_cast<std::ptrdiff_t>(std::min(s + sector_bytes, end)),
                after.begin() + static_cast<std::ptrdiff_t>(s));
    }
  }
  after.resize(size);
  node.platter = after;
  node.cache = std::move(after);
  node.dirty.assign(blocks_of(size), false);
  node.size_dirty = false;
  node.durable_writes_in_flight = 0;
}

void sim_volume::release(sim_inode& node) {
  if (node.handles != 0 || node.links != 0) return;
  used_blocks_ -= blocks_of(node.cache.size());  // the content stays: a power cut may bring the name back
}

void sim_volume::recount() {
  std::set<sim_inode*> seen;  // tidy-allow(pointer-order): asked for membership, never walked
  for (auto& [path, node] : names_) node->links = 0;
  used_blocks_ = 0;
  for (auto& [path, node] : names_) {
    ++node->links;
    if (seen.insert(node.get()).second) used_blocks_ += blocks_of(node->cache.size());
  }
}

}  // namespace weir::platform::sim
