#include "storage/file_remover.h"

namespace weir::storage {

file_remover::file_remover(platform::disk& disk) : disk_(disk), alive_(std::make_shared<file_remover*>(this)) {}

void file_remover::remove(std::string name) {
  ++under_way_;
  disk_.unlink(name, [this, alive = std::weak_ptr(alive_), name](const result<void>& outcome) {
    if (alive.expired()) return;
    --under_way_;
    if (!outcome && outcome.error().code != errc::not_found) {
      failed_.push_back(name);
    } else {
      removed_ = true;
    }
    if (under_way_ == 0 && on_idle) on_idle();
  });
}

void file_remover::retry() {
  for (std::string& name : std::exchange(failed_, {})) remove(std::move(name));
}

}  // namespace weir::storage
