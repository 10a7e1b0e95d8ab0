// One way to print results: a table for people, JSON or YAML for programs.
#pragma once

#include <boost/json/value.hpp>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace weir::cli {

enum class output_format { table, json, yaml };

// `data` is an object or an array of objects. As a table an array has a line per object with the named columns (all
// that occur when none is named), an object a line per field, nested fields as `outer.inner`. JSON is one line; a number
// that is none (0/0, 1/0) is null.
void print(std::ostream& to, output_format format, const boost::json::value& data,
           const std::vector<std::string>& columns = {});

// Terminals act on control characters: names and keys of strangers must not reach them raw. They become \x1b and the like.
[[nodiscard]] std::string visible(std::string_view text);

// "weir: <what>" on stderr. Returns the exit code, so that an action may end with it.
int complain(const std::string& what, int code = 1);

}  // namespace weir::cli
