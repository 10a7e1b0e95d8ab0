// A session: one client connection's state machine. Bytes and time in, output out; no socket, no clock, no
// thread.
//
// server/ owns the socket and drives the session; a simulator or a test may drive it just as well. Owner
// thread: the connection's reactor; no call here is made from inside another call on the same session.
//
// Life: factory -> (on_bytes* on_turn | on_wake | on_writable)* -> on_closed -> destroyed. After each of the
// middle calls the shell takes what is in out() and sends it with one gathered write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "protocol/common/output.h"

namespace weir::protocol {

// A host (numeric, no brackets) and a port; for Unix sockets the path and 0.
struct endpoint {
  std::string host;
  std::uint16_t port = 0;
};

// What the shell offers to its session. It outlives the session.
class session_host {
 public:
  session_host() = default;
  session_host(const session_host&) = delete;
  session_host& operator=(const session_host&) = delete;
  virtual ~session_host() = default;

  // Output, wants_read() or wants_close() changed outside of a call from the shell (an answer became
  // durable). Cheap, may be called often: the shell calls on_wake() and sends once, at the end of the
  // reactor's turn. Owner thread only.
  virtual void wake() = 0;

  // The accepted socket's own address (what the client dialled, unless there is a proxy) and the client's.
  [[nodiscard]] virtual const endpoint& local() const = 0;
  [[nodiscard]] virtual const endpoint& peer() const = 0;
  // Unique among the connections of this process; for logs and for naming members.
  [[nodiscard]] virtual std::uint64_t connection_id() const = 0;
  // Bytes of answers that the socket has not accepted yet, those in out() too. A session takes no further request while
  // this is above output_high_bytes; on_writable() comes when it fell below output_low_bytes.
  [[nodiscard]] virtual std::size_t unsent() const = 0;
};

inline constexpr std::size_t output_high_bytes = std::size_t{1} << 20;
inline constexpr std::size_t output_low_bytes = std::size_t{256} << 10;

class session {
 public:
  session() = default;
  session(const session&) = delete;
  session& operator=(const session&) = delete;
  virtual ~session() = default;

  // Everything that has arrived and was not consumed yet. Returns how much was consumed; the rest (an
  // unfinished frame) is presented again, at its start, when more has come. `in` lives until the call
  // returns.
  virtual std::size_t on_bytes(bytes in, mono_ns now) = 0;
  // After a batch of input: the place for work that is better done once per batch.
  virtual void on_turn(mono_ns /*now*/) {}
  // Answers to session_host::wake().
  virtual void on_wake(mono_ns /*now*/) {}
  // The backlog of unsent output fell below output_low_bytes after having been above output_high_bytes.
  virtual void on_writable(mono_ns /*now*/) {}
  // The connection is gone (or will be closed now): forget it everywhere. The last call, whoever closed.
  virtual void on_closed() {}

  // True: the shell sends what is in out(), then closes. Nothing is read any more.
  [[nodiscard]] virtual bool wants_close() const = 0;
  // Why, for the log line of the close; empty for a normal end. Never payload, never credentials.
  [[nodiscard]] virtual std::string close_reason() const { return {}; }
  // False: pause reading (too many requests in the works, a full tail ring). wake() when it turns true again:
  // the shell then presents the bytes that were not consumed once more, even if nothing new has arrived.
  [[nodiscard]] virtual bool wants_read() const { return true; }
  // Total bytes, from the first unconsumed one, that the frame which is arriving will need; 0 when unknown or
  // none. The session has checked it against its limits: the shell grows its buffer to it at most as bytes
  // arrive.
  [[nodiscard]] virtual std::size_t needed() const { return 0; }
  // False while it is normal that nothing arrives for long (a long poll in the works): no idle timeout then.
  [[nodiscard]] virtual bool idle() const { return true; }
  // For `weir status`: client software, principal. Short, no secrets.
  [[nodiscard]] virtual std::string describe() const { return {}; }

  // The shell empties it by swapping: between two calls the object's contents may be gone, never its
  // identity.
  [[nodiscard]] output& out() { return out_; }

 private:
  output out_;
};

// Makes the session of an accepted connection; may return nullptr to refuse it (closed at once).
using session_factory = std::function<std::unique_ptr<session>(session_host& host)>;

}  // namespace weir::protocol
