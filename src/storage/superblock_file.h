// Reads and replaces the superblock file. Blocking: start-up only.
#pragma once

#include <optional>

#include "platform/disk.h"
#include "storage/format/superblock.h"

namespace weir::storage {

// nullopt: the folder holds no store yet. Faults: corrupt when there is a store's data but no superblock.
[[nodiscard]] result<std::optional<superblock>> load_superblock(platform::disk& disk);
// Durable when it returns.
[[nodiscard]] result<void> store_superblock(platform::disk& disk, const superblock& s);

}  // namespace weir::storage
