// Page-aligned memory for durable writes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

namespace weir::storage {

// Zeroed, aligned to 4 KiB.
[[nodiscard]] inline std::shared_ptr<std::byte> page_memory(std::size_t n) {
  constexpr std::align_val_t page{4096};
  auto* p = static_cast<std::byte*>(::operator new(n, page));
  std::fill_n(p, n, std::byte{0});
  return {p, [](std::byte* q) { ::operator delete(q, page); }};
}

}  // namespace weir::storage
