#include "server/admin_session.h"

#include <gtest/gtest.h>

namespace weir::server {
namespace {

namespace json = boost::json;

struct fake_host final : protocol::session_host {
  int wakes = 0;
  protocol::endpoint where{"local", 0};
  void wake() override { ++wakes; }
  [[nodiscard]] const protocol::endpoint& local() const override { return where; }
  [[nodiscard]] const protocol::endpoint& peer() const override { return where; }
  [[nodiscard]] std::uint64_t connection_id() const override { return 1; }
  [[nodiscard]] std::size_t unsent() const override { return 0; }
};

class admin_session_test : public testing::Test {
 protected:
  admin_session_test() {
    operations_.add("echo", [](const json::object& request, const admin_operations::answer& done) {
      done(json::object{{"said", request.at("say")}});
    });
    operations_.add("later", [this](const json::object&, admin_operations::answer done) { later_ = std::move(done); });
    operations_.add(
        "fail", [](const json::object&, const admin_operations::answer& done) { done(fault(errc::busy, "not now")); });
    session_ = std::make_unique<admin_session>(host_, operations_);
  }
  std::size_t give(std::string_view text) { return session_->on_bytes(as_bytes(text), mono_ns{}); }
  std::string take() {
    std::string out(as_text(session_->out().tail()));
    session_->out().clear();
    return out;
  }
  fake_host host_;
  admin_operations operations_;
  admin_operations::answer later_;
  std::unique_ptr<admin_session> session_;
};

TEST_F(admin_session_test, a_line_is_answered_with_a_line) {
  EXPECT_EQ(give("{\"op\":\"echo\",\"say\":1}\n{\"op\":\"ec"), 22U);
  EXPECT_EQ(take(), "{\"ok\":true,\"said\":1}\n");
  EXPECT_GT(host_.wakes, 0);
}

TEST_F(admin_session_test, answers_keep_the_order_of_requests) {
  give("{\"op\":\"later\"}\n{\"op\":\"echo\",\"say\":2}\n");
  EXPECT_EQ(take(), "");
  EXPECT_FALSE(session_->idle());
  later_(json::object{{"late", true}});
  EXPECT_EQ(take(), "{\"ok\":true,\"late\":true}\n{\"ok\":true,\"said\":2}\n");
  EXPECT_TRUE(session_->idle());
}

TEST_F(admin_session_test, refusals_say_why) {
  give("{\"op\":\"fail\"}\n");
  EXPECT_EQ(take(), "{\"ok\":false,\"error\":{\"code\":\"busy\",\"message\":\"not now\"}}\n");
  give("{\"op\":\"ecko\"}\n");
  EXPECT_NE(take().find("did you mean echo?"), std::string::npos);
  give("{\"say\":1}\n");
  EXPECT_NE(take().find("no \\\"op\\\""), std::string::npos);
  for (const char* bad : {"[]\n", "{\n", "nonsense\n", "{\"op\":7}\n", "\xff\xfe\n"}) {
    give(bad);
    EXPECT_NE(take().find("\"ok\":false"), std::string::npos) << bad;
  }
  EXPECT_FALSE(session_->wants_close());
}

TEST_F(admin_session_test, deep_nesting_is_refused_not_followed) {
  give("{\"op\":" + std::string(10'000, '[') + "\n");
  EXPECT_NE(take().find("\"ok\":false"), std::string::npos);
}

TEST_F(admin_session_test, an_endless_line_ends_the_connection) {
  const std::string endless(admin_session::line_bytes_max + 2, 'x');
  EXPECT_EQ(give(endless), endless.size());
  EXPECT_TRUE(session_->wants_close());
}

TEST_F(admin_session_test, too_many_requests_in_the_works_pause_the_input) {
  std::string many;
  for (std::size_t i = 0; i < admin_session::requests_in_works_max + 5; ++i) many += "{\"op\":\"later\"}\n";
  const std::size_t consumed = give(many);
  EXPECT_EQ(consumed, admin_session::requests_in_works_max * 15);
  EXPECT_FALSE(session_->wants_read());
}

TEST_F(admin_session_test, an_answer_after_the_end_goes_nowhere) {
  give("{\"op\":\"later\"}\n");
  session_->on_closed();
  session_.reset();
  later_(json::object{});
}

}  // namespace
}  // namespace weir::server
