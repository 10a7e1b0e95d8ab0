#include "platform/posix/posix_error.h"

#include <cerrno>
#include <system_error>

namespace weir::platform {

namespace {

errc code_of(int error) {
  switch (error) {
    case ENOENT:
      return errc::not_found;
    case EEXIST:
      return errc::exists;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return errc::no_space;
    case EACCES:
    case EPERM:
    case EROFS:
      return errc::denied;
    case EBUSY:
    case EMFILE:
    case ENFILE:
      return errc::busy;
    default:
      return errc::io;
  }
}

}  // namespace

fault fault_from_errno(int error, const std::string& what) {
  return {code_of(error), what + ": " + std::generic_category().message(error)};
}

}  // namespace weir::platform
