// What the names of a decoded request take when each stands with every partition below it. The wire tells a topic's name
// once for all of its partitions; the core and its events tell it with each, so that a name of 32 KB over 250,000
// partitions, a request of a megabyte, would become 8 GB. Thread: pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace weir::kafka {

namespace repeated {

inline std::size_t length_of(std::string_view name) { return name.size(); }
inline std::size_t length_of(const std::optional<std::string_view>& name) { return name ? name->size() : 0; }

template<class Topic>
std::size_t of_topic(const Topic& t) {
  if constexpr (requires { t.partitions.size(); }) return length_of(t.name) * t.partitions.size();
  if constexpr (requires { t.partition_indexes.size(); }) return length_of(t.name) * t.partition_indexes.size();
  return 0;
}

template<class Topic>
std::size_t of_list(const std::vector<Topic>& topics) {
  std::size_t n = 0;
  for (const Topic& t : topics) n += of_topic(t);
  return n;
}
template<class Topic>
std::size_t of_list(const std::optional<std::vector<Topic>>& topics) {
  return topics ? of_list(*topics) : 0;
}

}  // namespace repeated

template<class Request>
[[nodiscard]] std::size_t repeated_name_bytes(const Request& r) {
  std::size_t n = 0;
  if constexpr (requires { r.topics; }) n += repeated::of_list(r.topics);
  if constexpr (requires { r.groups.front().topics; }) {
    for (const auto& g : r.groups) n += repeated::of_list(g.topics);
  }
  return n;
}

}  // namespace weir::kafka
