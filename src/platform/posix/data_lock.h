// One process per data folder: an exclusive lock that the kernel drops when the process ends, however it ends.
#pragma once

#include <string>

#include "base/result.h"
#include "platform/posix/unique_fd.h"

namespace weir::platform {

class data_lock {
 public:
  // Takes `folder`/lock. errc::busy names the process that holds it; errc::denied says whose folder it is.
  [[nodiscard]] static result<data_lock> take(const std::string& folder);

 private:
  explicit data_lock(unique_fd fd) : fd_(std::move(fd)) {}
  unique_fd fd_;
};

}  // namespace weir::platform
