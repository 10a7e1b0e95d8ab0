#include "server/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <system_error>
#include <utility>

#include "server/config_text.h"

namespace weir::server {

namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;

}  // namespace

connection::connection(connection_group& group, new_connection&& c, std::uint64_t id)
    : group_(group),
      socket_(group.owner().context(), c.fd.release()),
      id_(id),
      protocol_(std::move(c.protocol)),
      local_(std::move(c.local)),
      peer_(std::move(c.peer)),
      place_(std::move(c.place)),
      accepted_(group.now()),
      last_activity_(accepted_),
      progress_since_(accepted_),
      room_since_(accepted_),
      last_sent_(accepted_) {}

connection::~connection() = default;

bool connection::start(const protocol::session_factory& make) {
  session_ = make(*this);
  if (!session_) return false;
  group_.logger().debug("connection {} from {} to {} {}", id_, print_endpoint(peer_), protocol_,
                        print_endpoint(local_));
  watch_input();
  // A session may speak first.
  group_.mark_dirty(*this);
  return true;
}

void connection::wake() {
  if (closed_) return;
  woken_ = true;
  group_.mark_dirty(*this);
}

bool connection::may_read() const {
  return !closed_ && !eof_ && !room_.waiting() && session_->wants_read() && !session_->wants_close() &&
         unsent() < protocol::output_high_bytes;
}

void connection::watch_input() {
  if (input_watched_ || !may_read()) return;
  input_watched_ = true;
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->input_watched_ = false;
                       if (!error) self->on_readable();
                     });
}

void connection::watch_output() {
  if (output_watched_ || closed_) return;
  output_watched_ = true;
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->output_watched_ = false;
                       if (!error) self->on_writable();
                     });
}

void connection::on_writable() { group_.mark_dirty(*this); }

void connection::on_readable() {
  if (closed_) return;
  const mono_ns now = group_.now();
  for (int i = 0; i < reads_per_turn && may_read(); ++i) {
    if (!read_once(now)) break;
  }
  if (closed_) return;
  session_->on_turn(now);
  group_.mark_dirty(*this);
  watch_input();
}

bool connection::read_once(mono_ns now) {
  const bool buffered = !input_.empty();
  if (buffered && !take_room()) return false;
  const mutable_bytes into =
      buffered ? input_.room(session_->needed()) : group_.scratch().first(group_.receiving().read_bytes());
  const ssize_t n = ::recv(socket_.native_handle(), into.data(), into.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return false;
  if (n < 0) {
    // A reset is how many clients end: not worth a line above debug.
    group_.logger().debug("connection {}: {}", id_, std::generic_category().message(errno));
    close("");
    return false;
  }
  if (n == 0) {
    eof_ = true;
    return false;
  }
  const auto got = static_cast<std::size_t>(n);
  bytes_in_ += got;
  last_activity_ = now;
  if (buffered) {
    input_.filled(got);
    feed_buffered(now);
    // The buffer may have grown a little past what was announced, or without an announcement.
    if (input_.capacity() > room_.held) count_buffer();
  } else {
    feed(bytes(into.data(), got), now);
  }
  return got == into.size();
}

void connection::feed(bytes fresh, mono_ns now) {
  const std::size_t consumed = std::min(session_->on_bytes(fresh, now), fresh.size());
  if (consumed > 0) had_frame_ = true;
  if (consumed == fresh.size()) return;
  input_.append(fresh.subspan(consumed));
  count_buffer();
  progress_since_ = now;
  progress_bytes_ = bytes_in_;
}

void connection::feed_buffered(mono_ns now) {
  if (input_.empty()) return;
  const std::size_t consumed = std::min(session_->on_bytes(input_.data(), now), input_.data().size());
  if (consumed == 0) return;
  had_frame_ = true;
  input_.consume(consumed);
  // What a large request needed is not kept from those who wait.
  if (group_.receiving().contended()) input_.fit();
  count_buffer();
  progress_since_ = now;
  progress_bytes_ = bytes_in_;
}

bool connection::take_room() {
  const std::size_t whole = session_->needed();
  // Nothing announced: less than a length, or a line of the admin API, which must also work when the pool is used up.
  if (whole != 0) return group_.receiving().take(room_, id_, std::max(whole, input_.capacity()));
  if (room_.waiting()) count_buffer();
  return true;
}

void connection::count_buffer() { group_.receiving().hold(room_, input_.capacity()); }

bool connection::flush(mono_ns now) {
  if (closed_) return false;
  // Its turn may have come.
  if (room_.waiting()) (void)take_room();
  if (std::exchange(woken_, false)) session_->on_wake(now);
  // Requests that were held back while reading was paused.
  if (!input_watched_ && may_read() && !input_.empty()) {
    feed_buffered(now);
    session_->on_turn(now);
  }
  const bool held = !input_.empty() && !may_read();
  const send_state state = send();
  if (state == send_state::failed) return false;
  const std::size_t backlog = unsent();
  if (backlog > protocol::output_high_bytes) was_high_ = true;
  if (was_high_ && backlog < protocol::output_low_bytes) {
    was_high_ = false;
    session_->on_writable(now);
    group_.mark_dirty(*this);
  }
  if (backlog == 0 && session_->out().empty() && (eof_ || session_->wants_close())) {
    close(session_->wants_close() ? session_->close_reason() : std::string());
    return false;
  }
  if (state == send_state::blocked) watch_output();
  // Requests that waited for a large answer to go out: nothing else would present them again.
  if (held && may_read()) return true;
  watch_input();
  return state == send_state::more;
}

connection::send_state connection::send() {
  std::array<iovec, 128> parts;
  std::size_t budget = send_bytes_per_turn;
  for (;;) {
    if (sending_.empty()) {
      if (session_->out().empty()) return send_state::all;
      sending_.take(session_->out());
      sending_since_ = last_sent_ = group_.now();
      sending_was_ = sending_.size();
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = sending_.pieces(parts.data(), parts.size());
    const ssize_t n = ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return send_state::blocked;
    if (n < 0) {
      group_.logger().debug("connection {}: {}", id_, std::generic_category().message(errno));
      close("");
      return send_state::failed;
    }
    const auto sent = static_cast<std::size_t>(n);
    sending_.sent(sent);
    bytes_out_ += sent;
    last_sent_ = last_activity_ = group_.now();
    budget -= std::min(budget, sent);
    if (budget == 0) return send_state::more;
  }
}

void connection::check(mono_ns now) {
  if (closed_) return;
  check_output(now);
  if (!closed_) check_input(now);
  if (closed_) return;
  check_room(now);
  if (closed_) return;
  if (now - last_activity_ >= 1000 * ns_per_ms) {
    if (input_.empty()) {
      input_.release_if_empty();
      count_buffer();
    }
    sending_.release_if_empty();
  }
}

// A receiver that does not take its answers must not hold shared memory, nor a place for ever.
void connection::check_output(mono_ns now) {
  if (sending_.empty()) return;
  const connection_limits& limits = group_.limits();
  const std::int64_t stalled_ms = (now - last_sent_) / ns_per_ms;
  const std::int64_t since_ms = (now - sending_since_) / ns_per_ms;
  if (stalled_ms >= limits.write_stall_ms)
    return close(fmt::format("took nothing of its answers for {}", print_duration_ms(limits.write_stall_ms)));
  if (since_ms < 1000 || sending_.shared_bytes() == 0) return;
  if (sending_.size() <= static_cast<std::size_t>(limits.slow_receiver_copy_bytes)) return sending_.copy_shared();
  const auto taken = static_cast<std::int64_t>(sending_was_ - sending_.size());
  const std::int64_t patience_ms = limits.write_stall_ms / 6;
  const bool trickles = since_ms >= patience_ms && taken < slow_receiver_bytes_per_s * since_ms / 1000;
  if (stalled_ms >= patience_ms || trickles) {
    close(fmt::format("takes its answers too slowly: {} bytes in {}", taken, print_duration_ms(since_ms)));
  }
}

void connection::check_input(mono_ns now) {
  const connection_limits& limits = group_.limits();
  const auto over = [now](mono_ns since, std::int64_t ms) { return now - since >= ms * ns_per_ms; };
  if (!had_frame_ && !room_.waiting() && over(accepted_, limits.first_frame_ms)) {
    return close(fmt::format("sent no whole request within {}", print_duration_ms(limits.first_frame_ms)));
  }
  // Only where the peer is to blame: not while we do not read.
  if (!input_.empty() && input_watched_) {
    if (!over(progress_since_, limits.frame_progress_ms)) return;
    if (bytes_in_ - progress_bytes_ < static_cast<std::uint64_t>(limits.frame_progress_bytes)) {
      return close(
          fmt::format("an unfinished request made no progress for {}", print_duration_ms(limits.frame_progress_ms)));
    }
    progress_since_ = now;
    progress_bytes_ = bytes_in_;
    return;
  }
  if (!input_watched_) {
    progress_since_ = now;
    return;
  }
  if (session_->idle() && unsent() == 0 && over(last_activity_, limits.idle_ms)) close("");
}

// While others wait for room, who holds some must use it: a request comes in at a sixteenth per limits.frame_progress, and
// one whose session reads nothing (its answers are in the works) has limits.write_stall.
void connection::check_room(mono_ns now) {
  const receive_pool& pool = group_.receiving();
  // What an earlier request needed.
  if (pool.contended() && input_.empty() && room_.held > 0) {
    input_.release_if_empty();
    count_buffer();
  }
  const bool may_keep = room_.waiting() || room_.held <= receive_pool::least_read_bytes || !pool.contended();
  const auto since = static_cast<std::int64_t>(bytes_in_ - room_bytes_);
  const std::int64_t patience_ms = may_read() ? group_.limits().frame_progress_ms : group_.limits().write_stall_ms;
  const bool goes_on = since >= static_cast<std::int64_t>(room_.held / 16);
  if (!may_keep && !goes_on && now - room_since_ < patience_ms * ns_per_ms) return;
  if (!may_keep && !goes_on) {
    return close(
        fmt::format("limits.receive_bytes = {} is used up, and a request that holds {} of it brought {} bytes in {}",
                    pool.max(), room_.held, since, print_duration_ms(patience_ms)));
  }
  room_since_ = now;
  room_bytes_ = bytes_in_;
}

void connection::close(const std::string& why) {
  if (std::exchange(closed_, true)) return;
  const auto self = shared_from_this();
  if (!why.empty()) {
    group_.logger().limited(log_level::warn, "close", "closed connection {} from {} ({}): {}", id_,
                            print_endpoint(peer_), clean(session_->describe()), clean(why));
  }
  session_->on_closed();
  boost::system::error_code ignored;
  socket_.close(ignored);
  group_.receiving().hold(room_, 0);
  place_.give_back();
  // The session is kept until the connection goes: its caller may be inside it.
  group_.remove(*this);
}

connection_info connection::info(mono_ns now) const {
  return {id_, protocol_, peer_, session_->describe(), bytes_in_, bytes_out_, unsent(), (now - accepted_) / ns_per_ms};
}

}  // namespace weir::server
