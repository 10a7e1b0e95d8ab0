// The one door for rights: may this caller do this to that thing?
//
// Deny by default. Until users and rules exist there are two rules: a caller whose peer address is a loopback address may
// do everything, and everybody may where the configuration opens the node (`--dev`). Resources and operations are neutral
// words; each protocol's own rights (Kafka ACLs, AMQP permissions) are to be written in them. No adapter decides rights.
// Thread: immutable after construction, shared by all reactors. Cheap enough to ask per request item.
#pragma once

#include <cstdint>
#include <string_view>

#include "model/commands.h"

namespace weir::security {

enum class resource : std::uint8_t { cluster, topic, group, transaction };
enum class operation : std::uint8_t {
  read,
  write,
  create,
  remove,
  alter,
  describe,
  alter_config,
  describe_config,
  idempotent_write,
};

class access {
 public:
  explicit access(bool open_to_all) : open_to_all_(open_to_all) {}

  // `name` is the topic, group, ...; empty for the cluster itself.
  [[nodiscard]] bool allow(const model::caller& who, resource what, std::string_view name, operation how) const;

 private:
  bool open_to_all_;
};

}  // namespace weir::security
