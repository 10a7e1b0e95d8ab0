// Any text as a configuration file, and as the value of every key: understood or refused with a text; what is understood is
// printed as a text that means the same.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "server/config_keys.h"
#include "server/config_load.h"

namespace {

using namespace weir::server;

void check_meaning(const server_config& config) {
  for (const config_key& key : config_keys()) {
    const std::string shown = key.get(config);
    server_config again;
    if (!key.set(again, shown)) continue;  // an empty list or text: the absence of a value is no value
    WEIR_ASSERT(key.get(again) == shown);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto& keys = config_keys();
  if (data[0] < keys.size()) {
    server_config config;
    const auto done = keys[data[0]].set(config, text);
    WEIR_ASSERT(done.has_value() || !done.error().text.empty());
    if (done) check_meaning(config);
    return 0;
  }
  const auto config = load_config({.file = "fuzzed.toml", .text = text});
  WEIR_ASSERT(config.has_value() || !config.error().text.empty());
  if (config) check_meaning(*config);
  return 0;
}
