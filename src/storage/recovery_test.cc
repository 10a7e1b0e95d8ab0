// Recovery on folders that are written by hand: what a manifest means, edit by edit.
#include "storage/recovery.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "platform/sim/sim_disk.h"
#include "storage/format/manifest.h"
#include "storage/store.h"
#include "storage/superblock_file.h"

namespace weir::storage {
namespace {

using model::offset;

constexpr std::uint64_t store_number = 42;
constexpr model::shard_id shard_one{7};
constexpr model::log_id log_one{101};
constexpr std::uint64_t old_file = 1;
constexpr std::uint64_t rewritten_file = 2;

class idle_machine final : public model::state_machine {
 public:
  void apply(const model::applied_record&) override {}
  void snapshot(model::shard_id, byte_vector&) const override {}
  result<void> restore(model::shard_id, bytes) override { return {}; }
  void on_durable(model::ticket) override {}
  void on_fenced(const fault&) override {}
  void on_writable() override {}
};

// A log of ten records in one file that was compacted into another, with the data folder empty. The trim to `start` was
// recorded after the compaction had begun and before the edit that names what came of it.
std::vector<manifest_edit> compaction_that_a_trim_met(offset start) {
  constexpr std::uint64_t data_bytes = 500;
  const auto file = [](std::uint64_t id) {
    return manifest_file{id, data_file_kind::own, true, log_one, 0, data_header_bytes + data_bytes};
  };
  const auto extent_in = [](std::uint64_t id) {
    return manifest_extent{log_one, id, data_header_bytes, data_bytes, offset(0), offset(10), 5};
  };
  std::vector<manifest_edit> edits(4);
  edits[0].logs = {{log_one, shard_one, offset(0), offset(10)}};
  edits[0].files = {file(old_file)};
  edits[0].extents = {extent_in(old_file)};
  edits[1].logs = {{log_one, shard_one, start, offset(10)}};
  edits[2].files = {file(rewritten_file)};
  edits[2].cuts = {{log_one, offset(0), offset(10)}};
  edits[2].extents = {extent_in(rewritten_file)};
  edits[3].removed_files = {old_file, rewritten_file};
  for (std::size_t i = 0; i < edits.size(); ++i) {
    edits[i].seq = i + 1;
    edits[i].next_file_id = rewritten_file + 1;
  }
  return edits;
}

class recovery_test : public ::testing::Test {
 protected:
  void TearDown() override {
    s.reset();
    reactor.drop_all();
  }
  void write_store(const std::vector<manifest_edit>& edits) {
    ASSERT_TRUE(disk.make_folder("wal"));
    ASSERT_TRUE(disk.make_folder("data"));
    ASSERT_TRUE(store_superblock(disk, {.store_id = store_number, .incarnation = 1}));
    byte_vector data = encode_manifest_header(store_number);
    for (const manifest_edit& e : edits) {
      const byte_vector body = encode_manifest_edit(e);
      data.insert(data.end(), body.begin(), body.end());
    }
    auto f = disk.open("manifest", {.create = true});
    ASSERT_TRUE(f);
    ASSERT_TRUE((*f)->write_now(0, data));
  }
  std::string try_open() {
    store_options options;
    options.reserve_bytes = 0;
    auto opened = open_store(disk, reactor, world.time(), random, formats, machine, options);
    if (!opened) return opened.error().describe();
    s = std::move(*opened);
    return "ok";
  }

  platform::sim::sim_world world{11};
  platform::sim::sim_volume volume{world, {}};
  platform::sim::sim_executor& reactor = world.add_reactor();
  platform::sim::sim_rng random{5};
  platform::sim::sim_disk disk{volume, reactor};
  format_registry formats;
  idle_machine machine;
  std::unique_ptr<store> s;
};

// The store that wrote these edits had not counted the new extent, and removed its file.
TEST_F(recovery_test, an_extent_below_a_start_that_an_earlier_edit_moved_does_not_count) {
  write_store(compaction_that_a_trim_met(offset(10)));
  ASSERT_EQ(try_open(), "ok");
  EXPECT_EQ(s->info(log_one).start, offset(10));
  EXPECT_EQ(s->info(log_one).end, offset(10));
  EXPECT_EQ(s->recovered().files, 0U);
}

TEST_F(recovery_test, an_extent_that_reaches_beyond_the_start_counts) {
  write_store(compaction_that_a_trim_met(offset(9)));
  EXPECT_EQ(try_open(), "corrupt: data/0000000000000002.log is missing");
}

}  // namespace
}  // namespace weir::storage
