#include "storage/read_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "platform/sim/sim_disk.h"

namespace weir::storage {
namespace {

class reading : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string text(4096, '.');
    f = *disk.open("f", {true});
    ASSERT_TRUE(f->write_now(0, as_bytes(text)));
  }
  platform::io_done says(char name) {
    return [this, name](const result<std::size_t>& got) {
      EXPECT_TRUE(got && *got == 16);
      order += name;
    };
  }
  mutable_bytes room(std::size_t n) { return mutable_bytes(memory.at(n)); }
  void run(std::size_t reads) {
    EXPECT_EQ(world.run_until([&] { return order.size() == reads; }, 10'000), platform::sim::run_end::reached);
  }

  platform::sim::sim_world world{3};
  platform::sim::sim_volume volume{world, {}};
  platform::sim::sim_executor& reactor = world.add_reactor();
  platform::sim::sim_disk disk{volume, reactor};
  std::shared_ptr<platform::file> f;
  std::array<std::array<std::byte, 16>, 5> memory{};
  std::string order;
};

TEST_F(reading, who_waits_goes_before_what_is_read_ahead) {
  read_queue q(1);
  q.read_ahead(f, 0, room(0), says('a'));  // begins at once
  q.read_ahead(f, 0, room(1), says('b'));
  q.read_ahead(f, 0, room(2), says('c'));
  q.read(f, 0, room(3), says('x'));
  q.read(f, 0, room(4), says('y'));
  q.hurry(room(2).data());
  q.hurry(room(0).data());  // is under way
  run(5);
  EXPECT_EQ(order, "axycb");
}

TEST_F(reading, more_go_at_once_when_the_limit_rises) {
  read_queue q(1);
  for (std::size_t i = 0; i < 4; ++i) q.read(f, 0, room(i), says('r'));
  const mono_ns before = world.now();
  run(1);
  const std::int64_t one = world.now() - before;
  q.limit(1U << 20);
  run(4);
  EXPECT_LT(world.now() - before, 4 * one);
}

TEST_F(reading, nobody_is_called_when_the_queue_is_gone) {
  {
    read_queue q(1);
    q.read(f, 0, room(0), says('a'));
    q.read(f, 0, room(1), says('b'));
  }
  (void)world.run_until([] { return false; }, 1000);
  EXPECT_EQ(order, "");
}

}  // namespace
}  // namespace weir::storage
