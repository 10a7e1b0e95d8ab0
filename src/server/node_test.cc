#include "server/node.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "platform/posix/open_disk.h"

namespace weir::server {
namespace {

class forgetful_machine final : public model::state_machine {
 public:
  void apply(const model::applied_record&) override {}
  void snapshot(model::shard_id, byte_vector&) const override {}
  result<void> restore(model::shard_id, bytes) override { return {}; }
  void on_durable(model::ticket) override {}
  void on_fenced(const fault&) override {}
  void on_writable() override {}
};

// A record of a newer release in the store of one reactor.
void write_unknown_record(const std::string& folder, model::shard_id shard) {
  platform::reactor loop;
  platform::posix_rng random;
  forgetful_machine machine;
  const storage::format_registry formats;
  auto disk = platform::open_disk(loop, folder, platform::disk_mode::automatic);
  ASSERT_TRUE(disk.has_value());
  auto store = storage::open_store(*disk->where, loop, loop.clock(), random, formats, machine, {});
  ASSERT_TRUE(store.has_value()) << store.error().describe();
  const byte_vector state(8);
  model::new_record r;
  r.shard = shard;
  r.state_kind = 39;
  r.state_version = 1;
  r.state = state;
  ASSERT_TRUE((*store)->writable(model::log_store::write_class::essential).has_value());
  const model::ticket t = (*store)->append(r);
  loop.run_until([&] { return (*store)->durable_ticket() >= t; });
}

// Whichever reactor it is: the others neither wait for it for ever nor take it along.
TEST(node, does_not_start_on_state_that_it_does_not_understand) {
  constexpr std::uint32_t reactors = 3;
  for (std::uint32_t damaged = 0; damaged < reactors; ++damaged) {
    std::string folder = testing::TempDir() + "weir_node_XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    server_config config;
    config.data_dir = folder + "/d";
    config.reactors = reactors;
    config.listeners = {{"kafka", {"127.0.0.1", 0}}};
    {
      auto made = node::open(config);
      ASSERT_TRUE(made.has_value()) << made.error().describe();
      ASSERT_TRUE((*made)->start().has_value());
      (*made)->request_stop();
      ASSERT_TRUE((*made)->run().has_value());
    }
    write_unknown_record(config.data_dir + "/r" + std::to_string(damaged),
                         model::shard_id(damaged * static_cast<std::uint64_t>(config.shards_per_reactor)));
    auto again = node::open(config);
    ASSERT_TRUE(again.has_value()) << again.error().describe();
    const auto started = (*again)->start();
    ASSERT_FALSE(started.has_value()) << damaged;
    EXPECT_EQ(started.error().code, errc::unsupported) << damaged;
  }
}

}  // namespace
}  // namespace weir::server
