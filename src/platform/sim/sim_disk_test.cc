// What the simulated disk promises to the code above it, and what it dares to lose. Every claim is tried over
// seeds: "may" needs at least one seed that does, "never" needs all of them.
#include "platform/sim/sim_disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>

namespace weir::platform::sim {
namespace {

struct node {
  explicit node(std::uint64_t seed, volume_options o = {})
      : world(seed), volume(world, o), reactor(world.add_reactor()) {
    boot();
  }
  void boot() { disk = std::make_unique<sim_disk>(volume, reactor); }
  void crash() {
    if (!volume.dead()) volume.cut_power();
    disk.reset();
    reactor.drop_all();
    volume.power_cycle();
    boot();
  }
  std::shared_ptr<file> open(const std::string& path, bool create = true, bool durable = false) {
    auto f = disk->open(path, {create, false, durable});
    return f ? *f : nullptr;
  }
  void run() {
    (void)world.run_until([] { return false; }, 100'000);
  }
  std::string content(const std::string& path) {
    const sim_inode* n = volume.find(path);
    return n == nullptr ? "<none>" : std::string(as_text(n->cache));
  }

  sim_world world;
  sim_volume volume;
  sim_executor& reactor;
  std::unique_ptr<sim_disk> disk;
};

std::string filled(std::size_t n, char c) { return std::string(n, c); }

struct aligned {
  explicit aligned(std::size_t n, char c)
      : data(static_cast<std::byte*>(std::aligned_alloc(disk_block_bytes, n))), size(n) {
    std::fill_n(data, n, static_cast<std::byte>(c));
  }
  ~aligned() { std::free(data); }
  aligned(const aligned&) = delete;
  aligned& operator=(const aligned&) = delete;
  [[nodiscard]] bytes view() const { return {data, size}; }
  std::byte* data;
  std::size_t size;
};

// A file of two synced blocks of 'a', with its name durable.
void make_base(node& n, std::size_t blocks = 2) {
  auto f = n.open("f");
  ASSERT_TRUE(f->write_now(0, as_bytes(filled(blocks * 4096, 'a'))));
  ASSERT_TRUE(f->sync_now());
  ASSERT_TRUE(n.disk->sync_folder_now(""));
}

TEST(sim_disk, synced_bytes_with_a_synced_name_survive_every_crash) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    node n(seed);
    make_base(n);
    n.crash();
    EXPECT_EQ(n.content("f"), filled(8192, 'a'));
  }
}

TEST(sim_disk, unsynced_blocks_survive_in_any_subset_and_tear_between_sectors) {
  std::set<std::string> seen;
  bool torn = false;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    node n(seed);
    make_base(n);
    (void)n.open("f")->write_now(0, as_bytes(filled(8192, 'b')));
    n.crash();
    const std::string c = n.content("f");
    ASSERT_EQ(c.size(), 8192U);
    std::string shape;
    for (std::size_t s = 0; s < c.size(); s += 512) {
      EXPECT_EQ(c.substr(s, 512), filled(512, c[s]));
      shape += c[s];
    }
    const auto whole = [&](std::size_t b) { return shape.substr(b * 8, 8) == filled(8, shape[b * 8]); };
    torn |= !whole(0);
    if (whole(0) && whole(1)) seen.insert({shape[0], shape[8]});
  }
  EXPECT_EQ(seen, (std::set<std::string>{"aa", "ab", "ba", "bb"}));
  EXPECT_TRUE(torn);
}

TEST(sim_disk, an_unsynced_name_may_go_and_may_stay) {
  bool gone = false;
  bool stayed = false;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    node n(seed);
    auto f = n.open("f");
    (void)f->write_now(0, as_bytes("x"));
    (void)f->sync_now();
    f.reset();
    n.crash();
    (n.volume.find("f") == nullptr ? gone : stayed) = true;
  }
  EXPECT_TRUE(gone && stayed);
}

TEST(sim_disk, an_unsynced_rename_leaves_one_of_both_and_a_synced_one_is_final) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    node n(seed);
    make_base(n);
    auto t = n.open("t");
    (void)t->write_now(0, as_bytes("new"));
    (void)t->sync_now();
    t.reset();
    (void)n.disk->sync_folder_now("");
    ASSERT_TRUE(n.disk->rename("t", "f"));
    EXPECT_EQ(n.content("f"), "new");
    if (seed % 2 == 0) (void)n.disk->sync_folder_now("");
    n.crash();
    if (seed % 2 == 0) {
      EXPECT_EQ(n.content("f"), "new");
    }
    seen.insert(n.content("f").substr(0, 3) + (n.volume.find("t") != nullptr ? "+t" : ""));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"aaa+t", "new"}));
}

TEST(sim_disk, a_failed_sync_of_a_folder_may_lose_a_name_for_good_and_a_rename_saves_it) {
  std::set<std::string> seen;
  std::set<std::string> renamed;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    node n(seed);
    n.open("f").reset();
    n.volume.faults.sync_folder = 1;
    EXPECT_FALSE(n.disk->sync_folder_now(""));
    n.volume.faults = {};
    const bool again = seed % 2 == 1;
    if (again) {
      ASSERT_TRUE(n.disk->rename("f", "g"));
    }
    ASSERT_TRUE(n.disk->sync_folder_now(""));
    EXPECT_NE(n.volume.find(again ? "g" : "f"), nullptr);  // it looks well until the power goes
    n.crash();
    (again ? renamed : seen)
        .insert(std::string(n.volume.find("f") != nullptr ? "f" : "") + (n.volume.find("g") != nullptr ? "g" : ""));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"", "f"}));
  EXPECT_EQ(renamed, (std::set<std::string>{"g"}));
}

TEST(sim_disk, an_unsynced_unlink_may_come_back_with_its_bytes) {
  bool back = false;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    node n(seed);
    make_base(n);
    ASSERT_TRUE(n.disk->unlink_now("f"));
    EXPECT_EQ(n.volume.used_bytes(), 0U);
    n.crash();
    if (n.volume.find("f") == nullptr) continue;
    back = true;
    EXPECT_EQ(n.content("f"), filled(8192, 'a'));
    EXPECT_EQ(n.volume.used_bytes(), 8192U);
  }
  EXPECT_TRUE(back);
}

TEST(sim_disk, a_folder_that_was_not_synced_takes_its_files_with_it) {
  bool gone = false;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    node n(seed);
    ASSERT_TRUE(n.disk->make_folder("d"));
    auto f = n.open("d/f");
    ASSERT_NE(f, nullptr);
    f.reset();
    ASSERT_TRUE(n.disk->sync_folder_now("d"));
    n.crash();
    gone |= n.volume.find("d/f") == nullptr;
  }
  EXPECT_TRUE(gone);
}

TEST(sim_disk, durable_writes_are_whole_when_complete_and_any_sectors_in_flight) {
  for (const bool direct : {true, false}) {
    bool partly = false;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      node n(seed, {.direct = direct});
      make_base(n);
      auto f = n.open("f", false, true);
      const aligned b(4096, 'b');
      const aligned c(4096, 'c');
      bool done = false;
      f->write(0, {b.view()}, [&](auto r) { done = r && *r == 4096; });
      n.run();
      ASSERT_TRUE(done);
      f->write(4096, {c.view()}, [](auto) { FAIL() << "completed after the power went"; });
      f.reset();
      n.volume.cut_power();
      n.crash();
      const std::string now = n.content("f");
      EXPECT_EQ(now.substr(0, 4096), filled(4096, 'b'));
      const auto kept = std::count(now.begin() + 4096, now.end(), 'c');
      EXPECT_EQ(kept % 512, 0);
      partly |= kept > 0 && kept < 4096;
    }
    EXPECT_TRUE(partly);
  }
}

TEST(sim_disk, completions_come_later_and_in_any_order) {
  bool turned = false;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    node n(seed);
    auto f = n.open("f", true, true);
    const aligned b(4096, 'b');
    const aligned c(4096, 'c');
    std::string order;
    f->write(0, {b.view()}, [&](auto) { order += 'b'; });
    f->write(4096, {c.view()}, [&](auto) { order += 'c'; });
    EXPECT_EQ(order, "");
    n.run();
    EXPECT_EQ(order.size(), 2U);
    turned |= order == "cb";
    f.reset();
    EXPECT_TRUE(n.volume.violations().empty());
  }
  EXPECT_TRUE(turned);
}

TEST(sim_disk, a_failed_sync_loses_pages_and_a_later_sync_succeeds_without_them) {
  bool lost = false;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    node n(seed);
    make_base(n);
    auto f = n.open("f");
    (void)f->write_now(0, as_bytes(filled(8192, 'b')));
    n.volume.faults.sync = 1;
    EXPECT_EQ(f->sync_now().error().code, errc::io);
    n.volume.faults.sync = 0;
    EXPECT_TRUE(f->sync_now());
    EXPECT_EQ(n.content("f"), filled(8192, 'b'));  // the cache still shows it
    f.reset();
    n.crash();
    lost |= n.content("f") != filled(8192, 'b');
  }
  EXPECT_TRUE(lost);
}

TEST(sim_disk, an_older_sync_that_ends_later_does_not_undo_a_newer_one) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    node n(seed);
    make_base(n);
    auto f = n.open("f");
    int done = 0;
    (void)f->write_now(0, as_bytes(filled(4096, 'b')));
    f->sync([&](auto r) { done += r.has_value(); });
    (void)f->write_now(0, as_bytes(filled(12288, 'c')));
    f->sync([&](auto r) { done += r.has_value(); });
    n.run();
    ASSERT_EQ(done, 2);
    f.reset();
    n.crash();
    EXPECT_EQ(n.content("f"), filled(12288, 'c'));
  }
}

TEST(sim_disk, a_full_disk_refuses_new_blocks_and_takes_old_ones) {
  node n(1, {.capacity_bytes = 4ULL * 4096});
  make_base(n, 3);
  auto f = n.open("f");
  EXPECT_EQ(f->write_now(3ULL * 4096, as_bytes(filled(8192, 'b'))).error().code, errc::no_space);
  EXPECT_TRUE(f->write_now(0, as_bytes(filled(8192, 'b'))));
  EXPECT_EQ(n.disk->space()->free_bytes, 0U);
  f.reset();
  EXPECT_TRUE(n.disk->unlink_now("f"));
  EXPECT_EQ(n.disk->space()->free_bytes, 4U * 4096);
}

TEST(sim_disk, truncation_and_growth_survive_in_part_until_synced) {
  std::set<std::uint64_t> sizes;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    node n(seed);
    make_base(n);
    ASSERT_TRUE(n.open("f")->truncate_now(100));
    n.crash();
    sizes.insert(n.content("f").size());
    EXPECT_EQ(n.content("f"), filled(n.content("f").size(), 'a'));
  }
  EXPECT_TRUE(sizes.contains(100) && sizes.contains(8192) && sizes.size() > 2);
}

TEST(sim_disk, the_power_goes_exactly_at_the_planned_point) {
  node n(1);
  make_base(n);
  n.volume.arm({.nth = 2, .kind = op_kind::write, .file_class = "", .after = false});
  auto f = n.open("f");
  EXPECT_TRUE(f->write_now(0, as_bytes("1")));
  EXPECT_FALSE(n.volume.dead());
  EXPECT_FALSE(f->write_now(0, as_bytes("2")));
  EXPECT_TRUE(n.volume.dead());
  EXPECT_EQ(n.volume.died_at(), (crash_site{op_kind::write, "f"}));
  EXPECT_EQ(n.volume.sites().at({op_kind::write, "f"}).crashed, 1U);
  EXPECT_FALSE(f->sync_now());
  f.reset();
  n.crash();
  EXPECT_FALSE(n.volume.dead());
}

TEST(sim_disk, a_planned_point_after_the_effect_keeps_it) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    node n(seed);
    make_base(n);
    auto f = n.open("f");
    (void)f->write_now(0, as_bytes(filled(8192, 'b')));
    n.volume.arm({.nth = 1, .kind = op_kind::sync, .file_class = "f", .after = true});
    f->sync([](auto) { FAIL() << "nobody sees this completion"; });
    n.run();
    EXPECT_TRUE(n.volume.dead());
    f.reset();
    n.crash();
    EXPECT_EQ(n.content("f"), filled(8192, 'b'));
  }
}

TEST(sim_disk, a_killed_process_leaves_the_cache_to_the_next_and_the_power_may_still_take_it) {
  bool lost = false;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    node n(seed);
    make_base(n);
    (void)n.open("f")->write_now(0, as_bytes(filled(4096, 'b')));
    n.volume.cut_power();
    n.disk.reset();
    n.reactor.drop_all();
    n.volume.kill_process();
    n.boot();
    EXPECT_EQ(n.content("f").substr(0, 4096), filled(4096, 'b'));
    n.crash();
    lost |= n.content("f")[0] == 'a';
  }
  EXPECT_TRUE(lost);
}

TEST(sim_disk, broken_rules_of_the_seam_are_noticed) {
  node n(1);
  auto f = n.open("f", true, true);
  aligned b(4096, 'b');
  f->write(0, {b.view()}, [](auto) {});
  b.data[7] = std::byte{0};
  n.run();
  f->write(100, {b.view().first(10)}, [](auto) {});
  f->write(0, {b.view()}, [](auto) {});
  f.reset();
  n.run();
  const std::vector<std::string> expected{"memory changed while it was written to f", "unaligned durable write to f",
                                          "overlapping writes in flight to f", "closed with operations outstanding: f"};
  EXPECT_EQ(n.volume.violations(), expected);
}

TEST(sim_disk, a_flipped_bit_stays_and_a_flipped_read_does_not) {
  node n(1);
  make_base(n);
  ASSERT_TRUE(n.volume.flip_bit("f", 8));
  n.crash();
  EXPECT_EQ(n.content("f")[1], 'a' ^ 1);
  EXPECT_FALSE(n.volume.flip_bit("f", 8ULL * 8192));
  n.volume.faults.read_flip = 1;
  byte_vector into(9000);
  EXPECT_EQ(*n.open("f")->read_now(2, into), 8190U);  // short only at the end
  EXPECT_NE(as_text(into).substr(0, 8190), filled(8190, 'a'));
  n.volume.faults.read_flip = 0;
  (void)n.open("f")->read_now(2, into);
  EXPECT_EQ(as_text(into).substr(0, 8190), filled(8190, 'a'));
}

TEST(sim_disk, lists_folders_and_files_by_name) {
  node n(1);
  ASSERT_TRUE(n.disk->make_folder("d"));
  (void)n.open("d/b");
  (void)n.open("d/a");
  ASSERT_TRUE(n.disk->make_folder("d/c"));
  (void)n.open("d/c/x");
  const auto l = *n.disk->list("d");
  ASSERT_EQ(l.size(), 3U);
  EXPECT_EQ(l[0].name, "a");
  EXPECT_TRUE(l[2].is_folder);
  EXPECT_EQ(n.disk->list("e").error().code, errc::not_found);
  EXPECT_EQ(n.disk->open("e/f", {.create = true}).error().code, errc::not_found);
  EXPECT_EQ(n.disk->open("d/a", {.create = true, .exclusive = true}).error().code, errc::exists);
}

TEST(sim_disk, file_classes_replace_numbers) {
  EXPECT_EQ(file_class("wal/000017.wal"), "wal/#.wal");
  EXPECT_EQ(file_class("seg/00ab34ff-12.log"), "seg/#-#.log");
  EXPECT_EQ(file_class("manifest"), "manifest");
  EXPECT_EQ(file_class("manifest.tmp"), "manifest.tmp");
  EXPECT_EQ(file_class("a/manifest-3"), "a/manifest-#");
}

}  // namespace
}  // namespace weir::platform::sim
