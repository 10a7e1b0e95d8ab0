#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "server/config_keys.h"
#include "server/config_load.h"
#include "server/config_text.h"

namespace weir::server {
namespace {

class config_test : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "weir_config_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string file(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder_ + "/" + name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }
  static std::string why(const config_sources& from) {
    const auto c = load_config(from);
    return c ? "" : c.error().text;
  }
  std::string folder_;
};

TEST_F(config_test, defaults_are_valid_and_listen_on_loopback_only) {
  const auto c = load_config({});
  ASSERT_TRUE(c) << c.error().text;
  ASSERT_EQ(c->listeners.size(), 1U);
  EXPECT_EQ(c->listeners[0].address.host, "127.0.0.1");
  EXPECT_FALSE(c->broker.allow_all);
}

TEST_F(config_test, flags_beat_environment_beats_overlay_beats_file) {
  const std::string f =
      file("weir.toml",
           "data_dir = \"/a\"\n[kafka]\nnum_partitions = 2\nauto_create_topics = false\n[log]\nlevel='debug'\n"
           "[limits]\nidle = \"1h\"\n");
  file("conf.d/20.toml", "kafka.num_partitions = 4\nlog.level = 'warn'\n");
  file("conf.d/10.toml", "kafka.num_partitions = 3\n[limits]\nidle = 1500\n");
  file("conf.d/30.txt", "not read");
  const auto c = load_config({f,
                              {{"WEIR_KAFKA_NUM_PARTITIONS", "5"}, {"WEIR_LOG_LEVEL", "error"}, {"HOME", "/"}},
                              {{"kafka.num_partitions", "6"}}});
  ASSERT_TRUE(c) << c.error().text;
  EXPECT_EQ(c->broker.num_partitions, 6);
  EXPECT_EQ(c->log_level, "error");
  EXPECT_EQ(c->limits.idle_ms, 1500);
  EXPECT_EQ(c->data_dir, "/a");
  EXPECT_FALSE(c->broker.auto_create_topics);
}

TEST_F(config_test, listeners_are_a_list_everywhere) {
  const std::string f = file("weir.toml", "listeners = [\"kafka=127.0.0.1:1\", \"kafka=[::1]:2\"]\n");
  auto c = load_config({f, {}, {}});
  ASSERT_TRUE(c) << c.error().text;
  ASSERT_EQ(c->listeners.size(), 2U);
  EXPECT_EQ(c->listeners[1].address.host, "::1");
  EXPECT_EQ(c->listeners[1].address.port, 2);
  c = load_config({f, {}, {{"listeners", "kafka=0.0.0.0:0"}, {"listeners", "kafka=localhost:7"}}});
  ASSERT_TRUE(c) << c.error().text;
  ASSERT_EQ(c->listeners.size(), 2U);
  EXPECT_EQ(c->listeners[1].address.host, "localhost");
}

TEST_F(config_test, dev_changes_defaults_but_nothing_that_was_said) {
  auto c = load_config({"", {}, {{"dev", "true"}}});
  ASSERT_TRUE(c);
  EXPECT_TRUE(c->broker.clamp_replication_factor);
  EXPECT_TRUE(c->broker.allow_all);
  c = load_config({"", {{"WEIR_KAFKA_CLAMP_REPLICATION_FACTOR", "false"}}, {{"dev", "true"}}});
  ASSERT_TRUE(c);
  EXPECT_FALSE(c->broker.clamp_replication_factor);
}

TEST_F(config_test, an_unknown_key_names_the_place_and_the_nearest_key) {
  const std::string f = file("weir.toml", "\n[kafka]\nnum_partition = 2\n");
  EXPECT_EQ(why({f, {}, {}}), f + ":3: unknown key kafka.num_partition; did you mean kafka.num_partitions?");
  EXPECT_EQ(why({"", {{"WEIR_KAFKA_NUM_PARTITION", "1"}}, {}}),
            "environment variable WEIR_KAFKA_NUM_PARTITION: no such key; did you mean WEIR_KAFKA_NUM_PARTITIONS?");
  EXPECT_EQ(why({"", {}, {{"storage.num_partitions", "1"}}}),
            "--storage.num_partitions: unknown key storage.num_partitions; did you mean kafka.num_partitions?");
  EXPECT_EQ(why({"", {}, {{"zzzzzzzzzzzzz", "1"}}}), "--zzzzzzzzzzzzz: unknown key zzzzzzzzzzzzz");
}

TEST_F(config_test, letters_outside_of_strings_are_refused) {
  for (const std::string text : {"a = \xc3\xa9", "\xcb\xb4=1", "[kafka] \xef\xbb\xba"})
    EXPECT_TRUE(why({file("weir.toml", text), {}, {}}).starts_with(folder_ + "/weir.toml:1: ")) << text;
}

TEST_F(config_test, variables_of_the_command_line_are_no_keys) {
  EXPECT_EQ(why({"", {{"WEIR_BROKERS", "127.0.0.1:9092"}, {"WEIR_CONFIG", "x"}}, {}}), "");
}

TEST_F(config_test, variables_of_a_kubernetes_service_named_weir_are_no_keys) {
  EXPECT_EQ(why({"",
                 {{"WEIR_SERVICE_HOST", "10.0.0.1"}, {"WEIR_PORT_9092_TCP", "tcp://10.0.0.1:9092"}, {"WEIR_PORT", "x"}},
                 {}}),
            "");
  // The client commands of the same binary take it; in the shell where they run a server may start, too.
  EXPECT_EQ(why({"", {{"WEIR_BROKERS", "127.0.0.1:9092"}}, {}}), "");
}

TEST_F(config_test, bad_values_are_refused_with_the_place) {
  EXPECT_NE(why({"", {}, {{"kafka.num_partitions", "0"}}}).find("must be between 1 and 100000"), std::string::npos);
  EXPECT_NE(why({"", {}, {{"log.level", "loud"}}}).find("error, warn, info, debug, trace"), std::string::npos);
  EXPECT_NE(why({"", {}, {{"log.levels", "kafka=loud"}}}).find("kafka=debug"), std::string::npos);
  EXPECT_NE(why({"", {}, {{"log.levels", "kafkas=info"}}}).find("server, storage, kafka"), std::string::npos);
  EXPECT_NE(why({"", {}, {{"limits.idle", "soon"}}}).find("500ms"), std::string::npos);
  EXPECT_NE(why({"", {}, {{"listeners", "mqtt=127.0.0.1:1883"}}}).find("not a protocol"), std::string::npos);
  EXPECT_NE(why({"", {}, {{"listeners", "127.0.0.1:9092"}}}).find("kafka=127.0.0.1:9092"), std::string::npos);
  EXPECT_NE(why({"", {}, {{"kafka.advertised", "0.0.0.0:9092"}}}).find("cannot connect"), std::string::npos);
  EXPECT_NE(why({"", {}, {{"storage.critical_free_bytes", "8MiB"}}}).find("storage.ring_bytes"), std::string::npos);
  EXPECT_NE(why({file("bad.toml", "a = = 1\n"), {}, {}}).find("bad.toml:1"), std::string::npos);
  EXPECT_NE(why({file("list.toml", "data_dir = [\"a\"]\n"), {}, {}}).find("not a list"), std::string::npos);
  EXPECT_NE(why({file("number.toml", "data_dir = 7\n"), {}, {}}).find("data_dir: a string"), std::string::npos);
  EXPECT_NE(why({folder_ + "/none.toml", {}, {}}).find("is not there"), std::string::npos);
}

// Uncommented, the example file must load and change nothing.
// Times are added up in nanoseconds of 63 bits.
TEST_F(config_test, a_duration_is_a_century_at_most) {
  int durations = 0;
  for (const config_key& k : config_keys()) {
    if (k.kind != "duration") continue;
    ++durations;
    EXPECT_NE(why({"", {}, {{k.name, "36501d"}}}), "") << k.name;
  }
  EXPECT_GT(durations, 8);
  EXPECT_EQ(why({"", {}, {{"limits.idle", "36500d"}}}), "");
  EXPECT_EQ(why({"", {}, {{"kafka.log_retention", "never"}}}), "");
}

TEST_F(config_test, the_example_file_names_every_key_at_its_default) {
  std::string text = example_file();
  for (const config_key& k : config_keys()) {
    const std::string name = k.name.substr(k.name.find('.') + 1);
    const std::size_t at = text.find("\n#" + name + " = ");
    ASSERT_NE(at, std::string::npos) << k.name;
    text.erase(at + 1, 1);
  }
  const auto c = load_config({file("weir.toml", text), {}, {}});
  ASSERT_TRUE(c) << c.error().text;
  server_config loaded = *c;
  const server_config defaults;
  for (const config_key& k : config_keys()) EXPECT_EQ(k.get(loaded), k.get(defaults)) << k.name;
}

TEST_F(config_test, every_key_takes_its_own_default_and_has_a_name_of_its_own) {
  std::set<std::string> names;
  std::set<std::string> variables;
  for (const config_key& k : config_keys()) {
    server_config c;
    EXPECT_TRUE(k.set(c, k.get(server_config{}))) << k.name;
    EXPECT_TRUE(names.insert(k.name).second) << k.name;
    EXPECT_TRUE(variables.insert(environment_name(k)).second) << k.name;
    EXPECT_FALSE(k.doc.empty()) << k.name;
  }
}

std::string content(const std::string& path) {
  const std::filesystem::path root = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
  std::ifstream in(root / path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(config_keys_test, the_cache_follows_the_memory_or_has_a_size) {
  const config_key& key = *find_key("storage.cache_bytes");
  server_config c;
  EXPECT_EQ(key.get(c), "auto");
  ASSERT_TRUE(key.set(c, "1GiB"));
  EXPECT_EQ(key.get(c), "1GiB");
  EXPECT_FALSE(c.cache_auto);
  EXPECT_FALSE(key.set(c, "much"));
  ASSERT_TRUE(key.set(c, "0"));
  EXPECT_EQ(c.store.cache_bytes_max, 0U);
  ASSERT_TRUE(key.set(c, "auto"));
  EXPECT_TRUE(c.cache_auto);
  EXPECT_GT(c.store.cache_bytes_max, 0U) << "what it begins with";
}

TEST(config_files, the_packaged_file_is_what_the_table_says) {
  EXPECT_EQ(content("packaging/weir.toml"), example_file()) << "weir server --example-config > packaging/weir.toml";
}

TEST(config_files, the_document_has_the_table) {
  EXPECT_NE(content("docs/configuration.md").find(markdown_table()), std::string::npos)
      << "put the output of weir server --config-table into docs/configuration.md";
}

// The parser asserts on it, so that it ended the process without a word.
TEST(config_files, names_that_are_no_names_are_refused) {
  for (const std::string text : {"[,x]\n", "[,im\"ts]=deil \n", "x.,y = 1\n", "a = {,}\n"}) {
    const auto c = load_config({.file = "f.toml", .text = text});
    ASSERT_FALSE(c) << text;
    EXPECT_NE(c.error().text.find("f.toml"), std::string::npos) << c.error().text;
  }
}

// docs/limits.md says again what the defaults are: the cell behind the keys of a row begins with their defaults, in order.
TEST(config_files, the_limits_are_what_the_table_says) {
  std::istringstream lines(content("docs/limits.md"));
  std::set<std::string> named;
  const server_config defaults;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t second = line.find('|', 1);
    if (!line.starts_with("| `") || second == std::string::npos) continue;
    std::string expected;
    for (std::size_t at = 0, end = 0; (at = line.find('`', end)) < second; ++end) {
      end = line.find('`', at + 1);
      const config_key* key = find_key(line.substr(at + 1, end - at - 1));
      if (key == nullptr) continue;  // a topic's configuration, say
      named.insert(key->name);
      expected += key->get(defaults);
    }
    std::string cell = line.substr(second + 1, line.find('|', second + 1) - second - 1);
    std::erase_if(cell, [](char c) { return c != ':' && std::isalnum(static_cast<unsigned char>(c)) == 0; });
    EXPECT_TRUE(cell.starts_with(expected)) << line << "\nthe defaults are " << expected;
  }
  for (const config_key& key : config_keys()) {
    EXPECT_TRUE(!key.name.starts_with("limits.") || named.contains(key.name))
        << key.name << " is not in docs/limits.md";
  }
}

TEST(config_text, sizes_and_durations) {
  EXPECT_EQ(parse_bytes("64KiB").value(), 65536);
  EXPECT_EQ(parse_bytes("1.5GiB").value(), 1610612736);
  EXPECT_EQ(parse_bytes("unlimited").value(), -1);
  EXPECT_EQ(print_bytes(65536), "64KiB");
  EXPECT_EQ(print_bytes(65537), "65537B");
  EXPECT_EQ(parse_duration_ms("90").value(), 90);
  EXPECT_EQ(parse_duration_ms("2h").value(), 7'200'000);
  EXPECT_EQ(parse_duration_ms("never").value(), -1);
  EXPECT_EQ(print_duration_ms(90'000), "90s");
  EXPECT_EQ(print_duration_ms(604'800'000), "7d");
  EXPECT_FALSE(parse_bytes("12 apples"));
  EXPECT_FALSE(parse_bytes(""));
  EXPECT_FALSE(parse_bytes("-5"));
  EXPECT_FALSE(parse_bytes("99999999999TiB"));
  EXPECT_FALSE(parse_duration_ms("1y"));
  EXPECT_FALSE(parse_duration_ms("nan"));
}

TEST(config_text, addresses) {
  EXPECT_EQ(parse_endpoint("[::1]:9092").value().host, "::1");
  EXPECT_EQ(print_endpoint(parse_endpoint("[::1]:9092").value()), "[::1]:9092");
  EXPECT_EQ(print_endpoint(parse_endpoint("localhost:0").value()), "localhost:0");
  for (const char* bad : {"", ":1", "host", "host:", "host:x", "host:65536", "host:-1", "::1:9092"})
    EXPECT_FALSE(parse_endpoint(bad)) << bad;
}

}  // namespace
}  // namespace weir::server
