#include "security/access.h"

#include <gtest/gtest.h>

namespace weir::security {
namespace {

model::caller from(bool loopback) {
  model::caller c;
  c.loopback = loopback;
  return c;
}

TEST(access, denies_by_default) {
  const access door(false);
  EXPECT_FALSE(door.allow(from(false), resource::topic, "t", operation::read));
  EXPECT_FALSE(door.allow(from(false), resource::cluster, "", operation::create));
}

TEST(access, a_name_alone_gives_no_right) {
  const access door(false);
  model::caller c = from(false);
  c.principal = "loopback";
  c.host = "127.0.0.1";
  EXPECT_FALSE(door.allow(c, resource::topic, "t", operation::write));
}

TEST(access, loopback_peers_may) {
  const access door(false);
  EXPECT_TRUE(door.allow(from(true), resource::topic, "t", operation::write));
}

TEST(access, an_open_node_lets_everybody) {
  const access door(true);
  EXPECT_TRUE(door.allow(from(false), resource::group, "g", operation::read));
}

}  // namespace
}  // namespace weir::security
