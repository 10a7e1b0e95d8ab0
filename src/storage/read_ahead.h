// Reads the next part of a log from disk while the answer with the last one is on its way to a reader that goes through
// the log in order. One part of each log, within half of the memory for reads. What nobody came for is
// dropped by age(). Owner thread: the store's reactor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include "storage/core.h"
#include "storage/io_buffer.h"

namespace weir::storage {

class read_ahead {
 public:
  explicit read_ahead(core& c);

  // Where a log is read: the entries of one extent from `position` on.
  struct place {
    model::log_id log{};
    std::uint64_t file_id = 0;
    std::uint64_t position = 0;
    std::uint64_t end = 0;
  };
  void start(const place& next, const std::shared_ptr<platform::file>& handle);

  // The bytes from a position of a file on, without their checksums looked at; null when the disk did not give them.
  using taker = std::function<void(const std::shared_ptr<io_buffer>& buffer, std::size_t begin, std::size_t end)>;
  // Hands over, now or when it is there, what was read ahead if that is `at` and at least `least_bytes` of it; else false.
  [[nodiscard]] bool take(const place& at, std::size_t least_bytes, taker done);

  // Called every now and then: what was there at the last call already goes.
  void age();

 private:
  struct part;
  core& core_;
  std::unordered_map<std::uint64_t, std::shared_ptr<part>> parts_;  // by log
  std::shared_ptr<read_ahead*> alive_;
};

}  // namespace weir::storage
