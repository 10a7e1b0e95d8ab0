#include "storage/superblock_file.h"

#include <algorithm>

namespace weir::storage {

namespace {
constexpr const char* name = "superblock";
constexpr const char* new_name = "superblock.new";

bool contains(const std::vector<platform::folder_entry>& entries, std::string_view wanted) {
  return std::any_of(entries.begin(), entries.end(), [&](const auto& e) { return e.name == wanted; });
}
}  // namespace

result<std::optional<superblock>> load_superblock(platform::disk& disk) {
  auto top = disk.list("");
  if (!top) return top.error();
  if (!contains(*top, name)) {
    // The superblock is durable before anything else is written: data without it is damage, not a new folder.
    for (const char* folder : {"wal", "data"}) {
      if (!contains(*top, folder)) continue;
      auto inside = disk.list(folder);
      if (!inside) return inside.error();
      if (!inside->empty())
        return fault(errc::corrupt, std::string("superblock is missing, but there are files in ") + folder);
    }
    if (contains(*top, "manifest")) return fault(errc::corrupt, "superblock is missing, but there is a manifest");
    return std::optional<superblock>{};
  }
  auto f = disk.open(name, {});
  if (!f) return f.error();
  byte_vector page(superblock_bytes);
  auto got = (*f)->read_now(0, page);
  if (!got) return got.error();
  page.resize(*got);
  auto s = decode_superblock(page);
  if (!s) return s.error();
  return std::optional(*s);
}

result<void> store_superblock(platform::disk& disk, const superblock& s) {
  auto f = disk.open(new_name, {.create = true});
  if (!f) return f.error();
  if (auto ok = (*f)->write_now(0, encode_superblock(s)); !ok) return ok;
  if (auto ok = (*f)->sync_now(); !ok) return ok;
  if (auto ok = disk.rename(new_name, name); !ok) return ok;
  return disk.sync_folder_now("");
}

}  // namespace weir::storage
