// What the command line reads from people and from strangers: addresses, times, the server's answers, and records that it
// prints. Nothing crashes, and what is printed as JSON is JSON.
#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>

#include "base/assert.h"
#include "cli/kafka_client.h"
#include "cli/net/admin_client.h"
#include "cli/print.h"
#include "cli/sub_print.h"
#include "cli/topic_offsets.h"

namespace {

using namespace weir;
using namespace weir::cli;
namespace json = boost::json;

void check_addresses(std::string_view text) {
  const auto list = parse_addresses(text);
  if (!list) return;
  WEIR_ASSERT(!list->empty());
  for (const broker_address& a : *list) WEIR_ASSERT(!a.host.empty());
}

void check_time(std::string_view text) {
  const auto ms = parse_time(text, 1'700'000'000'000);
  if (ms) (void)format_time(*ms);
}

void check_answer(const std::string& text) {
  const auto answer = read_admin_answer(text);
  if (!answer) return;
  for (const output_format format : {output_format::table, output_format::json, output_format::yaml}) {
    std::ostringstream out;
    print(out, format, *answer);
    json::error_code error;
    if (format == output_format::json) (void)json::parse(out.str(), error);
    WEIR_ASSERT(!error);
  }
}

void check_record(bytes in) {
  kafka::record r;
  byte_reader reader(in);
  r.offset = reader.le<std::int64_t>();
  r.timestamp = reader.le<std::int64_t>();
  const bytes key = reader.view(reader.u8());
  if (!reader.ok()) return;
  r.key = key;
  r.value = in.subspan(reader.position());
  r.headers = *r.value;
  r.header_count = 3;
  for (const output_format format : {output_format::table, output_format::json, output_format::yaml}) {
    std::ostringstream out;
    print_record(out, format, true, "topic", 0, r);
    json::error_code error;
    if (format == output_format::json) (void)json::parse(out.str(), error);
    WEIR_ASSERT(!error);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      check_addresses(text);
      break;
    case 1:
      check_time(text);
      break;
    case 2:
      check_answer(text);
      break;
    default:
      check_record(as_bytes(text));
  }
  return 0;
}
