// What somebody probably meant: the nearest name to a misspelt one, for refusals that help. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

// The candidate with the smallest edit distance to `name`, when it is near enough to be what was meant. Names may have
// sections (`section.key`): the right key in a wrong section counts as near.
[[nodiscard]] std::optional<std::string> nearest(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace weir
