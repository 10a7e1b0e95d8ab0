#include "platform/posix/open_disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "platform/posix/posix_error.h"
#include "platform/posix/thread_disk.h"
#include "platform/posix/unique_fd.h"
#include "platform/posix/uring_disk.h"
#include "platform/posix/uring_queue.h"

namespace weir::platform {

namespace {

constexpr const char* probe_name = "/probe.tmp";

result<void> write_one_block(uring_queue& ring, int fd) {
  alignas(disk_block_bytes) static std::array<std::byte, disk_block_bytes> block{};
  iovec part{block.data(), block.size()};
  int outcome = -EIO;
  bool done = false;
  ring.start([&](io_uring_sqe* sqe) { io_uring_prep_writev2(sqe, fd, &part, 1, 0, RWF_DSYNC); },
             [&](int rc) {
               outcome = rc;
               done = true;
             });
  ring.submit();
  while (!done) {
    if (!ring.complete()) ::usleep(50);
  }
  if (outcome < 0) return fault_from_errno(-outcome, "direct durable write");
  if (static_cast<std::size_t>(outcome) != block.size()) return fault(errc::io, "direct durable write: short");
  return {};
}

}  // namespace

result<void> probe_direct(const std::string& folder) {
  auto ring = uring_queue::make(4);
  if (!ring) return ring.error();
  const std::string path = folder + probe_name;
  const unique_fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_DIRECT | O_DSYNC, 0640));
  if (!fd.valid()) {
    const int error = errno;
    ::unlink(path.c_str());  // some file systems create the file before they refuse O_DIRECT
    return fault_from_errno(error, "open for direct writes");
  }
  auto outcome = write_one_block(**ring, fd.get());
  ::unlink(path.c_str());
  return outcome;
}

result<opened_disk> open_disk(reactor& owner, const std::string& folder, disk_mode mode) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fault_from_errno(error.value(), "create the data folder " + folder);
  if (mode == disk_mode::buffered) return opened_disk{make_thread_disk(owner, folder), {}};
  auto direct = probe_direct(folder);
  if (direct) {
    auto made = make_uring_disk(owner, folder);
    if (!made) return made.error();
    return opened_disk{*made, {}};
  }
  if (mode == disk_mode::direct) {
    return fault(direct.error().code, "storage.disk = direct is not possible in " + folder + ": " +
                                          direct.error().text + "; use auto or buffered");
  }
  return opened_disk{make_thread_disk(owner, folder), direct.error().text};
}

}  // namespace weir::platform
