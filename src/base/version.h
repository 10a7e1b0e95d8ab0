// The version of this build.
#pragma once

#include <string_view>

namespace weir {

// Kept equal to the project's version in CMakeLists.txt by a test.
inline constexpr std::string_view version = "0.1.0";

}  // namespace weir
