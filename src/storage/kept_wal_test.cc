// Large entries that are not written a second time: the WAL's files are kept for them, read, used again, emptied.
#include <gtest/gtest.h>

#include <algorithm>

#include "storage/format/manifest.h"
#include "storage/store_fixture.h"

namespace weir::storage {
namespace {

constexpr model::log_id log_two{102};
constexpr std::size_t large = 50'000;

class kept_wal : public store_fixture {
 protected:
  kept_wal() {
    options.wal_first_file_bytes = options.wal_file_bytes;
    options.keep_entry_bytes = 16U << 10;
    options.keep_bytes_min = 16U << 10;
  }
  void put_large(model::log_id id, int count) {
    for (int i = 0; i < count; ++i) {
      // Two in one turn is what clients do; all at once would only wait in memory.
      put(id, std::to_string(s->info(id).end.raw()) + std::string(large, '+'));
      if (i % 2 != 0) settle();
    }
    settle();
  }
  void trim(model::log_id id, offset to) {
    model::new_record r;
    r.shard = shard_one;
    r.changes.push_back({model::log_change_kind::trim, id, to});
    (void)s->append(r);
    settle();
  }
  void expect_all(model::log_id id) {
    const auto info = s->info(id);
    for (offset at = info.start; at < info.end; ++at) {
      const std::string number = std::to_string(at.raw());
      EXPECT_EQ(get(id, at.raw(), 1), number + ":" + (number + std::string(20, '+')).substr(0, 20) + " ");
    }
  }
  std::string path_with(const std::string& text) const {
    for (const std::string& p : wal_paths()) {
      if (as_text(volume.find(p)->cache).find(text) != std::string_view::npos) return p;
    }
    return "";
  }
  std::vector<std::string> wal_paths() const {
    auto all = volume.paths();
    std::erase_if(all, [](const std::string& p) { return !p.starts_with("wal/"); });
    return all;
  }
};

TEST_F(kept_wal, large_entries_stay_where_the_wal_wrote_them) {
  create(log_one);
  put_large(log_one, 30);
  checkpoint();
  EXPECT_GE(s->stats().kept_bytes, 30 * large);
  EXPECT_EQ(s->stats().segment_bytes, 0U);
  put_large(log_one, 10);
  crash();
  open();
  EXPECT_GE(s->recovered().kept_files, 2U);
  expect_all(log_one);
  close();
  open();
  EXPECT_EQ(s->info(log_one).end, offset(40));
  EXPECT_EQ(s->recovered().replayed_records, 0U);
  expect_all(log_one);
  put_large(log_one, 30);  // the WAL goes on, and not in files that are kept
  checkpoint();
  crash();
  open();
  expect_all(log_one);
}

TEST_F(kept_wal, a_reader_in_order_finds_the_next_entry_read_already) {
  options.cache_bytes_max = 0;
  options.block_read_bytes = 16U << 10;
  options.read_ahead_bytes = 64U << 10;
  close();
  open();
  create(log_one);
  put_large(log_one, 12);
  checkpoint();
  close();
  open();
  const auto took = [&](std::int64_t at) {
    const mono_ns before = world.now();
    EXPECT_EQ(get(log_one, at, large).substr(0, 3), std::to_string(at) + ":" + std::to_string(at));
    const std::int64_t ns = world.now() - before;
    wait(20);
    return ns;
  };
  EXPECT_GT(took(0), 0);
  (void)took(1);
  for (std::int64_t at = 2; at < 8; ++at) EXPECT_EQ(took(at), 0) << at;
}

TEST_F(kept_wal, among_many_small_entries_nothing_is_kept) {
  create(log_one);
  put_large(log_one, 3);
  for (int i = 0; i < 200; ++i) put(log_one, std::to_string(s->info(log_one).end.raw()) + std::string(1000, '+'));
  checkpoint();
  EXPECT_EQ(s->stats().kept_bytes, 0U);
  EXPECT_GT(s->stats().segment_bytes, 3 * large + 200'000);
  expect_all(log_one);
}

TEST_F(kept_wal, small_entries_between_large_ones_are_written_as_ever) {
  create(log_one);
  create(log_two);
  for (int i = 0; i < 6; ++i) {
    put_large(log_one, 2);
    put(log_one, std::to_string(s->info(log_one).end.raw()) + std::string(100, '+'));
    put(log_two, std::to_string(s->info(log_two).end.raw()) + std::string(100, '+'));
  }
  checkpoint();
  EXPECT_GE(s->stats().kept_bytes, 12 * large);
  EXPECT_GT(s->stats().segment_bytes, 1200U);
  crash();
  open();
  EXPECT_EQ(s->info(log_one).end, offset(18));
  expect_all(log_one);
  expect_all(log_two);
}

TEST_F(kept_wal, a_file_is_used_again_when_nothing_refers_to_it) {
  create(log_one);
  for (int round = 0; round < 30; ++round) {
    put_large(log_one, 10);
    checkpoint();
    const offset end = s->info(log_one).end;
    trim(log_one, offset(std::max<std::int64_t>(end.raw() - 15, 0)));
  }
  EXPECT_GE(s->stats().kept_bytes, 25 * 10 * large) << "all but what came when no spare file was ready";
  EXPECT_LE(wal_paths().size(), 6U) << "of some 20 that were filled";
  expect_all(log_one);
  crash();
  open();
  expect_all(log_one);
  trim(log_one, s->info(log_one).end);
  close();
  open();
  EXPECT_EQ(s->recovered().kept_files, 0U);
}

// Until an edit of the manifest says so, a crash may bring back what referred to it.
TEST_F(kept_wal, a_file_is_not_used_again_before_the_manifest_lets_go_of_it) {
  crash();
  options.checkpoint_bytes = options.ring_bytes_max = 8U << 20;
  open();
  create(log_one);
  create(log_two);
  put_large(log_one, 30);
  checkpoint();
  put_large(log_one, 20);  // the WAL is in its third file
  bool done = false;
  s->checkpoint([&](const result<void>&) { done = true; });
  model::new_record r;
  r.shard = shard_one;
  r.changes.push_back({model::log_change_kind::trim, log_one, s->info(log_one).end});
  (void)s->append(r);  // after the checkpoint began: it does not know
  run([&] { return done; });
  const std::string name = path_with("25++++");
  const byte_vector before = volume.find(name)->cache;
  put_large(log_two, 120);
  ASSERT_NE(volume.find(name), nullptr);
  EXPECT_TRUE(volume.find(name)->cache == before);
  for (int i = 0; i < 4; ++i) {
    checkpoint();
    put_large(log_two, 60);
  }
  const auto* later = volume.find(name);
  EXPECT_TRUE(later == nullptr || later->cache != before) << "or it was never going to be used again";
  crash();
  open();
  EXPECT_EQ(s->info(log_one).start, offset(50));
  expect_all(log_two);
}

TEST_F(kept_wal, a_file_that_somebody_reads_is_not_written_over) {
  create(log_one);
  put_large(log_one, 30);
  close();
  open();
  std::string got;
  volume.slow_factor = 50'000;
  s->read({log_one, offset(2), offset(3), 1, true}, [&](const result<model::read_batch>& r) {
    got = r ? std::string(as_text(r->entries.front().payload)).substr(0, 3) : r.error().describe();
  });
  volume.slow_factor = 1;
  trim(log_one, offset(30));
  checkpoint();
  put_large(log_one, 90);
  ASSERT_EQ(got, "") << "the read was over too soon to show anything";
  run([&] { return !got.empty(); });
  EXPECT_EQ(got, "2++");
}

TEST_F(kept_wal, what_is_left_in_a_nearly_dead_file_is_moved) {
  create(log_one);
  create(log_two);
  put_large(log_one, 8);
  put_large(log_two, 1);
  put_large(log_one, 30);
  checkpoint();
  put_large(log_one, 30);
  checkpoint();
  trim(log_one, s->info(log_one).end);
  checkpoint();
  wait(5000);
  close();
  open();
  EXPECT_EQ(s->recovered().kept_files, 0U);
  EXPECT_EQ(s->recovered().files, 1U) << "the moved entry's";
  expect_all(log_two);
}

TEST_F(kept_wal, the_space_of_a_deleted_log_comes_back_though_another_stands_between) {
  create(log_one);
  create(log_two);
  for (int i = 0; i < 20; ++i) {
    put_large(log_one, 4);
    put_large(log_two, 3);
  }
  checkpoint();
  put_large(log_one, 30);
  checkpoint();
  const std::uint64_t before = volume.used_bytes();
  trim(log_one, s->info(log_one).end);
  wait(2000);
  EXPECT_GT(volume.used_bytes() + 40 * large, before) << "while there may be more to come the rest stays";
  wait(60'000);
  EXPECT_LT(volume.used_bytes(), before - 80 * large);
  expect_all(log_two);
  crash();
  open();
  expect_all(log_two);
}

TEST_F(kept_wal, a_removed_log_frees_its_files_also_those_that_the_wal_still_has) {
  create(log_one);
  create(log_two);
  put_large(log_one, 30);
  checkpoint();
  model::new_record r;
  r.shard = shard_one;
  r.changes.push_back({model::log_change_kind::remove, log_one, {}});
  (void)s->append(r);
  put_large(log_two, 4);  // into the same file as the last of the other
  checkpoint();
  checkpoint();
  crash();
  open();
  EXPECT_EQ(s->recovered().kept_files, 1U);
  expect_all(log_two);
}

TEST_F(kept_wal, damage_in_a_kept_file_is_reported_with_its_name) {
  create(log_one);
  put_large(log_one, 30);
  checkpoint();
  close();
  ASSERT_TRUE(volume.flip_bit("wal/1.wal", (3 * large + 5000) * 8));
  open();
  EXPECT_NE(get(log_one, 2, 1).find("wal/1.wal at byte"), std::string::npos);
  EXPECT_EQ(get(log_one, 20, 1), "20:20++++++++++++++++++ ");
}

TEST_F(kept_wal, a_kept_file_that_is_missing_is_damage) {
  create(log_one);
  put_large(log_one, 60);
  checkpoint();
  crash();
  disk = std::make_unique<platform::sim::sim_disk>(volume, reactor);
  ASSERT_TRUE(disk->unlink_now("wal/1.wal"));
  EXPECT_NE(try_open().find("wal/1.wal is missing"), std::string::npos);
}

TEST_F(kept_wal, a_strangers_file_whose_number_has_the_bit_of_kept_ones_is_left_alone) {
  create(log_one);
  put_large(log_one, 4);
  crash();
  const std::string name = "wal/" + std::to_string(kept_wal_bit | 1) + ".wal";
  disk = std::make_unique<platform::sim::sim_disk>(volume, reactor);
  {
    auto stranger = disk->open(name, {.create = true});
    ASSERT_TRUE(stranger);
    ASSERT_TRUE((*stranger)->write_now(0, as_bytes("not a write-ahead log")));
  }
  open();
  put_large(log_one, 60);
  checkpoint();
  expect_all(log_one);
  EXPECT_EQ(as_text(volume.find(name)->cache), "not a write-ahead log");
  for (const std::string& p : wal_paths())
    EXPECT_TRUE(p == name || p.size() < name.size()) << p << ": numbers went on from the stranger's";
  crash();
  open();
  expect_all(log_one);
}

TEST(kept_wal_manifest, kinds_and_numbers_must_fit) {
  const auto decoded = [](data_file_kind kind, std::uint64_t id) {
    manifest_edit e;
    e.files.push_back({id, kind, true, model::log_id{}, 17, 4096});
    const byte_vector out = encode_manifest_edit(e);
    std::size_t used = 0;
    const auto back = decode_manifest_edit(out, used);
    return back ? errc::ok : back.error().code;
  };
  EXPECT_EQ(decoded(data_file_kind::wal, kept_wal_bit | 5), errc::ok);
  EXPECT_EQ(decoded(data_file_kind::wal, 5), errc::corrupt);
  EXPECT_EQ(decoded(data_file_kind::own, kept_wal_bit | 5), errc::corrupt);
  EXPECT_EQ(decoded(static_cast<data_file_kind>(4), 5), errc::unsupported);
  EXPECT_EQ(decoded(static_cast<data_file_kind>(0), 5), errc::unsupported);
}

}  // namespace
}  // namespace weir::storage
