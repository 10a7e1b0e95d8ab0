#include "tests/sim/damage.h"

#include <algorithm>
#include <vector>

#include "storage/format/manifest.h"
#include "storage/format/wal_block.h"

namespace weir::sim_tests {

namespace {

using platform::sim::sim_volume;

struct found_block {
  std::string path;
  std::uint64_t position = 0;
  storage::wal_block_header header;
};

// Every whole block in the files under folder/wal that belongs to its file's present use.
std::vector<found_block> wal_blocks(const sim_volume& volume, const std::string& folder) {
  std::vector<found_block> out;
  for (const std::string& path : volume.paths()) {
    if (!path.starts_with(folder + "/wal/")) continue;
    const bytes all(volume.find(path)->cache);
    if (all.size() < storage::wal_page_bytes) continue;
    const auto file = storage::parse_wal_file_header(all.first(storage::wal_page_bytes));
    if (!file) continue;
    for (std::uint64_t at = storage::wal_page_bytes; at + storage::wal_page_bytes <= all.size();) {
      const bytes rest = all.subspan(at);
      std::uint64_t length = storage::wal_page_bytes;
      if (storage::may_be_block(rest, file->file_seq)) {
        if (const auto block = storage::parse_wal_block(rest)) {
          out.push_back({path, at, *block});
          length = storage::round_up_page(block->length);
        }
      }
      at += length;
    }
  }
  return out;
}

// A bit of a block that another block of the same incarnation knows to be durable.
std::optional<damaged_bit> in_wal(const sim_volume& volume, const std::string& folder, platform::sim::sim_rng& dice) {
  const auto blocks = wal_blocks(volume, folder);
  if (blocks.empty()) return std::nullopt;
  const found_block& b = blocks[dice.below(blocks.size())];
  const bool known = std::any_of(blocks.begin(), blocks.end(), [&](const found_block& other) {
    return other.header.incarnation == b.header.incarnation && other.header.seq > b.header.seq &&
           other.header.durable_seq >= b.header.seq;
  });
  if (!known) return std::nullopt;
  return damaged_bit{b.path, b.position * 8 + dice.below(std::uint64_t{b.header.length} * 8)};
}

// Not in the last edit.
std::optional<damaged_bit> in_manifest(const sim_volume& volume, const std::string& path,
                                       platform::sim::sim_rng& dice) {
  const bytes all(volume.find(path)->cache);
  std::uint64_t last = 0;
  for (std::uint64_t at = storage::manifest_header_bytes; at < all.size();) {
    std::size_t used = 0;
    if (!storage::decode_manifest_edit(all.subspan(at), used) || used == 0) break;
    last = at;
    at += used;
  }
  if (last == 0) return std::nullopt;
  return damaged_bit{path, dice.below(last * 8)};
}

}  // namespace

std::optional<damaged_bit> choose_damage(const sim_volume& volume, const std::string& folder,
                                         platform::sim::sim_rng& dice) {
  if (dice.chance(0.3)) return in_wal(volume, folder, dice);
  const auto paths = volume.paths();
  if (paths.empty()) return std::nullopt;
  const std::string& path = paths[dice.below(paths.size())];
  if (!path.starts_with(folder + "/") || path.starts_with(folder + "/wal/")) return std::nullopt;
  if (path == folder + "/manifest") return in_manifest(volume, path, dice);
  const std::size_t size = volume.find(path)->cache.size();
  if (size == 0) return std::nullopt;
  return damaged_bit{path, dice.below(size * 8)};
}

void trace_wal(platform::sim::sim_world& world, const sim_volume& volume, const std::string& folder) {
  for (const std::string& path : volume.paths()) {
    if (!path.starts_with(folder + "/wal/")) continue;
    const bytes all(volume.find(path)->cache);
    const auto file = storage::parse_wal_file_header(all.first(std::min(all.size(), storage::wal_page_bytes)));
    if (!file) {
      world.trace("WAL " + path + " size " + std::to_string(all.size()) + ": " + file.error().describe());
      continue;
    }
    world.trace("WAL " + path + " size " + std::to_string(all.size()) + " file " + std::to_string(file->file_seq) +
                " incarnation " + std::to_string(file->incarnation) + " first " + std::to_string(file->first_seq));
  }
  for (const found_block& b : wal_blocks(volume, folder)) {
    world.trace("WAL " + b.path + " at " + std::to_string(b.position) + " block " + std::to_string(b.header.seq) +
                " incarnation " + std::to_string(b.header.incarnation) + " knows " +
                std::to_string(b.header.durable_seq) + " records " + std::to_string(b.header.records));
  }
}

}  // namespace weir::sim_tests
