// One connection of the load generator: pipelined, not blocking, answers in order. Thread: the generator's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "cli/kafka_client.h"
#include "protocol/common/output.h"

namespace weir::cli {

class bench_link {
 public:
  // Called with each whole frame (without its length), in the order of the requests.
  using frame_sink = std::function<void(bytes frame)>;

  bench_link(tcp_socket socket, frame_sink on_frame) : socket_(std::move(socket)), on_frame_(std::move(on_frame)) {}

  // Queues a request and sends what the socket takes.
  void send(protocol::output&& request);
  // The socket became readable or writable. A fault ends the run.
  [[nodiscard]] result<void> on_readable();
  void on_writable() { flush(); }

  [[nodiscard]] bool wants_to_write() const { return !queue_.empty(); }
  [[nodiscard]] int fd() const { return socket_.fd(); }
  [[nodiscard]] std::int32_t next_correlation() { return ++correlation_; }
  [[nodiscard]] std::uint64_t bytes_in() const { return bytes_in_; }

 private:
  void flush();
  void make_room();
  [[nodiscard]] result<void> take_frames();

  tcp_socket socket_;
  frame_sink on_frame_;
  std::int32_t correlation_ = 0;
  std::deque<protocol::output> queue_;
  std::size_t sent_of_first_ = 0;
  std::vector<bytes> pieces_;
  byte_vector in_ = byte_vector(std::size_t{1} << 18);
  std::size_t start_ = 0;  // in_[start_, end_) is received and not taken
  std::size_t end_ = 0;
  std::uint64_t bytes_in_ = 0;
};

}  // namespace weir::cli
