// How configuration values are written: sizes, durations and addresses. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/common/session.h"

namespace weir::server {

// 4096, 64KiB, 1.5GiB, 10MB (powers of 1000), "-1" and "unlimited" where a negative is meaningful: -1.
[[nodiscard]] result<std::int64_t> parse_bytes(std::string_view text);
[[nodiscard]] std::string print_bytes(std::int64_t bytes);
// 500ms, 10s, 5m, 2h, 7d; a plain number is milliseconds; "never" and -1 are -1.
[[nodiscard]] result<std::int64_t> parse_duration_ms(std::string_view text);
[[nodiscard]] std::string print_duration_ms(std::int64_t ms);
[[nodiscard]] result<bool> parse_bool(std::string_view text);
[[nodiscard]] result<std::int64_t> parse_integer(std::string_view text);
[[nodiscard]] result<double> parse_real(std::string_view text);
// host:port, [v6]:port. The host must not be empty.
[[nodiscard]] result<protocol::endpoint> parse_endpoint(std::string_view text);
[[nodiscard]] std::string print_endpoint(const protocol::endpoint& e);

}  // namespace weir::server
