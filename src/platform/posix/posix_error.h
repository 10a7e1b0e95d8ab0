// The operating system's error numbers as faults.
#pragma once

#include <string>

#include "base/result.h"

namespace weir::platform {

// `what` says what was tried on which name: "write wal/0001.wal".
[[nodiscard]] fault fault_from_errno(int error, const std::string& what);

}  // namespace weir::platform
