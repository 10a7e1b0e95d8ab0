// The connection shell with real sockets and a small protocol: frames of a length byte and so many bytes, echoed.
#include "server/connection.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <thread>

#include "server/listener.h"

namespace weir::server {
namespace {

struct shared_state {
  int closed = 0;
  int turns = 0;
  int writable = 0;
  std::size_t largest_view = 0;
  bool may_read = true;
  bool stay_busy = false;
  std::size_t shared_answer = 0;  // answer each frame with so many shared bytes instead
  std::size_t announce = 0;       // needed()
  std::shared_ptr<std::vector<std::byte>> payload = std::make_shared<std::vector<std::byte>>(64 << 20);
  std::vector<protocol::session_host*> hosts;
};

class echo final : public protocol::session {
 public:
  echo(protocol::session_host& host, shared_state& s) : host_(host), s_(s) { s_.hosts.push_back(&host); }
  std::size_t on_bytes(bytes in, mono_ns) override {
    s_.largest_view = std::max(s_.largest_view, in.size());
    std::size_t at = 0;
    while (at < in.size() && s_.may_read && !close_ && host_.unsent() < protocol::output_high_bytes) {
      const auto length = static_cast<std::size_t>(in[at]);
      if (in.size() - at < 1 + length) break;
      on_frame(in.subspan(at, 1 + length));
      at += 1 + length;
    }
    return at;
  }
  void on_turn(mono_ns) override { ++s_.turns; }
  void on_wake(mono_ns) override { out().append(as_bytes(std::string_view("\1w", 2))); }
  void on_writable(mono_ns) override { ++s_.writable; }
  void on_closed() override { ++s_.closed; }
  [[nodiscard]] bool wants_close() const override { return close_; }
  [[nodiscard]] bool wants_read() const override { return s_.may_read; }
  [[nodiscard]] bool idle() const override { return !s_.stay_busy; }
  [[nodiscard]] std::size_t needed() const override { return s_.announce; }

 private:
  void on_frame(bytes frame) {
    if (frame.size() == 1) close_ = true;  // an empty frame says goodbye
    if (s_.shared_answer == 0) return out().append(frame);
    out().share({bytes(*s_.payload).first(s_.shared_answer), s_.payload});
  }
  protocol::session_host& host_;
  shared_state& s_;
  bool close_ = false;
};

class connection_test : public testing::Test {
 protected:
  void make(connection_limits limits = {}) {
    limits_ = limits;
    census_ = std::make_unique<connection_census>(limits.connections, limits.connections_per_address);
    group_ = std::make_unique<connection_group>(reactor_, numbers_, limits_);
    auto l = listener::tcp(reactor_, *census_, {"echo", {"127.0.0.1", 0}}, [this](new_connection&& c) {
      group_->adopt(std::move(c), [this](protocol::session_host& h) { return std::make_unique<echo>(h, state_); });
    });
    ASSERT_TRUE(l) << l.error().text;
    listener_ = std::move(*l);
    ASSERT_NE(listener_->address().port, 0);
    listener_->start();
  }
  platform::unique_fd connect(int receive_buffer = 0) {
    platform::unique_fd fd(::socket(AF_INET, SOCK_STREAM, 0));
    if (receive_buffer > 0) ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(listener_->address().port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    return fd;
  }
  static void send(const platform::unique_fd& fd, std::string_view text) {
    ASSERT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // What came so far, turning the reactor until `n` bytes are there or the connection ended.
  std::string receive(const platform::unique_fd& fd, std::size_t n) {
    std::string out;
    bool end = false;
    reactor_.run_until([&] {
      char buffer[65536];
      const ssize_t got = ::recv(fd.get(), buffer, std::min(sizeof buffer, n - out.size()), MSG_DONTWAIT);
      if (got > 0) out.append(buffer, static_cast<std::size_t>(got));
      end = got == 0 || (got < 0 && errno != EAGAIN);
      if (!end && out.size() < n) reactor_.send([] {});  // keeps the loop turning
      return end || out.size() == n;
    });
    return out;
  }
  bool ended(const platform::unique_fd& fd) { return receive(fd, 1).empty(); }
  void turn_until(const std::function<bool()>& done) {
    reactor_.run_until([&] {
      reactor_.send([] {});
      return done();
    });
  }

  platform::reactor reactor_;
  shared_state state_;
  connection_limits limits_;
  std::unique_ptr<connection_census> census_;
  connection_numbers numbers_;
  std::unique_ptr<connection_group> group_;
  std::unique_ptr<listener> listener_;
};

TEST_F(connection_test, frames_come_back_whole_or_by_byte) {
  make();
  const auto fd = connect();
  send(fd, std::string_view("\3abc\2de", 7));
  EXPECT_EQ(receive(fd, 7), std::string_view("\3abc\2de", 7));
  for (const char c : std::string_view("\4wxyz", 5)) {
    send(fd, std::string_view(&c, 1));
    const std::uint64_t before = group_->list(1).at(0).bytes_in;
    turn_until([&] { return group_->list(1).at(0).bytes_in > before; });
  }
  EXPECT_EQ(receive(fd, 5), std::string_view("\4wxyz", 5));
}

TEST_F(connection_test, a_burst_is_shown_at_once_and_answered_in_few_turns) {
  make();
  const auto fd = connect();
  std::string burst;
  for (int i = 0; i < 10'000; ++i) burst += std::string_view("\3abc", 4);
  send(fd, burst);
  EXPECT_EQ(receive(fd, burst.size()), burst);
  EXPECT_GT(state_.largest_view, 4000U);
  EXPECT_LT(state_.turns, 1000);
}

TEST_F(connection_test, goodbye_is_answered_before_the_close) {
  make();
  const auto fd = connect();
  send(fd, std::string_view("\1a\0\1b", 5));
  EXPECT_EQ(receive(fd, 100), std::string_view("\1a\0", 3));
  EXPECT_EQ(state_.closed, 1);
  EXPECT_EQ(group_->size(), 0U);
  EXPECT_EQ(census_->now(), 0);
}

TEST_F(connection_test, a_client_that_goes_is_forgotten) {
  make();
  {
    const auto fd = connect();
    send(fd, std::string_view("\1a", 2));
    EXPECT_EQ(receive(fd, 2).size(), 2U);
  }
  turn_until([&] { return state_.closed == 1; });
  EXPECT_EQ(group_->size(), 0U);
}

TEST_F(connection_test, wake_sends_without_input) {
  make();
  const auto fd = connect();
  turn_until([&] { return !state_.hosts.empty(); });
  for (int i = 0; i < 5; ++i) state_.hosts.at(0)->wake();  // many wakes, one answer
  EXPECT_EQ(receive(fd, 2), std::string_view("\1w", 2));
}

TEST_F(connection_test, paused_input_is_presented_again_when_the_session_reads_on) {
  make();
  const auto fd = connect();
  turn_until([&] { return !state_.hosts.empty(); });
  state_.may_read = false;
  send(fd, std::string_view("\1a\1b", 4));
  state_.hosts.at(0)->wake();
  EXPECT_EQ(receive(fd, 2), std::string_view("\1w", 2));
  state_.may_read = true;
  state_.hosts.at(0)->wake();
  EXPECT_EQ(receive(fd, 6), std::string_view("\1w\1a\1b", 6));
}

TEST_F(connection_test, large_shared_answers_arrive_and_the_session_hears_of_room) {
  make();
  state_.shared_answer = 20 << 20;
  for (std::size_t i = 0; i < state_.payload->size(); ++i) (*state_.payload)[i] = static_cast<std::byte>(i % 251);
  const auto fd = connect();
  send(fd, std::string_view("\1a", 2));
  const std::string got = receive(fd, state_.shared_answer);
  ASSERT_EQ(got.size(), state_.shared_answer);
  EXPECT_EQ(std::memcmp(got.data(), state_.payload->data(), got.size()), 0);
  turn_until([&] { return state_.writable == 1; });
  EXPECT_EQ(state_.payload.use_count(), 1) << "nothing holds the shared bytes after they were sent";
}

TEST_F(connection_test, requests_behind_a_large_answer_go_on_when_it_went_out) {
  make();
  state_.shared_answer = protocol::output_high_bytes;  // small enough to go out in one turn
  const auto fd = connect();
  send(fd, std::string_view("\1a\1b\1c", 6));
  EXPECT_EQ(receive(fd, 3 * state_.shared_answer).size(), 3 * state_.shared_answer);
}

TEST_F(connection_test, reading_stops_while_too_much_is_unsent) {
  make();
  state_.shared_answer = 8 << 20;
  const auto fd = connect(8192);
  std::string many;
  for (int i = 0; i < 2000; ++i) many += std::string_view("\1a", 2);
  send(fd, std::string_view("\1a", 2));
  turn_until([&] { return group_->size() == 1 && group_->list(1).at(0).unsent > 0; });
  send(fd, many);
  for (int i = 0; i < 50; ++i) {
    bool turned = false;
    turn_until([&] { return std::exchange(turned, true); });
  }
  EXPECT_EQ(group_->list(1).at(0).bytes_in, 2U) << "requests of a client that does not read its answers are not read";
}

TEST_F(connection_test, a_stalled_receiver_gets_a_copy_then_is_closed) {
  connection_limits limits;
  limits.write_stall_ms = 2500;
  limits.slow_receiver_copy_bytes = 64 << 20;
  make(limits);
  state_.shared_answer = 16 << 20;
  state_.stay_busy = true;
  const auto fd = connect(8192);
  send(fd, std::string_view("\1a", 2));
  turn_until([&] { return group_->size() == 1 && group_->list(1).at(0).unsent > 0; });
  EXPECT_GT(state_.payload.use_count(), 1);
  turn_until([&] { return state_.payload.use_count() == 1; });
  EXPECT_EQ(state_.closed, 0) << "copied, not closed";
  turn_until([&] { return state_.closed == 1; });
}

TEST_F(connection_test, a_slow_receiver_that_is_owed_more_than_may_be_copied_is_closed) {
  connection_limits limits;
  limits.write_stall_ms = 12'000;
  limits.slow_receiver_copy_bytes = 1 << 20;
  make(limits);
  state_.shared_answer = 32 << 20;
  const auto fd = connect(8192);
  send(fd, std::string_view("\1a", 2));
  turn_until([&] { return state_.closed == 1; });
  turn_until([&] { return state_.payload.use_count() == 1; });
}

TEST_F(connection_test, time_limits_close_the_silent_the_idle_and_the_slow) {
  connection_limits limits;
  limits.first_frame_ms = 1000;
  limits.idle_ms = 2000;
  limits.frame_progress_ms = 1000;
  limits.frame_progress_bytes = 64;
  make(limits);
  const auto silent = connect();
  const auto idle = connect();
  const auto loris = connect();
  send(idle, std::string_view("\1a", 2));
  send(loris, std::string_view("\1a\77b", 4));
  EXPECT_EQ(receive(idle, 2).size(), 2U);
  EXPECT_EQ(receive(loris, 2).size(), 2U);
  EXPECT_TRUE(ended(silent));
  EXPECT_TRUE(ended(loris));
  EXPECT_TRUE(ended(idle));
  EXPECT_EQ(state_.closed, 3);
}

TEST_F(connection_test, a_connection_with_work_in_the_works_is_not_idle) {
  connection_limits limits;
  limits.idle_ms = 1000;
  make(limits);
  state_.stay_busy = true;
  const auto fd = connect();
  send(fd, std::string_view("\1a", 2));
  EXPECT_EQ(receive(fd, 2).size(), 2U);
  const mono_ns end = reactor_.clock().now() + 3'000'000'000;
  turn_until([&] { return reactor_.clock().now() > end; });
  EXPECT_EQ(state_.closed, 0);
}

TEST_F(connection_test, what_is_announced_and_not_sent_costs_little) {
  receive_buffer b;
  b.append(as_bytes("0123"));
  (void)b.room(100 << 20);
  EXPECT_LT(b.capacity(), 64U << 10);
  std::size_t have = 4;
  while (have < (100U << 20)) {
    const std::size_t n = b.room(100 << 20).size();
    ASSERT_GT(n, 0U);
    ASSERT_LE(b.capacity(), 2 * have + (32U << 10));
    b.filled(n);
    have += n;
  }
  b.consume(have);
  b.release_if_empty();
  EXPECT_EQ(b.capacity(), 0U);
}

// A share of 768 KiB for large requests: of two that announce 600 KiB one has to wait, and those that announce less do not.
TEST_F(connection_test, a_request_without_room_waits_and_small_ones_go_on) {
  connection_limits limits;
  limits.receive_bytes = 1 << 20;
  make(limits);
  const auto first = connect();
  const auto second = connect();
  const auto bytes_in = [&] {
    std::uint64_t sum = 0;
    for (const connection_info& c : group_->list(10)) sum += c.bytes_in;
    return sum;
  };
  state_.announce = 600 << 10;
  std::uint64_t sent = 0;
  const auto send_and_read = [&](const platform::unique_fd& to, std::string_view text) {
    send(to, text);
    sent += text.size();
    turn_until([&] { return bytes_in() == sent; });
  };
  send_and_read(first, "\4a");
  send_and_read(first, "b");  // has its room from here on
  EXPECT_GE(group_->receiving().held(), state_.announce);
  send_and_read(second, "\4a");
  send(second, "bcd");
  turn_until([&] { return group_->receiving().waiting() == 1; });
  EXPECT_EQ(bytes_in(), sent) << "it was not read";

  state_.announce = 100 << 10;
  const auto small = connect();
  send_and_read(small, "\2x");
  send_and_read(small, "y");
  EXPECT_EQ(receive(small, 3), "\2xy");
  EXPECT_EQ(group_->receiving().waiting(), 1U);

  state_.announce = 600 << 10;
  send(first, "cd");
  EXPECT_EQ(receive(first, 5), "\4abcd");
  EXPECT_EQ(receive(second, 5), "\4abcd");
  EXPECT_EQ(state_.closed, 0);
  EXPECT_FALSE(group_->receiving().contended());
}

TEST_F(connection_test, who_holds_room_and_trickles_is_closed_for_those_who_wait) {
  connection_limits limits;
  limits.receive_bytes = 1 << 20;
  limits.frame_progress_ms = 1000;
  limits.frame_progress_bytes = 1;
  make(limits);
  state_.announce = 600 << 10;
  const auto holder = connect();
  send(holder, "\377a");
  turn_until([&] { return group_->size() == 1 && group_->list(1).at(0).bytes_in == 2; });
  send(holder, "b");
  turn_until([&] { return group_->receiving().held() >= state_.announce; });
  const auto second = connect();
  send(second, "\4a");
  turn_until([&] { return group_->size() == 2 && state_.hosts.size() == 2; });
  mono_ns next = reactor_.clock().now();
  int drops = 0;
  turn_until([&] {
    if (reactor_.clock().now() > next && drops < 200 && state_.closed == 0) {
      next = reactor_.clock().now() + 100'000'000;
      (void)::send(holder.get(), "c", 1, MSG_NOSIGNAL);
      if (++drops == 2) send(second, "bcd");
    }
    return state_.closed == 1;
  });
  EXPECT_EQ(receive(second, 5), "\4abcd");
  EXPECT_TRUE(ended(holder));
}

TEST_F(connection_test, caps_refuse_the_one_too_many_and_recover) {
  connection_limits limits;
  limits.connections = 2;
  make(limits);
  auto first = connect();
  const auto second = connect();
  turn_until([&] { return group_->size() == 2; });
  const auto third = connect();
  EXPECT_TRUE(ended(third));
  EXPECT_EQ(census_->refused(), 1);
  first.reset();
  turn_until([&] { return group_->size() == 1; });
  const auto fourth = connect();
  send(fourth, std::string_view("\1a", 2));
  EXPECT_EQ(receive(fourth, 2).size(), 2U);
}

TEST_F(connection_test, the_cap_per_address) {
  connection_limits limits;
  limits.connections_per_address = 1;
  make(limits);
  const auto first = connect();
  turn_until([&] { return group_->size() == 1; });
  EXPECT_TRUE(ended(connect()));
}

TEST_F(connection_test, two_thousand_connections_are_all_served) {
  make();
  if (raise_open_file_limit() < 5000) GTEST_SKIP() << "too few open files allowed";
  std::vector<platform::unique_fd> all;
  for (int i = 0; i < 2000; ++i) {
    all.push_back(connect());
    send(all.back(), std::string_view("\1a", 2));
    if (i % 200 == 0) turn_until([&] { return group_->size() == all.size(); });
  }
  for (const auto& fd : all) ASSERT_EQ(receive(fd, 2), std::string_view("\1a", 2));
  EXPECT_EQ(group_->size(), 2000U);
  all.clear();
  turn_until([&] { return group_->size() == 0; });
}

TEST_F(connection_test, the_same_address_twice_is_refused_with_a_hint) {
  make();
  const auto again = listener::tcp(reactor_, *census_, {"echo", listener_->address()}, [](new_connection&&) {});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, errc::busy);
  EXPECT_NE(again.error().text.find("choose another port"), std::string::npos);
}

TEST(send_queue, keeps_its_place_across_pieces_and_copies) {
  auto owner = std::make_shared<std::vector<std::byte>>(10'000, std::byte{'s'});
  protocol::output out;
  out.append(as_bytes("ab"));
  out.share({bytes(*owner), owner});
  out.append(as_bytes("cd"));
  send_queue q;
  q.take(out);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(q.size(), 10'004U);
  EXPECT_EQ(q.shared_bytes(), 10'000U);
  iovec v[8];
  ASSERT_EQ(q.pieces(v, 8), 3U);
  q.sent(5'002);
  ASSERT_EQ(q.pieces(v, 8), 2U);
  EXPECT_EQ(v[0].iov_len, 5'000U);
  q.copy_shared();
  EXPECT_EQ(owner.use_count(), 1);
  EXPECT_EQ(q.size(), 5'002U);
  ASSERT_EQ(q.pieces(v, 8), 1U);
  EXPECT_EQ(static_cast<char*>(v[0].iov_base)[5'000], 'c');
  q.sent(5'002);
  EXPECT_TRUE(q.empty());
}

}  // namespace
}  // namespace weir::server
