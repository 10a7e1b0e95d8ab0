// Between the core's neutral words and Kafka's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/commands.h"
#include "protocol/kafka/errors.h"
#include "protocol/kafka/wire.h"

namespace weir::kafka {

[[nodiscard]] error_code to_error(model::refusal r) noexcept;

// Text for an optional message field: absent when empty.
[[nodiscard]] inline std::optional<std::string_view> optional_text(std::string_view s) {
  return s.empty() ? std::nullopt : std::optional<std::string_view>(s);
}

[[nodiscard]] inline std::optional<std::string_view> view_of(const std::optional<std::string>& s) {
  return s ? std::optional<std::string_view>(*s) : std::nullopt;
}

}  // namespace weir::kafka
