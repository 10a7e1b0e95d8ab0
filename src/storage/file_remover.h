// Removes files that nobody needs any more. A removal that fails is remembered and tried again when asked to; whoever makes
// files of that kind can wait until none is left over, so that a disk that refuses removals does not fill up with them.
//
// Owner thread: the store's reactor.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "platform/disk.h"

namespace weir::storage {

class file_remover {
 public:
  explicit file_remover(platform::disk& disk);

  void remove(std::string name);
  // It could not be removed by somebody else: the next retry does.
  void add_failed(std::string name) { failed_.push_back(std::move(name)); }
  void retry();

  [[nodiscard]] bool idle() const { return under_way_ == 0; }
  [[nodiscard]] std::size_t failed() const { return failed_.size(); }
  // Nothing under way and nothing left over.
  [[nodiscard]] bool clear() const { return idle() && failed_.empty(); }
  // Whether a file went since the last call, or maybe before the start: its folder is to be synced if no name shall come back.
  [[nodiscard]] bool take_removed() { return std::exchange(removed_, false); }

  std::function<void()> on_idle;  // the last one under way has come back

 private:
  platform::disk& disk_;
  std::size_t under_way_ = 0;
  std::vector<std::string> failed_;
  bool removed_ = true;  // a process before may have been killed before its removals were durable
  std::shared_ptr<file_remover*> alive_;
};

}  // namespace weir::storage
