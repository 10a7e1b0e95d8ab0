#include "server/config_load.h"

#include <fmt/format.h>
#include <unistd.h>

// The parser asserts where a file may well be wrong ("[,x]"): to us that is one more refusal, not the end of the process.
namespace weir::server {
struct toml_assertion {};
constexpr void toml_check(bool holds) {
  if (!holds) throw toml_assertion();
}
}  // namespace weir::server
#define TOML_ASSERT(expression) ::weir::server::toml_check(static_cast<bool>(expression))
#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "base/nearest.h"
#include "server/config_keys.h"
#include "server/config_text.h"

namespace weir::server {

namespace {

// One value on its way into the configuration.
struct assignment {
  const config_key* key = nullptr;
  std::string value;
  std::string where;  // for messages
};
using assignments = std::vector<assignment>;

std::string place(const std::string& file, const toml::node& node) {
  return fmt::format("{}:{}", file, node.source().begin.line);
}

result<std::string> scalar_text(const toml::node& node, const std::string& where) {
  if (const auto* s = node.as_string()) return s->get();
  if (const auto* i = node.as_integer()) return std::to_string(i->get());
  if (const auto* b = node.as_boolean()) return std::string(b->get() ? "true" : "false");
  if (const auto* f = node.as_floating_point()) return fmt::format("{}", f->get());
  return fault(errc::invalid, where + ": a string, a number or a boolean is expected");
}

result<std::string> node_text(const config_key& key, const toml::node& node, const std::string& where) {
  const toml::array* list = node.as_array();
  if (list == nullptr && !key.takes_numbers && !node.is_string()) {
    return fault(errc::invalid, fmt::format("{}: {}: a string in quotes is expected", where, key.name));
  }
  if (list == nullptr) return scalar_text(node, where);
  if (!key.is_list) return fault(errc::invalid, fmt::format("{}: {} is not a list", where, key.name));
  std::string joined;
  for (const toml::node& item : *list) {
    auto one = scalar_text(item, where);
    if (!one) return one;
    joined += (joined.empty() ? "" : ",") + *one;
  }
  return joined;
}

result<void> collect(const toml::table& table, const std::string& prefix, const std::string& file, assignments& out) {
  for (const auto& [name, node] : table) {
    const std::string full = prefix + std::string(name.str());
    const std::string where = place(file, node);
    const config_key* key = find_key(full);
    if (key == nullptr && node.is_table()) {
      if (auto ok = collect(*node.as_table(), full + ".", file, out); !ok) return ok;
      continue;
    }
    if (key == nullptr) return fault(errc::invalid, unknown_key(where, full));
    auto value = node_text(*key, node, where);
    if (!value) return value.error();
    out.push_back({key, std::move(*value), where});
  }
  return {};
}

result<void> read_text(const std::string& file, const std::string& text, assignments& out) {
  try {
    const toml::table table = toml::parse(text, file);
    return collect(table, "", file, out);
  } catch (const toml::parse_error& e) {
    return fault(errc::invalid, fmt::format("{}:{}: {}", file, e.source().begin.line, e.description()));
  } catch (const toml_assertion&) {
    return fault(errc::invalid, file + ": a name of a key or of a [section] is not understood");
  }
}

result<void> read_file(const std::string& file, assignments& out) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error))
    return fault(errc::not_found, "the configuration file " + file + " is not there");
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in) return fault(errc::io, "the configuration file " + file + " cannot be read");
  return read_text(file, text, out);
}

result<void> read_files(const std::string& file, assignments& out) {
  if (file.empty()) return {};
  if (auto ok = read_file(file, out); !ok) return ok;
  const std::filesystem::path folder = std::filesystem::path(file).parent_path() / "conf.d";
  std::error_code error;
  std::set<std::string> overlays;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".toml") overlays.insert(entry.path().string());
  }
  for (const std::string& overlay : overlays) {
    if (auto ok = read_file(overlay, out); !ok) return ok;
  }
  return {};
}

// Kubernetes gives every container variables for each service; a service called weir must not stop us.
bool from_kubernetes(const std::string& name) {
  return name.starts_with("WEIR_SERVICE_") || name == "WEIR_PORT" || name.starts_with("WEIR_PORT_");
}

result<void> read_environment(const std::map<std::string, std::string>& environment, assignments& out) {
  std::map<std::string, const config_key*> keys;
  std::vector<std::string> names;
  for (const config_key& k : config_keys()) {
    keys[environment_name(k)] = &k;
    names.push_back(environment_name(k));
  }
  for (const auto& [name, value] : environment) {
    if (!name.starts_with("WEIR_") || name == "WEIR_CONFIG" || name == "WEIR_BROKERS" || from_kubernetes(name))
      continue;
    const auto it = keys.find(name);
    if (it != keys.end()) {
      out.push_back({it->second, value, "environment variable " + name});
      continue;
    }
    const auto near = nearest(name, names);
    return fault(errc::invalid, fmt::format("environment variable {}: no such key{}", name,
                                            near ? "; did you mean " + *near + "?" : ""));
  }
  return {};
}

result<void> read_flags(const std::vector<std::pair<std::string, std::string>>& flags, assignments& out) {
  std::map<std::string, std::size_t> lists;
  for (const auto& [name, value] : flags) {
    const config_key* key = find_key(name);
    if (key == nullptr) return fault(errc::invalid, unknown_key("--" + name, name));
    const auto seen = lists.find(name);
    if (key->is_list && seen != lists.end()) {
      out[seen->second].value += "," + value;
      continue;
    }
    if (key->is_list) lists[name] = out.size();
    out.push_back({key, value, "--" + name});
  }
  return {};
}

}  // namespace

result<server_config> load_config(const config_sources& from) {
  assignments all;
  auto files = from.text ? read_text(from.file, *from.text, all) : read_files(from.file, all);
  if (!files) return files.error();
  if (auto ok = read_environment(from.environment, all); !ok) return ok.error();
  if (auto ok = read_flags(from.flags, all); !ok) return ok.error();

  server_config config;
  config.config_file = from.file;
  // `dev` changes defaults, so it comes before everything that is said explicitly.
  const config_key* dev = find_key("dev");
  for (const assignment& a : all) {
    if (a.key != dev) continue;
    if (auto ok = dev->set(config, a.value); !ok)
      return fault(errc::invalid, fmt::format("{}: dev: {}", a.where, ok.error().text));
  }
  if (config.dev) {
    config.broker.clamp_replication_factor = true;
    config.broker.allow_all = true;
  }
  for (const assignment& a : all) {
    if (auto ok = a.key->set(config, a.value); !ok) {
      return fault(errc::invalid, fmt::format("{}: {}: {}", a.where, a.key->name, ok.error().text));
    }
  }
  if (auto ok = validate(config); !ok) return ok.error();
  config.broker.data_folder = config.data_dir;
  return config;
}

std::map<std::string, std::string> process_environment() {
  std::map<std::string, std::string> out;
  for (char** e = environ; e != nullptr && *e != nullptr; ++e) {
    const std::string_view item(*e);
    const std::size_t equals = item.find('=');
    if (equals != std::string_view::npos) out.emplace(item.substr(0, equals), item.substr(equals + 1));
  }
  return out;
}

}  // namespace weir::server
