// How much more memory this process could take at the moment: the kernel's estimate for the machine, or what its control
// groups leave, whichever is less. Page cache that can be dropped counts as free. Any thread; reads a few small files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace weir::platform {

// `root` stands before the paths of the system's files, for tests. nullopt: the system does not tell.
[[nodiscard]] std::optional<std::uint64_t> memory_room(const std::string& root = "");

}  // namespace weir::platform
