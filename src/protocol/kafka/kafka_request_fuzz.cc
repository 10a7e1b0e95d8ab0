// Any bytes as a request frame: the header, then the body in the version that the header names. What is taken
// must be written and taken again as the same message.
#include "protocol/kafka/message_testing.h"

using namespace weir;
using namespace weir::kafka;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const result<request_header> h = decode_request_header(std::as_bytes(std::span(data, size)));
  if (!h || !h->supported) return 0;
  for_each_request([&]<class M>() {
    if (static_cast<std::int16_t>(M::api) == h->key) kafka::testing::check_any_body<M>(h->body, h->version);
  });
  return 0;
}
