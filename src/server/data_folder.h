// The data folder as a whole: what is fixed when it is made, and the lock that keeps a second server out.
//
//   DATA/weir.folder   this text, checked by a checksum (docs/formats/data_folder.md)
//   DATA/lock          held while a server runs
//   DATA/admin.sock    the admin API
//   DATA/r0, r1, ...   one store per reactor
//
// Blocking; start-up only.
#pragma once

#include <cstdint>
#include <string>

#include "base/random.h"
#include "base/result.h"
#include "platform/posix/data_lock.h"

namespace weir::server {

struct folder_facts {
  std::uint32_t version = 1;
  std::uint32_t reactors = 1;  // stores in the folder
  std::uint32_t shards_per_reactor = 4;
  std::string cluster_id;  // 22 characters, as Kafka's clients expect

  [[nodiscard]] bool operator==(const folder_facts&) const = default;
};

[[nodiscard]] std::string print_facts(const folder_facts& f);
// errc::corrupt when the checksum or a field is wrong, errc::unsupported for a newer version.
[[nodiscard]] result<folder_facts> parse_facts(const std::string& text);

struct data_folder {
  std::string path;
  folder_facts facts;
  platform::data_lock lock;
  bool created = false;

  [[nodiscard]] std::string store_path(std::uint32_t reactor) const { return path + "/r" + std::to_string(reactor); }
  [[nodiscard]] std::string admin_socket() const { return path + "/admin.sock"; }
};

// Opens or makes the folder; `fresh` is used when it is made (cluster_id is drawn). The facts and the stores' folders are
// durable on return. corrupt: a store's folder is missing.
[[nodiscard]] result<data_folder> open_data_folder(const std::string& path, const folder_facts& fresh, rng& random);

}  // namespace weir::server
