// The outcome of anything that the world (a peer, a disk, a configuration) can make fail.
//
// A result holds a value or a fault. It must be used. `*r` on a fault is our bug and asserts; never call
// `.value()`, which throws. A fault's code is for programs, its text is for people and says what to do next
// where it can.
#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <utility>

namespace weir {

enum class errc {
  ok = 0,
  io,            // the operating system refused a read, write or sync
  not_found,     // no such file, log, topic, ...
  exists,        // it is there already
  no_space,      // the disk is full, or past its critical mark
  corrupt,       // a checksum, a length or an order that our own writer never makes
  torn,          // an unfinished write at the tail, which a crash explains
  out_of_range,  // an offset, position or time outside of what there is
  invalid,       // an argument that can never be right
  unsupported,   // a version or kind that this build does not know
  busy,          // try again: a limit of memory or of outstanding work is reached
  fenced,        // the shard has stopped after a failed sync; reopen and recover
  closed,        // the object was stopped
  denied,        // not allowed
};

[[nodiscard]] const char* to_string(errc code) noexcept;

struct fault {
  errc code = errc::ok;
  std::string text;

  fault() = default;
  fault(errc c) : code(c) {}  // NOLINT(google-explicit-constructor): a bare code is a complete fault
  fault(errc c, std::string what) : code(c), text(std::move(what)) {}
  [[nodiscard]] std::string describe() const;
};

// Required by Boost.System for `.value()`, which our rules forbid: it asserts.
[[noreturn]] void throw_exception_from_error(const fault& f, const boost::source_location& where);

template<class T>
using result = boost::system::result<T, fault>;

}  // namespace weir
