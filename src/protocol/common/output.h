// What a session wants sent: a list of pieces in order, small ones copied inline, large ones shared.
// Owner thread: the connection's reactor. Pieces stay valid until clear() or drop().
#pragma once

#include <cstddef>
#include <vector>

#include "base/bytes.h"
#include "model/shared_bytes.h"

namespace weir::protocol {

class output {
 public:
  // Shared pieces below this size are copied: a copy is cheaper than an iovec and a reference count.
  static constexpr std::size_t share_bytes_min = 4096;

  // Appends a copy.
  void append(bytes data) { inline_.insert(inline_.end(), data.begin(), data.end()); }
  // Where an encoder appends small bytes itself. Do not hold it across share().
  [[nodiscard]] byte_vector& tail() { return inline_; }
  // Appends by reference when large enough, else by copy.
  void share(const model::shared_bytes& piece);

  // Bytes in total, inline and shared.
  [[nodiscard]] std::size_t size() const { return inline_.size() + shared_size_; }
  [[nodiscard]] bool empty() const { return size() == 0; }

  // Overwrites 4 bytes of the inline part that were appended when tail().size() was `at` (frame lengths).
  void patch_be32(std::size_t at, std::uint32_t value) { store_be(inline_.data() + at, value); }

  // Appends what another output holds, and empties it.
  void append_all(output& other);

  // All pieces in order as views. Valid until the next append, share or clear.
  void gather(std::vector<bytes>& views) const;
  void clear();

 private:
  struct shared_piece {
    std::size_t at;  // it goes before inline byte `at`
    model::shared_bytes piece;
  };
  byte_vector inline_;
  std::vector<shared_piece> shared_;
  std::size_t shared_size_ = 0;
};

}  // namespace weir::protocol
