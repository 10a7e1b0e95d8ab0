#include "cli/sub_print.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <ostream>

#include "cli/topic_offsets.h"

namespace weir::cli {
namespace {

namespace json = boost::json;

// The length of the well-formed UTF-8 sequence at the front; 0: there is none.
std::size_t sequence_length(std::string_view t) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(t[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || t.size() < n) return 0;
  for (std::size_t i = 1; i < n; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  // Overlong forms, surrogates, and what lies beyond U+10FFFF.
  if (first == 0xe0 && byte(1) < 0xa0) return 0;
  if (first == 0xed && byte(1) > 0x9f) return 0;
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return n;
}

std::string shown(const std::optional<bytes>& value) {
  if (!value) return "(null)";
  const std::string_view text = as_text(*value);
  return is_utf8(text) ? visible(text) : "base64:" + to_base64(*value);
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t n = sequence_length(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

std::string to_base64(bytes data) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < data.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, data.size() - i);
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < 3; ++j) word = (word << 8) | (j < n ? static_cast<std::uint32_t>(data[i + j]) : 0);
    for (std::size_t j = 0; j < 4; ++j) out.push_back(j <= n ? letters[(word >> (18 - 6 * j)) & 63] : '=');
  }
  return out;
}

void put_text_or_base64(json::object& to, const std::string& name, const std::optional<bytes>& value) {
  if (!value) {
    to[name] = nullptr;
  } else if (is_utf8(as_text(*value))) {
    to[name] = as_text(*value);
  } else {
    to[name + "_base64"] = to_base64(*value);
  }
}

json::object record_to_json(const std::string& topic, std::int32_t partition, const kafka::record& r) {
  json::object o{{"topic", topic}, {"partition", partition}, {"offset", r.offset}, {"timestamp_ms", r.timestamp}};
  put_text_or_base64(o, "key", r.key);
  put_text_or_base64(o, "value", r.value);
  std::vector<kafka::record_header> headers;
  kafka::read_headers(r, headers);
  json::array list;
  for (const auto& h : headers) {
    json::object one;
    put_text_or_base64(one, "name", as_bytes(h.key));
    put_text_or_base64(one, "value", h.value);
    list.push_back(std::move(one));
  }
  o["headers"] = std::move(list);
  return o;
}

void print_record(std::ostream& to, output_format form, bool verbose, const std::string& topic, std::int32_t partition,
                  const kafka::record& r) {
  if (form == output_format::json) {
    to << json::serialize(record_to_json(topic, partition, r)) << "\n";
    return;
  }
  if (form == output_format::yaml) {
    to << "---\n";
    return print(to, form, record_to_json(topic, partition, r));
  }
  if (!verbose) {
    if (r.value) to << as_text(*r.value);  // as it is, for pipes
    to << "\n";
    return;
  }
  to << fmt::format("{}/{}@{}  {}", topic, partition, r.offset, format_time(r.timestamp));
  if (r.key) to << "  key=" << shown(r.key);
  std::vector<kafka::record_header> headers;
  kafka::read_headers(r, headers);
  for (const auto& h : headers) to << "  " << shown(as_bytes(h.key)) << "=" << shown(h.value);
  to << "  " << shown(r.value) << "\n";
}

}  // namespace weir::cli
