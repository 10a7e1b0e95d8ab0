// Any bytes on the admin socket, in pieces of any size: one answer per line, each a JSON object that says whether it went
// well, and no memory for a line that never ends.
#include <boost/json/parse.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "server/admin_session.h"

namespace {

using namespace weir;
using namespace weir::server;
namespace json = boost::json;

struct fuzz_host final : protocol::session_host {
  protocol::endpoint where{"local", 0};
  void wake() override {}
  [[nodiscard]] const protocol::endpoint& local() const override { return where; }
  [[nodiscard]] const protocol::endpoint& peer() const override { return where; }
  [[nodiscard]] std::uint64_t connection_id() const override { return 1; }
  [[nodiscard]] std::size_t unsent() const override { return 0; }
};

void check_answers(std::string_view out) {
  while (!out.empty()) {
    const std::size_t end = out.find('\n');
    WEIR_ASSERT(end != std::string_view::npos);
    const std::string_view line = out.substr(0, end);
    json::error_code error;
    const json::value answer = json::parse({line.data(), line.size()}, error);
    WEIR_ASSERT(!error && answer.is_object() && answer.get_object().contains("ok"));
    out.remove_prefix(end + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  fuzz_host host;
  admin_operations operations;
  operations.add("status", [](const json::object& request, const admin_operations::answer& done) {
    done(json::object{{"fields", request.size()}});
  });
  operations.add("fail",
                 [](const json::object&, const admin_operations::answer& done) { done(fault(errc::busy, "no")); });
  admin_operations::answer later;
  operations.add("later", [&](const json::object&, admin_operations::answer done) { later = std::move(done); });

  admin_session session(host, operations);
  const bytes all = std::as_bytes(std::span(data + 1, size - 1));
  const std::size_t piece = 1 + std::size_t{data[0]};
  std::size_t used = 0;
  for (std::size_t have = std::min(piece, all.size()); !session.wants_close() && session.wants_read();) {
    const std::size_t n = session.on_bytes(all.subspan(used, have - used), mono_ns{});
    WEIR_ASSERT(n <= have - used);
    used += n;
    if (have == all.size()) break;
    have = std::min(have + piece, all.size());
  }
  if (later) later(json::object{});
  check_answers(as_text(session.out().tail()));
  session.on_closed();
  if (later) later(json::object{});
  return 0;
}
