// What the tables of configuration have in common: those of topics, of the broker, and of the names that are kept.
// Thread: pure functions.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/result.h"
#include "broker/settings.h"
#include "model/commands.h"

namespace weir::broker::config_table {

// A value that is not taken, and what would be.
[[nodiscard]] inline fault wrong(std::string_view text, std::string_view want) {
  return {errc::invalid, "'" + std::string(text) + "' is not valid: expected " + std::string(want)};
}

// The whole text as a number within the bounds.
template<class Number>
[[nodiscard]] result<Number> number(std::string_view text, Number low, Number high, std::string_view want) {
  Number v{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (ec == std::errc{} && end == text.data() + text.size() && v >= low && v <= high) return v;
  return wrong(text, want);
}
[[nodiscard]] inline result<double> part_of_one(std::string_view text) {
  return number(text, 0.0, 1.0, "a number from 0 to 1");
}

// The line of a table with this name. Null: none.
template<class Table>
[[nodiscard]] constexpr auto find(const Table& table, std::string_view name) {
  const auto at = std::find_if(table.begin(), table.end(), [&](const auto& line) { return line.name == name; });
  return at == table.end() ? nullptr : &*at;
}

// Whether DescribeConfigs asks for this name; without a list it asks for all.
[[nodiscard]] inline bool wanted(const std::optional<std::vector<std::string_view>>& keys, std::string_view name) {
  return !keys || std::find(keys->begin(), keys->end(), name) != keys->end();
}

// The entry of a line of a table, without a value.
template<class Line>
[[nodiscard]] model::config_entry entry_of(const Line& line, bool documentation) {
  model::config_entry e;
  e.name = line.name;
  e.kind = line.kind;
  if (documentation) e.documentation = line.documentation;
  return e;
}

// What holds where nothing is configured.
[[nodiscard]] inline const settings& built_in() {
  static const settings s;
  return s;
}

}  // namespace weir::broker::config_table
