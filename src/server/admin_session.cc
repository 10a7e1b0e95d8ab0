#include "server/admin_session.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <utility>
#include <vector>

#include "base/nearest.h"

namespace weir::server {

namespace json = boost::json;

void admin_operations::run(const json::object& request, answer done) const {
  const json::value* op = request.if_contains("op");
  if (op == nullptr || !op->is_string()) return done(fault(errc::invalid, "the request has no \"op\""));
  const std::string name(op->get_string());
  const auto it = by_name_.find(name);
  if (it != by_name_.end()) return it->second(request, std::move(done));
  std::vector<std::string> names;
  for (const auto& [n, f] : by_name_) names.push_back(n);
  const auto near = nearest(name, names);
  done(fault(errc::not_found,
             "there is no operation of this name" + (near ? "; did you mean " + *near + "?" : std::string())));
}

std::size_t admin_session::on_bytes(bytes in, mono_ns /*now*/) {
  const std::string_view text = as_text(in);
  std::size_t at = 0;
  while (reason_.empty() && wants_read()) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string_view::npos) break;
    on_line(text.substr(at, end - at));
    at = end + 1;
  }
  if (reason_.empty() && text.size() - at > line_bytes_max) reason_ = "a request of the admin API is too long";
  return reason_.empty() ? at : text.size();
}

void admin_session::on_line(std::string_view line) {
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
  auto to = std::make_shared<slot>();
  waiting_.push_back(to);
  json::error_code error;
  const json::value request =
      line.size() > line_bytes_max ? json::value() : json::parse({line.data(), line.size()}, error);
  if (error || !request.is_object())
    return answer(to, fault(errc::invalid, "a request is one JSON object on one line"));
  operations_.run(request.get_object(), [this, alive = alive_, to](const result<json::object>& what) {
    if (*alive) answer(to, what);
  });
}

void admin_session::answer(const std::shared_ptr<slot>& to, const result<json::object>& what) {
  json::object out;
  out["ok"] = what.has_value();
  if (what) {
    for (const auto& field : *what) out[field.key()] = field.value();
  } else {
    out["error"] = {{"code", to_string(what.error().code)}, {"message", what.error().text}};
  }
  to->line = json::serialize(out) + "\n";
  to->answered = true;
  while (!waiting_.empty() && waiting_.front()->answered) {
    this->out().append(as_bytes(waiting_.front()->line));
    waiting_.pop_front();
  }
  host_.wake();
}

}  // namespace weir::server
