// Any text as the facts of a data folder, as it is and with its checksum made right: refused, or the same when it is printed.
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "base/crc32c.h"
#include "server/data_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir;
  using namespace weir::server;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::string body = text.substr(0, text.rfind("crc32c "));
  for (const std::string& one : {text, body + fmt::format("crc32c {:08x}\n", crc32c(as_bytes(body)))}) {
    const auto facts = parse_facts(one);
    if (!facts) continue;
    const auto again = parse_facts(print_facts(*facts));
    WEIR_ASSERT(again.has_value() && *again == *facts);
  }
  return 0;
}
