// The shell of one connection: the socket, the bytes on their way in and out, the time limits. It knows no protocol.
// Uses Boost.Asio (readiness only; the system calls are made here). Owner thread: its reactor.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "protocol/common/session.h"
#include "server/connection_group.h"
#include "server/receive_buffer.h"
#include "server/receive_pool.h"
#include "server/send_queue.h"

namespace weir::server {

class connection final : public protocol::session_host, public std::enable_shared_from_this<connection> {
 public:
  connection(connection_group& group, new_connection&& c, std::uint64_t id);
  ~connection() override;

  // False when the factory refused.
  [[nodiscard]] bool start(const protocol::session_factory& make);
  // At the end of a turn: lets the session react, sends, closes. True when there is more to do at once.
  bool flush(mono_ns now);
  // Once a second: the time limits.
  void check(mono_ns now);
  // Closes now; what is unsent is lost. `why` goes to the log, empty for a normal end.
  void close(const std::string& why);
  [[nodiscard]] connection_info info(mono_ns now) const;
  // What its buffers hold: requests that are arriving, answers that are leaving.
  [[nodiscard]] std::size_t buffered_bytes() const { return input_.capacity() + unsent(); }

  // session_host
  void wake() override;
  [[nodiscard]] const protocol::endpoint& local() const override { return local_; }
  [[nodiscard]] const protocol::endpoint& peer() const override { return peer_; }
  [[nodiscard]] std::uint64_t connection_id() const override { return id_; }
  [[nodiscard]] std::size_t unsent() const override {
    return sending_.size() + (session_ ? session_->out().size() : 0);
  }

  // ---- for connection_group
  bool dirty = false;  // is in the group's list

 private:
  // Reads of one turn, so that one fast client cannot keep the others waiting.
  static constexpr int reads_per_turn = 4;
  static constexpr std::size_t send_bytes_per_turn = 8 << 20;
  static constexpr std::int64_t slow_receiver_bytes_per_s = 16 << 10;

  void on_readable();
  void on_writable();
  // Reads once; false when there is no more to read now.
  bool read_once(mono_ns now);
  // Shows everything unconsumed, `fresh` being what is not in the buffer yet.
  void feed(bytes fresh, mono_ns now);
  void feed_buffered(mono_ns now);
  // Takes of the reactor's pool what the unfinished request needs; false: it has to wait, nothing is read until then.
  [[nodiscard]] bool take_room();
  // Counts what the buffer really has, after it changed.
  void count_buffer();
  void watch_input();
  void watch_output();
  [[nodiscard]] bool may_read() const;
  // Sends until nothing is left, the socket is full or the turn's share is used up.
  enum class send_state { all, blocked, more, failed };
  send_state send();
  void check_output(mono_ns now);
  void check_input(mono_ns now);
  void check_room(mono_ns now);

  connection_group& group_;
  boost::asio::posix::stream_descriptor socket_;
  const std::uint64_t id_;
  const std::string protocol_;
  const protocol::endpoint local_;
  const protocol::endpoint peer_;
  connection_place place_;
  std::unique_ptr<protocol::session> session_;

  receive_buffer input_;
  receive_claim room_;
  send_queue sending_;
  bool closed_ = false;
  bool woken_ = false;
  bool eof_ = false;
  bool was_high_ = false;
  bool input_watched_ = false;
  bool output_watched_ = false;

  mono_ns accepted_{};
  mono_ns last_activity_{};
  mono_ns progress_since_{};          // start of the window in which an unfinished frame must make progress
  std::uint64_t progress_bytes_ = 0;  // bytes_in_ at that time
  mono_ns room_since_{};              // start of the window in which a holder of the pool must go on for those who wait
  std::uint64_t room_bytes_ = 0;      // bytes_in_ at that time
  mono_ns sending_since_{};           // when sending_ was filled
  std::size_t sending_was_ = 0;       // its size then
  mono_ns last_sent_{};               // when the socket took something
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  bool had_frame_ = false;
};

}  // namespace weir::server
