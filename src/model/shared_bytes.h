// Immutable bytes with an owner that keeps them alive: how entries travel from storage to a socket without a
// copy. Thread: the owner may be released on any thread (shared_ptr), the bytes never change.
#pragma once

#include <memory>

#include "base/bytes.h"

namespace weir::model {

struct shared_bytes {
  bytes data;
  std::shared_ptr<const void> owner;
};

}  // namespace weir::model
