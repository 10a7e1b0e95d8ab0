#include "broker/topic_config_kept.h"

#include <array>
#include <cstdint>
#include <string>

#include "broker/config_table.h"

namespace weir::broker {
namespace {

using type = model::config_entry::type;

using config_table::wrong;

result<void> number(std::string_view text, std::int64_t low, std::int64_t high, std::string_view want) {
  const auto v = config_table::number(text, low, high, want);
  if (!v) return v.error();
  return {};
}

result<void> either(std::string_view text) {
  if (text == "true" || text == "false") return {};
  return wrong(text, "true or false");
}

template<class Text>
result<void> only_false(std::string_view text, Text why) {
  if (text == "true") return fault(errc::invalid, "'true' cannot be kept: " + std::string(why));
  return either(text);
}

result<void> no_remote_storage(std::string_view text) {
  return only_false(text, "there is no remote storage, all data is on this node's disk");
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 10 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// partition:broker,partition:broker,... or a single '*'; empty is none.
result<void> throttled_replicas(std::string_view text) {
  constexpr std::string_view want = "'*' or a list of partition:broker";
  if (text.empty() || text == "*") return {};
  std::string_view rest = text;
  while (true) {
    const auto comma = rest.find(',');
    const std::string_view word = rest.substr(0, comma);
    const auto colon = word.find(':');
    if (colon == std::string_view::npos || !is_number(word.substr(0, colon)) || !is_number(word.substr(colon + 1))) {
      return wrong(text, want);
    }
    if (comma == std::string_view::npos) return {};
    rest.remove_prefix(comma + 1);
  }
}

template<std::int64_t Low>
result<void> milliseconds(std::string_view text) {
  return number(text, Low, INT64_MAX, "a number of milliseconds, " + std::to_string(Low) + " or more");
}
template<std::int64_t Low, std::int64_t High>
result<void> size(std::string_view text) {
  return number(text, Low, High, "a number of bytes, " + std::to_string(Low) + " or more");
}

constexpr std::array table{
    kept_config{"file.delete.delay.ms", type::int64,
                "Without effect: whoever reads what is deleted may finish, then its space is free.", milliseconds<0>},
    kept_config{"flush.messages", type::int64,
                "Kept: what is acknowledged is on disk already, unless weir.durability is async.",
                [](std::string_view t) { return number(t, 1, INT64_MAX, "a number of messages, 1 or more"); }},
    kept_config{"flush.ms", type::int64,
                "Kept: what is acknowledged is on disk already, unless weir.durability is async.", milliseconds<0>},
    kept_config{"follower.replication.throttled.replicas", type::list,
                "Kept: with one replica there is no replication to throttle.", throttled_replicas},
    kept_config{"index.interval.bytes", type::int32,
                "Without effect: the distance of index entries is fixed and no reader sees it.", size<0, INT32_MAX>},
    kept_config{"leader.replication.throttled.replicas", type::list,
                "Kept: with one replica there is no replication to throttle.", throttled_replicas},
    kept_config{"local.retention.bytes", type::int64, "Counts with remote storage only, and there is none.",
                size<-2, INT64_MAX>},
    kept_config{"local.retention.ms", type::int64, "Counts with remote storage only, and there is none.",
                milliseconds<-2>},
    kept_config{"preallocate", type::boolean, "Only false: a segment's file is not made before its data.",
                [](std::string_view t) { return only_false(t, "segments are written whole, no file is made before"); }},
    kept_config{"remote.log.copy.disable", type::boolean, "Only false: there is no remote storage.", no_remote_storage},
    kept_config{"remote.log.delete.on.disable", type::boolean, "Only false: there is no remote storage.",
                no_remote_storage},
    kept_config{"remote.storage.enable", type::boolean, "Only false: there is no remote storage.", no_remote_storage},
    kept_config{"segment.index.bytes", type::int32,
                "Without effect: an index has no file of its own, and no reader sees its size.", size<4, INT32_MAX>},
    kept_config{"segment.jitter.ms", type::int64,
                "Kept: the longest time by which a segment may close before segment.ms; it closes by none.",
                milliseconds<0>},
    kept_config{"unclean.leader.election.enable", type::boolean,
                "Kept: with one replica no other can be elected, clean or not.", either},
};

}  // namespace

std::span<const kept_config> kept_configs() { return table; }

const kept_config* find_kept_config(std::string_view name) { return config_table::find(table, name); }

}  // namespace weir::broker
