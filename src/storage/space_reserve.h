// Room that is kept free on the disk for one purpose: to start, to checkpoint and to delete when somebody filled the disk to
// its last byte. A file of nothing; giving it up makes the room, and it is made again, as large as it gets, when there is room.
//
// Owner thread: the store's reactor.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "platform/disk.h"
#include "storage/options.h"

namespace weir::storage {

class space_reserve {
 public:
  space_reserve(platform::disk& disk, const store_options& options);

  // Start-up, before anything is written. Blocking.
  void look();
  // Runs `step`, and once more without the reserve when the disk is full. Start-up; blocking.
  template<class Step>
  [[nodiscard]] result<void> with_room(Step step) {
    auto outcome = step();
    if (outcome || outcome.error().code != errc::no_space || !give_up_now()) return outcome;
    return step();
  }

  // The disk is full: what failed may be tried again when this is done. False when there is nothing to give up.
  bool give_up();
  // Makes it, or what is missing of it.
  void keep();
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  [[nodiscard]] bool give_up_now();
  void grow(std::uint64_t to);

  platform::disk& disk_;
  const store_options& options_;
  std::uint64_t bytes_ = 0;
  bool busy_ = false;
  std::shared_ptr<space_reserve*> alive_;
};

}  // namespace weir::storage
