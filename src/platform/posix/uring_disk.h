// The disk on io_uring: one ring per reactor, operations collected during a turn and submitted at its end with one system
// call. Durable files are written with O_DIRECT and RWF_DSYNC where the file system takes it.
// Owner thread: the reactor that it was made for.
#pragma once

#include <memory>
#include <string>

#include "platform/posix/posix_files.h"
#include "platform/posix/reactor.h"

namespace weir::platform {

// errc::unsupported when the kernel (or a container's system call filter) refuses io_uring or an operation that we need.
// `direct_writes` false: durable files are written buffered and synced by the same ring. `folder` must exist, the reactor
// must outlive the disk. The destructor waits for everything in flight and runs no completions.
[[nodiscard]] result<std::shared_ptr<disk>> make_uring_disk(reactor& owner, const std::string& folder,
                                                            bool direct_writes = true);

}  // namespace weir::platform
