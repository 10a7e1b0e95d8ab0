// Any bytes as record batches: walked, checked as a producer's, opened; and any bytes as compressed data. The
// checksum is made right first, so that the fuzzer reaches what is behind it.
#include "base/assert.h"
#include "protocol/kafka/record_batch.h"
#include "protocol/kafka/records.h"

using namespace weir;
using namespace weir::kafka;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const decompression_limits limits{.output_max = 1 << 20, .ratio_max = 64, .free_output = 1 << 16};
  const bytes in = std::as_bytes(std::span(data, size));
  if (size > 0 && data[0] >= 0xf0) {
    const auto opened = decompress(static_cast<compression>(data[0] & 7), in.subspan(1), limits);
    WEIR_ASSERT(!opened || opened->size() <= limits.allowed(size - 1));
    return 0;
  }
  batch_cursor cursor(in);
  while (true) {
    const auto next = cursor.next();
    if (!next || !*next) break;
    byte_vector copy((*next)->whole().begin(), (*next)->whole().end());
    seal_batch(copy);
    const batch_view batch = *batch_view::parse(copy);
    std::int64_t seen = 0;
    std::vector<record_header> headers;
    const auto walked = for_each_record(
        batch,
        [&](const record& r) {
          ++seen;
          headers.clear();
          read_headers(r, headers);
          WEIR_ASSERT(headers.size() == static_cast<std::size_t>(r.header_count));
          return true;
        },
        limits);
    const batch_rules rules{.open_records = true, .limits = limits};
    if (const auto checked = check_produced(copy, rules)) {
      WEIR_ASSERT(walked.has_value());
      WEIR_ASSERT(seen == batch.record_count() && seen == batch.last_offset_delta() + 1);
    }
  }
  return 0;
}
