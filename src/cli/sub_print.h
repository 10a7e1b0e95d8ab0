// How single records are printed: their values alone, with everything around them, or as a line of JSON each.
#pragma once

#include <boost/json/object.hpp>
#include <iosfwd>
#include <string>
#include <string_view>

#include "cli/print.h"
#include "protocol/kafka/records.h"

namespace weir::cli {

// Text stays text; what is not UTF-8 goes under `name`_base64 instead.
void put_text_or_base64(boost::json::object& to, const std::string& name, const std::optional<bytes>& value);
[[nodiscard]] boost::json::object record_to_json(const std::string& topic, std::int32_t partition,
                                                 const kafka::record& r);
// `verbose` matters for the table form only: place, time, key and headers before the value, a line each, control
// characters made visible.
void print_record(std::ostream& to, output_format form, bool verbose, const std::string& topic, std::int32_t partition,
                  const kafka::record& r);

[[nodiscard]] bool is_utf8(std::string_view text);
[[nodiscard]] std::string to_base64(bytes data);

}  // namespace weir::cli
