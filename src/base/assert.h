// Assertions for our own bugs. On in every build type, release included.
//
// Three ways to fail, never mixed (docs/STYLE.md): the world fails -> result; our bug -> WEIR_ASSERT; cannot
// start -> exception. An assertion must never be reachable from bytes of a peer or of a disk.
#pragma once

namespace weir {

// Prints the failed expression with its place to stderr and aborts (a core dump is the report).
[[noreturn]] void assert_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace weir

#define WEIR_ASSERT(expression)                                 \
  (__builtin_expect(static_cast<bool>(expression), 1) ? void(0) \
                                                      : ::weir::assert_failed(#expression, __FILE__, __LINE__))
