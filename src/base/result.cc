#include "base/result.h"

#include "base/assert.h"

namespace weir {

const char* to_string(errc code) noexcept {
  switch (code) {
    case errc::ok:
      return "ok";
    case errc::io:
      return "input/output error";
    case errc::not_found:
      return "not found";
    case errc::exists:
      return "already exists";
    case errc::no_space:
      return "no space";
    case errc::corrupt:
      return "corrupt";
    case errc::torn:
      return "torn";
    case errc::out_of_range:
      return "out of range";
    case errc::invalid:
      return "invalid";
    case errc::unsupported:
      return "unsupported";
    case errc::busy:
      return "busy";
    case errc::fenced:
      return "fenced";
    case errc::closed:
      return "closed";
    case errc::denied:
      return "denied";
  }
  return "unknown";
}

std::string fault::describe() const {
  std::string out = to_string(code);
  if (!text.empty()) out.append(": ").append(text);
  return out;
}

void throw_exception_from_error(const fault& f, const boost::source_location& where) {
  assert_failed(f.describe().c_str(), where.file_name(), static_cast<int>(where.line()));
}

}  // namespace weir
