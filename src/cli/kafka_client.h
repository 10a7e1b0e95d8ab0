// A small blocking Kafka client for the command line: one connection, one request at a time, versions negotiated.
//
// Thread: the command's. Every call ends within the timeout. Faults' texts are for people and say what to try next:
// closed (nobody there, connection lost), io, invalid (not Kafka), unsupported (no common version), busy (timed out).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "protocol/common/output.h"
#include "protocol/kafka/codec.h"
#include "protocol/kafka/gen/messages.h"

namespace weir::cli {

struct broker_address {
  std::string host = "127.0.0.1";
  std::uint16_t port = 9092;
  [[nodiscard]] std::string text() const { return host + ":" + std::to_string(port); }
};
// "HOST", "HOST:PORT", "[V6]:PORT".
[[nodiscard]] result<broker_address> parse_address(std::string_view text);
// A list with commas; the first that answers is used.
[[nodiscard]] result<std::vector<broker_address>> parse_addresses(std::string_view text);

// A connected TCP socket without delay, closed when it goes away.
class tcp_socket {
 public:
  tcp_socket() = default;
  explicit tcp_socket(int fd) : fd_(fd) {}
  tcp_socket(tcp_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  tcp_socket& operator=(tcp_socket&& other) noexcept;
  ~tcp_socket();
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] static result<tcp_socket> connect(const broker_address& to, std::int64_t timeout_ms);

 private:
  int fd_ = -1;
};

// What the broker speaks.
class api_ranges {
 public:
  void set(std::int16_t key, std::int16_t min, std::int16_t max);
  // The highest version of [min, max] that the broker has too; -1: none.
  [[nodiscard]] std::int16_t pick(kafka::api_key key, std::int16_t min, std::int16_t max) const;

 private:
  struct range {
    std::int16_t min = 0;
    std::int16_t max = -1;
  };
  std::array<range, 128> ranges_{};
};

// A decoded answer with the bytes that it borrows from.
template<kafka::api_message M>
struct answer {
  byte_vector frame;
  std::int16_t version = 0;
  M message{};
};

class kafka_client {
 public:
  // Connects to the first address that answers, and asks for its versions.
  [[nodiscard]] static result<std::unique_ptr<kafka_client>> connect(const std::vector<broker_address>& to,
                                                                     std::int64_t timeout_ms = 10'000);
  kafka_client(const kafka_client&) = delete;
  kafka_client& operator=(const kafka_client&) = delete;

  // Sends and waits. `newest` caps the version.
  template<kafka::api_message Answer, kafka::api_message Request>
  [[nodiscard]] result<answer<Answer>> call(const Request& r, std::int16_t newest = Request::max_version,
                                            std::int64_t extra_wait_ms = 0) {
    static_assert(Answer::api == Request::api && Request::is_request && !Answer::is_request);
    const std::int16_t version = ranges_.pick(Request::api, Request::min_version, newest);
    if (version < 0) return no_version(Request::api);
    protocol::output out;
    kafka::encode_request(r, version, ++correlation_, client_id, out);
    auto frame = exchange(out, Request::api, version, extra_wait_ms);
    if (!frame) return frame.error();
    answer<Answer> a{std::move(*frame), version, {}};
    const auto header = kafka::decode_response_header(a.frame, Request::api, version);
    if (!header) return header.error();
    auto message = kafka::decode<Answer>(header->body, version);
    if (!message) return message.error();
    a.message = std::move(*message);
    return a;
  }

  [[nodiscard]] const api_ranges& ranges() const { return ranges_; }
  [[nodiscard]] const broker_address& address() const { return address_; }

  static constexpr std::string_view client_id = "weir-cli";

 private:
  kafka_client(tcp_socket socket, broker_address address, std::int64_t timeout_ms)
      : socket_(std::move(socket)), address_(std::move(address)), timeout_ms_(timeout_ms) {}
  [[nodiscard]] result<void> ask_versions();
  [[nodiscard]] static fault no_version(kafka::api_key key);
  // One frame out, one frame (without its length) in; checks the correlation id.
  [[nodiscard]] result<byte_vector> exchange(const protocol::output& out, kafka::api_key key, std::int16_t version,
                                             std::int64_t extra_wait_ms);
  [[nodiscard]] result<void> send_all(bytes data, std::int64_t deadline_ms);
  [[nodiscard]] result<void> receive_all(mutable_bytes into, std::int64_t deadline_ms);
  [[nodiscard]] result<void> wait_for(short events, std::int64_t deadline_ms);
  [[nodiscard]] fault lost(std::string_view doing) const;

  tcp_socket socket_;
  broker_address address_;
  std::int64_t timeout_ms_;
  std::int32_t correlation_ = 0;
  api_ranges ranges_;
};

// "TOPIC_ALREADY_EXISTS: text", with what to do where we know it.
[[nodiscard]] std::string explain(kafka::error_code code, std::string_view text = {});

[[nodiscard]] std::int64_t steady_ms();
[[nodiscard]] std::int64_t steady_ns();
[[nodiscard]] std::int64_t wall_clock_ms();

}  // namespace weir::cli
