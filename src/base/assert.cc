#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace weir {

void assert_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "weir: assertion failed: %s (%s:%d)\n", expression, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace weir

// BOOST_ENABLE_ASSERT_HANDLER routes Boost's own assertions (a result read while it holds an error) here.
namespace boost {

void assertion_failed(const char* expression, const char* /*function*/, const char* file, long line) {
  ::weir::assert_failed(expression, file, static_cast<int>(line));
}
void assertion_failed_msg(const char* expression, const char* message, const char* /*function*/, const char* file,
                          long line) {
  ::weir::assert_failed(message != nullptr ? message : expression, file, static_cast<int>(line));
}

}  // namespace boost
