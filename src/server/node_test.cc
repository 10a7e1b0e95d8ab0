#include "server/node.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

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

constexpr std::uint32_t reactors = 3;

// A folder that was used once, by a node that was stopped cleanly.
server_config used_folder() {
  std::string folder = testing::TempDir() + "weir_node_XXXXXX";
  EXPECT_NE(::mkdtemp(folder.data()), nullptr);
  server_config config;
  config.data_dir = folder + "/d";
  config.reactors = reactors;
  config.store.wal_file_bytes = 4 << 20;
  config.store.reserve_bytes = 0;
  config.listeners = {{"kafka", {"127.0.0.1", 0}}};
  auto made = node::open(config);
  EXPECT_TRUE(made.has_value()) << made.error().describe();
  EXPECT_TRUE((*made)->start().has_value());
  (*made)->request_stop();
  EXPECT_TRUE((*made)->run().has_value());
  return config;
}

// Every file of every store, with its bytes.
std::map<std::string, std::string> contents(const server_config& config) {
  std::map<std::string, std::string> out;
  for (std::uint32_t r = 0; r < reactors; ++r) {
    for (const auto& e : std::filesystem::recursive_directory_iterator(config.data_dir + "/r" + std::to_string(r))) {
      if (!e.is_regular_file()) continue;
      std::ifstream in(e.path(), std::ios::binary);
      out[e.path()] = std::string(std::istreambuf_iterator<char>(in), {});
    }
  }
  return out;
}

// Whichever reactor it is: the others neither wait for it for ever nor take it along, nor change anything.
TEST(node, does_not_start_on_state_that_it_does_not_understand) {
  for (std::uint32_t damaged = 0; damaged < reactors; ++damaged) {
    const server_config config = used_folder();
    write_unknown_record(config.data_dir + "/r" + std::to_string(damaged),
                         model::shard_id(damaged * static_cast<std::uint64_t>(config.shards_per_reactor)));
    const auto before = contents(config);
    const auto again = node::open(config);
    ASSERT_FALSE(again.has_value());
    EXPECT_EQ(again.error().code, errc::unsupported) << damaged;
    EXPECT_EQ(contents(config) == before, true) << damaged;
    std::filesystem::remove_all(std::filesystem::path(config.data_dir).parent_path());
  }
}

// The message of exit code 3 says that nothing was changed: in no store, not only in the damaged one.
TEST(node, changes_nothing_when_one_store_is_damaged) {
  for (std::uint32_t damaged = 0; damaged < reactors; ++damaged) {
    const server_config config = used_folder();
    const std::string file = config.data_dir + "/r" + std::to_string(damaged) + "/superblock";
    std::fstream superblock(file, std::ios::in | std::ios::out | std::ios::binary);
    superblock.seekg(20);
    const int byte = superblock.get();
    ASSERT_TRUE(superblock.good());
    superblock.seekp(20);
    superblock.put(static_cast<char>(byte ^ 1));
    superblock.close();
    const auto before = contents(config);
    const auto again = node::open(config);
    ASSERT_FALSE(again.has_value()) << damaged;
    EXPECT_EQ(again.error().code, errc::corrupt) << damaged << again.error().describe();
    EXPECT_NE(again.error().text.find("/r" + std::to_string(damaged)), std::string::npos) << again.error().text;
    EXPECT_EQ(contents(config) == before, true) << damaged;
    std::filesystem::remove_all(std::filesystem::path(config.data_dir).parent_path());
  }
}

TEST(node, opens_all_stores_again_after_a_start_that_was_refused) {
  const server_config config = used_folder();
  const std::string superblock = config.data_dir + "/r1/superblock";
  ASSERT_TRUE(std::filesystem::exists(superblock));
  std::filesystem::rename(superblock, superblock + ".away");
  ASSERT_FALSE(node::open(config).has_value());
  std::filesystem::rename(superblock + ".away", superblock);
  auto again = node::open(config);
  ASSERT_TRUE(again.has_value()) << again.error().describe();
  ASSERT_TRUE((*again)->start().has_value());
  (*again)->request_stop();
  EXPECT_TRUE((*again)->run().has_value());
  std::filesystem::remove_all(std::filesystem::path(config.data_dir).parent_path());
}

}  // namespace
}  // namespace weir::server
