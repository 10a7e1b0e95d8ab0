// Whatever bytes come: the session never runs past them, never answers more often than asked, and a refusal
// is final.
#include "base/assert.h"
#include "protocol/kafka/testing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir;
  kafka::testing::fake_host host;
  kafka::testing::fake_broker broker;
  broker.at_once = size % 2 == 0;
  const kafka::session_options options;
  kafka::session s(host, broker, options);
  const bytes input = std::as_bytes(std::span(data, size));
  std::size_t at = 0;
  for (int turn = 0; turn < 64 && !s.wants_close(); ++turn) {
    const std::size_t used = s.on_bytes(input.subspan(at), mono_ns(turn));
    WEIR_ASSERT(used <= input.size() - at);
    WEIR_ASSERT(s.needed() <= options.request_bytes_max + 4ULL);
    at += used;
    if (broker.waiting.empty()) break;
    broker.deliver(broker.waiting.size() / 2);
  }
  s.on_closed();
  return 0;
}
