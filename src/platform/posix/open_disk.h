// Chooses and opens the real disk of a data folder.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "platform/disk.h"
#include "platform/posix/reactor.h"

namespace weir::platform {

enum class disk_mode {
  automatic,  // direct if the machine can, else buffered
  direct,     // io_uring with O_DIRECT, or refuse
  buffered,   // threads with fdatasync
};

struct opened_disk {
  std::shared_ptr<disk> where;
  std::string why_buffered;  // for the log, when `automatic` fell back
};

// Makes the folder when it is missing, probes it with one durable write, and opens the disk. Blocking: start-up only.
[[nodiscard]] result<opened_disk> open_disk(reactor& owner, const std::string& folder, disk_mode mode);

// Whether durable O_DIRECT writes work in `folder`; the fault says what was refused.
[[nodiscard]] result<void> probe_direct(const std::string& folder);

}  // namespace weir::platform
