// One way to print results: a table for people, JSON or YAML for programs.
#pragma once

#include <boost/json/value.hpp>
#include <iosfwd>
#include <string>
#include <vector>

namespace weir::cli {

enum class output_format { table, json, yaml };

// `data` is an object or an array of objects. As a table an array has a line per object with the named columns (all
// that occur when none is named), an object a line per field, nested fields as `outer.inner`. JSON is one line.
void print(std::ostream& to, output_format format, const boost::json::value& data,
           const std::vector<std::string>& columns = {});

// "weir: <what>" on stderr. Returns the exit code, so that an action may end with it.
int complain(const std::string& what, int code = 1);

}  // namespace weir::cli
