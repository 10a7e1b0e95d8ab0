// Commands that outlive submit(): a deep copy with the memory that its views point to.
//
// Made when a command goes to another reactor, or waits for room in the store. Thread: may be moved between threads; used
// by one at a time.
#pragma once

#include <memory>
#include <vector>

#include "base/bytes.h"
#include "model/commands.h"

namespace weir::broker {

// Memory in pieces that never move.
class arena {
 public:
  [[nodiscard]] std::string_view text(std::string_view s);
  [[nodiscard]] bytes data(bytes b);
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::vector<std::unique_ptr<std::byte[]>> pieces_;
  std::byte* next_ = nullptr;
  std::size_t left_ = 0;
  std::size_t size_ = 0;
};

struct owned_command {
  model::caller who;
  model::command what;
  arena memory;
  std::size_t list_bytes = 0;  // of the lists in `what`, roughly

  [[nodiscard]] std::size_t size() const { return sizeof *this + memory.size() + list_bytes; }
};

// The copy's views all point into its own memory.
[[nodiscard]] std::unique_ptr<owned_command> own(const model::caller& who, const model::command& c);

}  // namespace weir::broker
