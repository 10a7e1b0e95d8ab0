// Any bytes as a response or as consumer data: two bytes choose the message and the version, the rest is the
// body.
#include "protocol/kafka/message_testing.h"

using namespace weir;
using namespace weir::kafka;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const bytes body = std::as_bytes(std::span(data + 2, size - 2));
  int number = 0;
  for_each_message([&]<class M>() {
    if (number++ != data[0]) return;
    kafka::testing::check_any_body<M>(body, data[1]);
    if constexpr (requires { M::api; }) (void)decode_response_header(body, M::api, data[1]);
  });
  return 0;
}
