#include "server/data_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>

#include "base/crc32c.h"
#include "platform/posix/posix_error.h"
#include "platform/posix/posix_files.h"
#include "platform/posix/unique_fd.h"
#include "server/config_text.h"

namespace weir::server {

namespace {

constexpr const char* facts_name = "/weir.folder";
constexpr std::size_t facts_bytes_max = 4096;

std::string draw_cluster_id(rng& random) {
  static constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string id;
  // 21 free characters; the last one carries the two bits that are left of 128.
  for (int i = 0; i < 21; ++i) id += alphabet[random.below(64)];
  id += alphabet[random.below(4) * 16];
  return id[0] == '-' ? "A" + id.substr(1) : id;  // a leading dash reads as a flag on command lines
}

std::string body_of(const folder_facts& f) {
  return fmt::format("weir data folder\nversion {}\nreactors {}\nshards_per_reactor {}\ncluster_id {}\n", f.version,
                     f.reactors, f.shards_per_reactor, f.cluster_id);
}

std::optional<std::uint32_t> number(const std::map<std::string, std::string>& fields, const std::string& name,
                                    std::int64_t max) {
  const auto it = fields.find(name);
  if (it == fields.end()) return std::nullopt;
  const auto n = parse_integer(it->second);
  if (!n || *n < 1 || *n > max) return std::nullopt;
  return static_cast<std::uint32_t>(*n);
}

result<std::optional<std::string>> read_small_file(const std::string& path) {
  const platform::unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT) return std::optional<std::string>();
  if (!fd.valid()) return platform::fault_from_errno(errno, "open " + path);
  std::string text(facts_bytes_max, '\0');
  const auto n = platform::read_up_to(fd.get(), 0, std::as_writable_bytes(std::span(text)), path);
  if (!n) return n.error();
  text.resize(*n);
  return std::optional<std::string>(std::move(text));
}

// Complete or not there at all, whatever happens: written aside, synced, renamed, the folder synced.
result<void> write_durably(const std::string& folder, const std::string& path, const std::string& text) {
  const std::string aside = path + ".new";
  {
    const platform::unique_fd fd(::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
    if (!fd.valid()) return platform::fault_from_errno(errno, "create " + aside);
    if (auto n = platform::write_all(fd.get(), 0, platform::to_iovecs({as_bytes(text)}), aside); !n) return n.error();
    if (auto ok = platform::sync_fd(fd.get(), aside); !ok) return ok;
  }
  if (::rename(aside.c_str(), path.c_str()) != 0) return platform::fault_from_errno(errno, "rename " + aside);
  return platform::sync_folder_path(folder, folder);
}

// With its name on disk, and those of the folders above it that were made for it.
result<void> make_folder(const std::string& path) {
  std::error_code error;
  std::vector<std::filesystem::path> holders;
  for (auto at = std::filesystem::absolute(path, error).lexically_normal();
       !error && !std::filesystem::exists(at, error) && at.has_relative_path(); at = at.parent_path()) {
    holders.push_back(at.parent_path());
  }
  std::filesystem::create_directories(path, error);
  if (error) return platform::fault_from_errno(error.value(), "create the data folder " + path);
  for (const auto& holder : holders) {
    if (auto ok = platform::sync_folder_path(holder, holder); !ok) return ok;
  }
  return {};
}

// Before the facts: from then on a store that is not there is one that was lost.
result<void> make_store_folders(const data_folder& of) {
  std::error_code error;
  for (std::uint32_t i = 0; i < of.facts.reactors; ++i) {
    std::filesystem::create_directory(of.store_path(i), error);
    if (error) return platform::fault_from_errno(error.value(), "create " + of.store_path(i));
  }
  return {};
}

result<void> check_store_folders(const data_folder& of) {
  std::error_code error;
  for (std::uint32_t i = 0; i < of.facts.reactors; ++i) {
    if (std::filesystem::is_directory(of.store_path(i), error)) continue;
    return fault(errc::corrupt,
                 "the store " + of.store_path(i) + " is missing; restore it from a backup of this folder");
  }
  return {};
}

}  // namespace

std::string print_facts(const folder_facts& f) {
  const std::string body = body_of(f);
  return body + fmt::format("crc32c {:08x}\n", crc32c(as_bytes(body)));
}

result<folder_facts> parse_facts(const std::string& text) {
  const std::size_t at = text.rfind("crc32c ");
  if (at == std::string::npos || !text.starts_with("weir data folder\n"))
    return fault(errc::corrupt, "it is not what Weir writes");
  if (text.substr(at) != fmt::format("crc32c {:08x}\n", crc32c(as_bytes(std::string_view(text).substr(0, at))))) {
    return fault(errc::corrupt, "its checksum is wrong");
  }
  // Behind the first line come pairs of a name and a value.
  std::map<std::string, std::string> fields;
  const std::size_t first = text.find('\n') + 1;
  std::istringstream pairs(text.substr(first, at - first));
  for (std::string name, value; pairs >> name >> value;) fields[name] = value;
  folder_facts f;
  const auto version = number(fields, "version", INT32_MAX);
  if (!version) return fault(errc::corrupt, "it has no version");
  if (*version != f.version)
    return fault(errc::unsupported, fmt::format("its format version is {}, this server knows {}", *version, f.version));
  const auto reactors = number(fields, "reactors", 64);
  const auto shards = number(fields, "shards_per_reactor", 256);
  if (!reactors || !shards || fields["cluster_id"].size() != 22)
    return fault(errc::corrupt, "a field is missing or out of range");
  f.reactors = *reactors;
  f.shards_per_reactor = *shards;
  f.cluster_id = fields["cluster_id"];
  return f;
}

result<data_folder> open_data_folder(const std::string& path, const folder_facts& fresh, rng& random) {
  if (auto ok = make_folder(path); !ok) return ok.error();
  auto lock = platform::data_lock::take(path);
  if (!lock) return lock.error();
  data_folder out{path, fresh, std::move(*lock), false};
  const std::string file = path + facts_name;
  auto text = read_small_file(file);
  if (!text) return text.error();
  if (*text) {
    auto facts = parse_facts(**text);
    if (!facts) return fault(facts.error().code, file + ": " + facts.error().text);
    out.facts = std::move(*facts);
    if (auto ok = check_store_folders(out); !ok) return ok.error();
    return out;
  }
  std::error_code error;
  if (std::filesystem::exists(out.store_path(0), error) && !std::filesystem::is_empty(out.store_path(0), error)) {
    return fault(errc::corrupt, file + " is missing, but there are stores; restore it from a backup of this folder");
  }
  out.created = true;
  out.facts.cluster_id = draw_cluster_id(random);
  if (auto ok = make_store_folders(out); !ok) return ok.error();
  if (auto ok = write_durably(path, file, print_facts(out.facts)); !ok) return ok.error();
  return out;
}

}  // namespace weir::server
