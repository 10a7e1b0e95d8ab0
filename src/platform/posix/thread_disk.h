// The disk for machines where io_uring or O_DIRECT is refused: a small pool of threads with pwritev, preadv and fdatasync.
// A durable write is a buffered write and an fdatasync. Completions are sent to the reactor.
// Owner thread: the reactor that it was made for.
#pragma once

#include <memory>

#include "platform/posix/posix_files.h"
#include "platform/posix/reactor.h"

namespace weir::platform {

struct thread_disk_options {
  unsigned threads = 6;  // 4 durable writes in flight, and two for everything else
};

// `folder` must exist. The reactor must outlive the disk; the disk's destructor waits for what the threads have begun and
// drops what they have not.
[[nodiscard]] std::shared_ptr<disk> make_thread_disk(reactor& owner, const std::string& folder,
                                                     thread_disk_options options = {});

}  // namespace weir::platform
