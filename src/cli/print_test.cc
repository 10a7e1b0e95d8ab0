#include "cli/print.h"

#include <gtest/gtest.h>

#include <CLI/App.hpp>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/nearest.h"
#include "base/version.h"
#include "cli/main_cli.h"

namespace weir::cli {
namespace {

namespace json = boost::json;

std::string printed(output_format f, const json::value& v, const std::vector<std::string>& columns = {}) {
  std::ostringstream out;
  print(out, f, v, columns);
  return out.str();
}

TEST(print, a_table_of_rows_is_aligned_and_has_the_named_columns) {
  const json::value rows = {{{"name", "a"}, {"size", 1}, {"hidden", true}}, {{"name", "länger"}, {"size", nullptr}}};
  EXPECT_EQ(printed(output_format::table, rows, {"name", "size", "not_there"}),
            "NAME    SIZE  NOT-THERE\n"
            "a       1     -\n"
            "länger  -     -\n");
  EXPECT_EQ(printed(output_format::table, rows), "NAME    SIZE  HIDDEN\na       1     true\nlänger  -     -\n");
}

TEST(print, an_object_as_a_table_has_a_line_per_field) {
  const json::value v = {{"a", {{"b", 1}, {"c", "x"}}}, {"list", {1, 2}}, {"rows", {{{"k", "v"}}}}};
  EXPECT_EQ(printed(output_format::table, v), "a.b       1\na.c       x\nlist      1,2\nrows.0.k  v\n");
}

TEST(print, control_bytes_never_reach_the_terminal) {
  const json::value rows = {{{"name", "a\x1b[2J\n"}}};
  EXPECT_EQ(printed(output_format::table, rows), "NAME\na\\x1b[2J\\x0a\n");
}

TEST(print, json_is_one_line_and_yaml_is_nested) {
  const json::value v = {
      {"a", 1}, {"b", {{"c", "x y"}, {"d", json::array{}}}}, {"l", {{{"k", "true"}, {"m", "plain"}}, 2}}};
  EXPECT_EQ(json::parse(printed(output_format::json, v)), v);
  EXPECT_EQ(printed(output_format::json, v).find('\n'), printed(output_format::json, v).size() - 1);
  EXPECT_EQ(printed(output_format::yaml, v),
            "a: 1\nb:\n  c: \"x y\"\n  d: []\nl:\n  - k: \"true\"\n    m: plain\n  - 2\n");
}

TEST(print, what_is_no_number_is_null) {
  const json::value v = {{"a", {1.5, 1 / 0.0}}, {"b", {{"c", 0 / 0.0}}}};
  EXPECT_EQ(json::parse(printed(output_format::json, v)),
            json::value({{"a", {1.5, nullptr}}, {"b", {{"c", nullptr}}}}));
  EXPECT_EQ(printed(output_format::yaml, v), "a:\n  - 1.5E0\n  - null\nb:\n  c: null\n");
  EXPECT_EQ(printed(output_format::table, v), "a    1.5,-\nb.c  -\n");
}

TEST(print, words_that_yaml_takes_for_something_else_are_quoted) {
  for (const std::string word : {"true", "True", "NO", "y", "Off", "NULL"})
    EXPECT_EQ(printed(output_format::yaml, {{"name", word}}), "name: \"" + word + "\"\n");
  EXPECT_EQ(printed(output_format::yaml, {{"name", "nobody"}}), "name: nobody\n");
}

TEST(command_line, every_command_has_a_description_and_the_groups_are_shared) {
  CLI::App app;
  run_state run;
  add_all_commands(app, run, {});
  for (const CLI::App* c : app.get_subcommands({})) EXPECT_FALSE(c->get_description().empty()) << c->get_name();
  CLI::App& bench = command_group(app, "bench", "");
  EXPECT_EQ(&bench, &command_group(app, "bench", ""));
}

TEST(command_line, exit_codes) {
  const auto code = [](std::vector<const char*> words) {
    return run(static_cast<int>(words.size()), words.data(), {});
  };
  EXPECT_EQ(code({"weir", "version"}), 0);
  EXPECT_EQ(code({"weir", "--help"}), 0);
  EXPECT_EQ(code({"weir"}), 2);
  EXPECT_EQ(code({"weir", "vresion"}), 2);
  EXPECT_EQ(code({"weir", "version", "-o", "xml"}), 2);
  EXPECT_EQ(code({"weir", "version", "--nonsense"}), 2);
  EXPECT_EQ(code({"weir", "status", "--data-dir", "/nonexistent"}), 1);
  for (const char* shell : {"bash", "zsh", "fish"}) EXPECT_EQ(code({"weir", "completion", shell}), 0);
}

// A broker's words are in it: the message that a topic cannot be created, for one.
TEST(complain, shows_control_characters_and_sends_none_to_the_terminal) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(complain("POLICY_VIOLATION: \x1b]0;owned\x07\r\nweir: fine", 3), 3);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "weir: POLICY_VIOLATION: \\x1b]0;owned\\x07\\x0d\\x0aweir: fine\n");
}

TEST(nearest, finds_slips_and_not_strangers) {
  EXPECT_EQ(nearest("srever", {"server", "status"}).value(), "server");
  EXPECT_EQ(nearest("storage.num_partitions", {"kafka.num_partitions", "storage.disk"}).value(),
            "kafka.num_partitions");
  EXPECT_FALSE(nearest("elephant", {"server", "status"}));
  EXPECT_FALSE(nearest("x", {}));
}

TEST(version, is_the_projects) {
  const std::filesystem::path root = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
  std::ifstream in(root / "CMakeLists.txt");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_NE(text.find("project(weir VERSION " + std::string(version) + " "), std::string::npos);
}

}  // namespace
}  // namespace weir::cli
