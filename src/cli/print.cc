#include "cli/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <ostream>

namespace weir::cli {

namespace json = boost::json;

namespace {

// JSON has no such number; the library would print a word.
bool is_no_number(const json::value& v) { return v.is_double() && !std::isfinite(v.get_double()); }

bool all_numbers(const json::value& v) {
  if (v.is_object())
    return std::all_of(v.get_object().begin(), v.get_object().end(),
                       [](const auto& f) { return all_numbers(f.value()); });
  if (v.is_array()) return std::all_of(v.get_array().begin(), v.get_array().end(), all_numbers);
  return !is_no_number(v);
}

json::value with_null_for_no_number(json::value v) {
  if (is_no_number(v)) return nullptr;
  if (v.is_array())
    for (json::value& item : v.get_array()) item = with_null_for_no_number(std::move(item));
  if (v.is_object())
    for (auto& field : v.get_object()) field.value() = with_null_for_no_number(std::move(field.value()));
  return v;
}

std::string cell(const json::value& v) {
  if (v.is_string()) return {v.get_string().data(), v.get_string().size()};
  if (v.is_null() || is_no_number(v)) return "-";
  if (v.is_double()) return fmt::format("{:.6g}", v.get_double());
  if (v.is_array()) {
    std::string out;
    for (const json::value& item : v.get_array()) out += (out.empty() ? "" : ",") + cell(item);
    return out;
  }
  return json::serialize(v);
}

std::size_t columns_of(const std::string& text) {
  // Continuation bytes of UTF-8 take no column of their own.
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

void print_rows(std::ostream& to, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns_of(row[i]));
  }
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      to << row[i];
      if (i + 1 < row.size()) to << std::string(widths[i] - columns_of(row[i]) + 2, ' ');
    }
    to << '\n';
  }
}

void flatten(const std::string& prefix, const json::value& v, std::vector<std::vector<std::string>>& rows) {
  if (v.is_object()) {
    for (const auto& field : v.get_object())
      flatten(prefix + (prefix.empty() ? "" : ".") + std::string(field.key()), field.value(), rows);
    return;
  }
  const bool nested = v.is_array() && std::any_of(v.get_array().begin(), v.get_array().end(),
                                                  [](const json::value& i) { return i.is_object(); });
  if (!nested) return rows.push_back({visible(prefix), visible(cell(v))});
  for (std::size_t i = 0; i < v.get_array().size(); ++i)
    flatten(prefix + "." + std::to_string(i), v.get_array()[i], rows);
}

void print_table(std::ostream& to, const json::value& data, std::vector<std::string> columns) {
  std::vector<std::vector<std::string>> rows;
  if (!data.is_array()) {
    flatten("", data, rows);
    return print_rows(to, rows);
  }
  if (columns.empty()) {
    for (const json::value& row : data.get_array()) {
      for (const auto& field : row.as_object()) {
        const std::string name(field.key());
        if (std::find(columns.begin(), columns.end(), name) == columns.end()) columns.push_back(name);
      }
    }
  }
  rows.push_back({});
  for (const std::string& c : columns) {
    std::string title = c;
    std::transform(title.begin(), title.end(), title.begin(),
                   [](unsigned char x) { return x == '_' ? '-' : static_cast<char>(std::toupper(x)); });
    rows.back().push_back(title);
  }
  for (const json::value& row : data.get_array()) {
    rows.push_back({});
    for (const std::string& c : columns) {
      const json::value* v = row.as_object().if_contains(c);
      rows.back().push_back(v != nullptr ? visible(cell(*v)) : "-");
    }
  }
  print_rows(to, rows);
}

// Plain words that YAML takes for something else than text, in any case ("NO", "True").
bool yaml_reads_otherwise(std::string text) {
  static constexpr std::array<std::string_view, 9> words = {"true", "false", "null", "yes", "no",
                                                            "on",   "off",   "y",    "n"};
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char x) { return static_cast<char>(std::tolower(x)); });
  return std::find(words.begin(), words.end(), text) != words.end();
}

std::string yaml_scalar(const json::value& v) {
  if (!v.is_string()) return json::serialize(v);
  const std::string text = cell(v);
  const bool plain =
      !text.empty() &&
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/") == std::string::npos &&
      !yaml_reads_otherwise(text);
  return plain ? text : json::serialize(v);  // a JSON string is a YAML string
}

bool is_block(const json::value& v) {
  return (v.is_object() && !v.get_object().empty()) || (v.is_array() && !v.get_array().empty());
}

void print_yaml(std::ostream& to, const json::value& v, std::size_t indent, bool first_inline) {
  const std::string pad(indent, ' ');
  bool first = first_inline;
  const auto start = [&]() -> std::ostream& {
    if (!first) to << pad;
    first = false;
    return to;
  };
  if (v.is_object()) {
    for (const auto& field : v.get_object()) {
      start() << yaml_scalar(json::value(field.key())) << ':';
      if (is_block(field.value())) {
        to << '\n';
        print_yaml(to, field.value(), indent + 2, false);
      } else {
        to << ' ' << yaml_scalar(field.value()) << '\n';
      }
    }
    return;
  }
  for (const json::value& item : v.as_array()) {
    start() << "- ";
    if (is_block(item)) {
      print_yaml(to, item, indent + 2, true);
    } else {
      to << yaml_scalar(item) << '\n';
    }
  }
}

}  // namespace

void print(std::ostream& to, output_format format, const json::value& data, const std::vector<std::string>& columns) {
  if (format != output_format::table && !all_numbers(data)) return print(to, format, with_null_for_no_number(data));
  switch (format) {
    case output_format::table:
      return print_table(to, data, columns);
    case output_format::json:
      to << json::serialize(data) << '\n';
      return;
    case output_format::yaml:
      if (is_block(data)) return print_yaml(to, data, 0, false);
      to << yaml_scalar(data) << '\n';
  }
}

std::string visible(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto u = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
    if (u == 0xc2 && next >= 0x80 && next < 0xa0) {  // U+0080 to U+009F
      out += fmt::format("\\x{:02x}", next);
      ++i;
    } else if (u < 0x20 || u == 0x7f) {
      out += fmt::format("\\x{:02x}", u);
    } else {
      out += text[i];
    }
  }
  return out;
}

int complain(const std::string& what, int code) {
  // Parts of it may be a broker's words.
  std::fputs(("weir: " + visible(what) + "\n").c_str(), stderr);
  return code;
}

}  // namespace weir::cli
