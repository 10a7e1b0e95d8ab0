#include "cli/bench_link.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace weir::cli {
namespace {

constexpr std::size_t pieces_per_write = 128;
constexpr std::size_t frame_bytes_max = std::size_t{1} << 30;

}  // namespace

void bench_link::send(protocol::output&& request) {
  queue_.push_back(std::move(request));
  if (queue_.size() == 1) flush();
}

void bench_link::flush() {
  while (!queue_.empty()) {
    std::array<iovec, pieces_per_write> views{};
    std::size_t n = 0;
    std::size_t skip = sent_of_first_;
    for (auto request = queue_.begin(); request != queue_.end() && n < views.size(); ++request) {
      pieces_.clear();
      request->gather(pieces_);
      for (const bytes piece : pieces_) {
        if (n == views.size()) break;
        const std::size_t from = std::min(skip, piece.size());
        skip -= from;
        if (from == piece.size()) continue;
        views[n++] = {const_cast<std::byte*>(piece.data() + from), piece.size() - from};
      }
    }
    msghdr message{};
    message.msg_iov = views.data();
    message.msg_iovlen = n;
    const ssize_t sent = ::sendmsg(socket_.fd(), &message, MSG_NOSIGNAL);
    if (sent <= 0) return;  // full, or broken: then reading finds out
    sent_of_first_ += static_cast<std::size_t>(sent);
    while (!queue_.empty() && sent_of_first_ >= queue_.front().size()) {
      sent_of_first_ -= queue_.front().size();
      queue_.pop_front();
    }
  }
}

void bench_link::make_room() {
  if (start_ == end_) start_ = end_ = 0;
  std::size_t wanted = std::size_t{1} << 16;
  if (end_ - start_ >= 4) wanted = std::max(wanted, std::size_t{load_be<std::uint32_t>(in_.data() + start_)} + 4);
  if (start_ + wanted <= in_.size()) return;
  std::memmove(in_.data(), in_.data() + start_, end_ - start_);
  end_ -= start_;
  start_ = 0;
  if (wanted > in_.size()) in_.resize(wanted);
}

result<void> bench_link::take_frames() {
  while (end_ - start_ >= 4) {
    const std::size_t size = load_be<std::uint32_t>(in_.data() + start_);
    if (size > frame_bytes_max) return fault(errc::invalid, "the broker sent an impossible length");
    if (end_ - start_ < 4 + size) return {};
    on_frame_(bytes(in_).subspan(start_ + 4, size));
    start_ += 4 + size;
  }
  return {};
}

result<void> bench_link::on_readable() {
  make_room();
  const ssize_t n = ::recv(socket_.fd(), in_.data() + end_, in_.size() - end_, 0);
  if (n == 0) return fault(errc::closed, "the broker closed the connection");
  if (n < 0) {
    if (errno == EAGAIN || errno == EINTR) return {};
    return fault(errc::closed, std::string("the connection broke: ") + std::strerror(errno));
  }
  end_ += static_cast<std::size_t>(n);
  bytes_in_ += static_cast<std::uint64_t>(n);
  return take_frames();
}

}  // namespace weir::cli
