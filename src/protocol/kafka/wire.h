// The value types that the generated messages are made of. All of them borrow: what a decoded message points to lives
// in the frame, what an encoded one points to lives with the caller. Thread: values, none.
#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "model/ids.h"
#include "model/shared_bytes.h"
#include "protocol/kafka/errors.h"

namespace weir::kafka {

class decoder;  // codec.h
class encoder;

using model::uuid;  // a topic id and the like; all zero means "none"

// Record batches inside a message. Decoding fills `data` with a view of the frame. Encoding sends `pieces` by
// reference when there are any, else a copy of `data`.
struct records {
  bytes data;
  std::vector<model::shared_bytes> pieces;
  bool null = false;

  [[nodiscard]] std::size_t size() const {
    if (pieces.empty()) return data.size();
    std::size_t n = 0;
    for (const model::shared_bytes& p : pieces) n += p.data.size();
    return n;
  }
};

// How a visitor of direction C sees a structure: a reader changes it, a writer does not.
template<class C, class T>
using on = std::conditional_t<C::writes, const T, T>;

// Structures that the generator wrote.
template<class T>
concept structure = requires(std::int16_t v) {
  T::min_size(v);
};

}  // namespace weir::kafka
