// Any bytes as an entry to be filtered: the first byte says which records stay. What the filter gives must be
// a sound entry with exactly the records that were kept.
#include <string>

#include "base/assert.h"
#include "protocol/kafka/entry_format.h"
#include "protocol/kafka/record_batch.h"

using namespace weir;
using namespace weir::kafka;

namespace {

std::string print(const model::record_view& r) {
  std::string out = std::to_string(r.at.raw()) + "@" + std::to_string(r.timestamp_ms);
  out += r.key ? "k" + std::string(as_text(*r.key)) : "-";
  out += r.value ? "v" + std::string(as_text(*r.value)) : "-";
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const batch_entry_format format({.output_max = 1 << 20, .ratio_max = 64, .free_output = 1 << 16});
  const bytes payload = std::as_bytes(std::span(data + 1, size - 1));
  std::string kept;
  int number = 0;
  const auto filtered = format.filter(payload, [&](const model::record_view& r) {
    const bool keep = ((data[0] >> (number++ % 8)) & 1) != 0;
    if (keep) kept += print(r);
    return keep;
  });
  (void)format.find_time(payload, data[0]);
  (void)format.producer(payload);
  (void)format.inspect(payload, {.open_records = true, .bytes_max = 1 << 20});
  if (!filtered) return 0;
  const auto batch = batch_view::parse(filtered->payload);
  WEIR_ASSERT(batch.has_value());
  WEIR_ASSERT(batch->last_offset() == batch_view::parse(payload)->last_offset());
  std::string left;
  const batch_entry_format wide({.output_max = 1 << 24, .ratio_max = 1024, .free_output = 1 << 24});
  const auto walked = wide.for_each(filtered->payload, [&](const model::record_view& r) {
    left += print(r);
    return true;
  });
  WEIR_ASSERT(walked.has_value());
  WEIR_ASSERT(left == kept);
  return 0;
}
