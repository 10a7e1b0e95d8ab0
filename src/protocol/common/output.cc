#include "protocol/common/output.h"

namespace weir::protocol {

void output::share(const model::shared_bytes& piece) {
  if (piece.data.size() < share_bytes_min) return append(piece.data);
  shared_.push_back({inline_.size(), piece});
  shared_size_ += piece.data.size();
}

void output::gather(std::vector<bytes>& views) const {
  std::size_t done = 0;
  const bytes all(inline_);
  for (const shared_piece& s : shared_) {
    if (s.at > done) views.push_back(all.subspan(done, s.at - done));
    views.push_back(s.piece.data);
    done = s.at;
  }
  if (done < all.size()) views.push_back(all.subspan(done));
}

void output::append_all(output& other) {
  for (const shared_piece& s : other.shared_) shared_.push_back({inline_.size() + s.at, s.piece});
  shared_size_ += other.shared_size_;
  append(other.inline_);
  other.clear();
}

void output::clear() {
  inline_.clear();
  shared_.clear();
  shared_size_ = 0;
}

}  // namespace weir::protocol
