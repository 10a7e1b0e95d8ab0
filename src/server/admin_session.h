// The admin API: one JSON object per line in, one per line out, in order.
//
// Request:  {"op": "status", ...}
// Answer:   {"ok": true, ...} or {"ok": false, "error": {"code": "not_found", "message": "..."}}
// Owner thread: reactor 0. It is offered on the Unix socket of the data folder, whose mode lets only its owner in.
#pragma once

#include <boost/json/object.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "protocol/common/session.h"

namespace weir::server {

// Operations by name. `done` is called once, on reactor 0, at once or later.
class admin_operations {
 public:
  using answer = std::function<void(result<boost::json::object>)>;
  using operation = std::function<void(const boost::json::object& request, answer done)>;

  void add(const std::string& name, operation op) { by_name_[name] = std::move(op); }
  void run(const boost::json::object& request, answer done) const;

 private:
  std::map<std::string, operation> by_name_;
};

class admin_session final : public protocol::session {
 public:
  static constexpr std::size_t line_bytes_max = 1 << 20;
  static constexpr std::size_t requests_in_works_max = 64;

  admin_session(protocol::session_host& host, const admin_operations& operations)
      : host_(host), operations_(operations) {}

  std::size_t on_bytes(bytes in, mono_ns now) override;
  void on_closed() override { *alive_ = false; }
  [[nodiscard]] bool wants_close() const override { return !reason_.empty() && waiting_.empty(); }
  [[nodiscard]] bool wants_read() const override { return waiting_.size() < requests_in_works_max; }
  [[nodiscard]] std::string close_reason() const override { return reason_; }
  [[nodiscard]] bool idle() const override { return waiting_.empty(); }
  [[nodiscard]] std::string describe() const override { return "admin"; }

 private:
  struct slot {
    bool answered = false;
    std::string line;
  };
  void on_line(std::string_view line);
  void answer(const std::shared_ptr<slot>& to, const result<boost::json::object>& what);

  protocol::session_host& host_;
  const admin_operations& operations_;
  std::deque<std::shared_ptr<slot>> waiting_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::string reason_;
};

}  // namespace weir::server
