// The store on the simulated disk: each promise of the log port once, by hand. The crash simulator (tests/sim) does the
// rest by seeds.
#include "storage/store.h"

#include <gtest/gtest.h>

#include <string>

#include "storage/format/wal_block.h"
#include "storage/store_fixture.h"

namespace weir::storage {
namespace {

class store_test : public store_fixture {};

TEST_F(store_test, appends_are_read_back_and_become_durable) {
  EXPECT_TRUE(s->recovered().created);
  create(log_one);
  put(log_one, "alpha");
  const auto t = put(log_one, "beta", 3);
  put(log_one, "gamma");
  EXPECT_EQ(s->info(log_one).end, offset(5));
  EXPECT_EQ(s->info(log_one).durable_end, offset(0));
  settle();
  EXPECT_EQ(s->info(log_one).durable_end, offset(5));
  EXPECT_GE(machine->durable, t);
  EXPECT_EQ(get(log_one, 0), "0:alpha 1:beta 4:gamma ");
  EXPECT_EQ(get(log_one, 2), "1:beta 4:gamma ");
  EXPECT_EQ(get(log_one, 0, 1), "0:alpha ");
  EXPECT_EQ(get(log_one, 0, 1U << 20, 4), "0:alpha 1:beta ");
  EXPECT_EQ(get(log_one, 5), "");
  EXPECT_NE(get(log_one, 6).find("outside"), std::string::npos);
}

TEST_F(store_test, a_crash_keeps_what_was_durable) {
  create(log_one);
  for (int i = 0; i < 100; ++i) put(log_one, "record " + std::to_string(i));
  settle();
  const auto before = machine->shards;
  crash();
  open();
  EXPECT_EQ(machine->shards, before);
  EXPECT_EQ(s->info(log_one).end, offset(100));
  EXPECT_EQ(s->info(log_one).durable_end, offset(100));
  EXPECT_EQ(get(log_one, 99), "99:record 99 ");
  put(log_one, "after");
  settle();
  crash();
  open();
  EXPECT_EQ(get(log_one, 99), "99:record 99 100:after ");
  EXPECT_EQ(s->recovered().incarnation, 3U);
}

TEST_F(store_test, a_checkpoint_covers_the_wal) {
  create(log_one);
  for (int i = 0; i < 100; ++i) put(log_one, "record " + std::to_string(i));
  create(model::log_id(102));
  put(model::log_id(102), std::string(40'000, 'x'));
  checkpoint();
  put(log_one, "later");
  settle();
  const auto before = machine->shards;
  crash();
  open();
  EXPECT_EQ(machine->shards, before);
  EXPECT_EQ(s->recovered().replayed_records, 1U);
  EXPECT_EQ(s->info(log_one).end, offset(101));
  EXPECT_EQ(s->info(log_one).start, offset(0));
}

TEST_F(store_test, a_clean_close_leaves_nothing_to_replay) {
  create(log_one);
  put(log_one, "one");
  close();
  open();
  EXPECT_EQ(s->recovered().replayed_records, 0U);
  EXPECT_EQ(s->info(log_one).end, offset(1));
}

TEST_F(store_test, reads_come_from_files_after_a_restart) {
  const model::log_id big(102);
  create(log_one);
  create(big);
  for (int i = 0; i < 40; ++i) put(log_one, "small " + std::to_string(i), 2, 1000 + i);
  for (int i = 0; i < 200; ++i) put(big, "big " + std::to_string(i) + std::string(1500, '.'), 3, 1000 + i);
  close();
  open();
  EXPECT_EQ(get(log_one, 3, 14), "2:small 1 4:small 2 ");
  EXPECT_EQ(get(log_one, 79), "78:small 39 ");
  for (const int at : {0, 1, 2, 3, 299, 300, 301, 597, 599}) {
    const int i = at / 3;
    EXPECT_EQ(get(big, at, 1),
              std::to_string(i * 3) + ":" + ("big " + std::to_string(i) + std::string(20, '.')).substr(0, 20) + " ");
  }
  // The whole log, in reads of a sequential reader, crossing into memory.
  put(big, "tail");
  std::int64_t next = 0;
  while (next < 601) {
    const std::string got = get(big, next, 9000);
    ASSERT_FALSE(got.empty());
    EXPECT_EQ(got.substr(0, got.find(':')), std::to_string(next));
    next += 3 * std::count(got.begin(), got.end(), 'b') + (got.find("tail") != std::string::npos ? 1 : 0);
  }
  EXPECT_EQ(next, 601);
}

TEST_F(store_test, search_by_time_finds_the_first_entry_that_reaches_it) {
  const model::log_id big(102);
  create(big);
  for (int i = 0; i < 200; ++i) put(big, std::string(1500, '.'), 1, 1000 + i);
  const auto find = [&](std::int64_t ms, std::int64_t below) {
    std::int64_t at = -2;
    s->find_time(big, ms, offset(below), [&](const result<std::optional<model::read_batch>>& r) {
      ASSERT_TRUE(r) << r.error().describe();
      at = *r ? (*r)->entries.at(0).base.raw() : -1;
    });
    run([&] { return at != -2; });
    return at;
  };
  const auto latest = [&](std::int64_t below) {
    std::int64_t at = -2;
    s->find_latest_time(big, offset(below), [&](const result<std::optional<model::read_batch>>& r) {
      ASSERT_TRUE(r) << r.error().describe();
      at = *r ? (*r)->entries.at(0).base.raw() : -1;
    });
    run([&] { return at != -2; });
    return at;
  };
  for (const char* where : {"memory", "files"}) {
    EXPECT_EQ(find(0, 1000), 0) << where;
    EXPECT_EQ(find(1150, 1000), 150) << where;
    EXPECT_EQ(find(1150, 150), -1) << where;
    EXPECT_EQ(find(1200, 1000), -1) << where;
    EXPECT_EQ(latest(1000), 199) << where;
    EXPECT_EQ(latest(77), 76) << where;
    EXPECT_EQ(latest(0), -1) << where;
    if (std::string(where) == "memory") {
      close();
      open();
    }
  }
}

TEST_F(store_test, compaction_keeps_the_latest_of_every_key) {
  create(log_one);
  for (int i = 0; i < 30; ++i) put_text(log_one, "k" + std::to_string(i % 3) + "=v" + std::to_string(i));
  put_text(log_one, "k1");
  model::log_policy p;
  p.compact = true;
  p.delete_old = false;
  p.delete_retention_ms = 5000;
  p.min_cleanable_ratio = 0;
  s->set_policy(log_one, p);
  clean(log_one);
  EXPECT_EQ(get(log_one, 0), "27:27:k0=v27 29:29:k2=v29 30:30:k1 ");
  EXPECT_EQ(s->info(log_one).start, offset(0));
  EXPECT_EQ(s->info(log_one).end, offset(31));
  // The tombstone served its time, but it is the last record: a reader that waits behind it must be able to come there.
  wait(6000);
  clean(log_one);
  EXPECT_EQ(get(log_one, 0), "27:27:k0=v27 29:29:k2=v29 30:30:k1 ");
  put_text(log_one, "k2=last");
  wait(6000);
  clean(log_one);
  EXPECT_EQ(get(log_one, 0), "27:27:k0=v27 31:31:k2=last ");
  put_text(log_one, "k0=new");
  crash();
  open();
  s->set_policy(log_one, p);
  EXPECT_EQ(get(log_one, 3), "27:27:k0=v27 31:31:k2=last ");
}

TEST_F(store_test, compaction_comes_to_the_end_with_little_memory_for_keys) {
  crash();
  options.compaction_bytes_max = 1500;  // some 20 keys
  open();
  create(log_one);
  for (int i = 0; i < 300; ++i) put_text(log_one, "k" + std::to_string(i % 100) + "=v" + std::to_string(i));
  model::log_policy p;
  p.compact = true;
  p.delete_old = false;
  p.min_cleanable_ratio = 0;
  s->set_policy(log_one, p);
  for (int pass = 0; pass < 20; ++pass) clean(log_one);
  const std::string got = get(log_one, 0);
  EXPECT_EQ(got.substr(0, got.find(' ')), "200:200:k0=v200");
  EXPECT_EQ(std::count(got.begin(), got.end(), ' '), 100);
  // And goes on from there after a restart.
  put_text(log_one, "k7=last");
  checkpoint();
  crash();
  open();
  s->set_policy(log_one, p);
  clean(log_one);
  const std::string after = get(log_one, 0);
  EXPECT_EQ(after.find("207:"), std::string::npos) << "one pass was enough";
  EXPECT_EQ(std::count(after.begin(), after.end(), ' '), 100);
}

TEST_F(store_test, a_pass_that_did_not_come_to_be_recorded_is_made_again) {
  create(log_one);
  for (int i = 0; i < 30; ++i) put_text(log_one, "k" + std::to_string(i % 3) + "=v" + std::to_string(i));
  model::log_policy p;
  p.compact = true;
  p.delete_old = false;
  p.min_cleanable_ratio = 0;
  s->set_policy(log_one, p);
  checkpoint();
  volume.faults.sync = 1;
  volume.faults.eligible = [](platform::sim::op_kind, const std::string& path) { return path.starts_with("manifest"); };
  bool done = false;
  s->clean_now(log_one, [&](const result<void>& r) { done = !r; });
  run([&] { return done; });
  volume.faults = {};
  clean(log_one);
  EXPECT_EQ(get(log_one, 0), "27:27:k0=v27 28:28:k1=v28 29:29:k2=v29 ");
}

TEST_F(store_test, retention_drops_whole_extents_by_time_and_size) {
  create(log_one);
  const std::int64_t now = world.time().wall().raw();
  for (int i = 0; i < 10; ++i) {
    put(log_one, std::string(2000, 'a'), 1, now - 100'000 + i * 10'000L);
    settle();
    checkpoint();
  }
  model::log_policy p;
  p.retention_ms = 55'000;
  s->set_policy(log_one, p);
  clean(log_one);
  settle();
  EXPECT_EQ(s->info(log_one).start, offset(5));
  p.retention_ms = -1;
  p.retention_bytes = 4200;
  s->set_policy(log_one, p);
  clean(log_one);
  settle();
  EXPECT_EQ(s->info(log_one).start, offset(7));
  crash();
  open();
  EXPECT_EQ(s->info(log_one).start, offset(7));
  EXPECT_NE(get(log_one, 6).find("outside"), std::string::npos);
  EXPECT_EQ(get(log_one, 7, 1).substr(0, 2), "7:");
}

TEST_F(store_test, many_small_pieces_become_one) {
  options.small_extents_max = 4;
  close();
  open();
  create(log_one);
  for (int i = 0; i < 12; ++i) {
    put(log_one, "piece " + std::to_string(i));
    checkpoint();
  }
  const auto files = s->stats().files;
  wait(3000);
  EXPECT_LT(s->stats().files + 3, files);
  close();
  open();
  EXPECT_EQ(get(log_one, 10), "10:piece 10 11:piece 11 ");
  EXPECT_EQ(get(log_one, 0, 8), "0:piece 0 ");
}

// Wherever the stop comes: before the checkpoint that goes before a compaction, in its queue, in its midst.
TEST_F(store_test, a_stop_answers_who_waits_for_a_compaction_and_leaves_no_file) {
  for (std::int64_t stop_at = 0; stop_at < 4000; stop_at += 250) {
    for (std::uint64_t i = 1; i <= 3; ++i) {
      const model::log_id id(1000 + static_cast<std::uint64_t>(stop_at) + i);
      create(id);
      model::log_policy p;
      p.compact = true;
      p.min_cleanable_ratio = 0;
      s->set_policy(id, p);
      for (int n = 0; n < 300; ++n) put_text(id, "k" + std::to_string(n % 7) + "=" + std::string(100, 'v'));
    }
    settle();
    int answered = 0;
    for (std::uint64_t i = 1; i <= 3; ++i) {
      const model::log_id id(1000 + static_cast<std::uint64_t>(stop_at) + i);
      s->clean_now(id, [&](const result<void>&) { ++answered; });
    }
    const mono_ns until = world.now() + stop_at * 1000;
    run([&] { return world.now() >= until; });
    close();
    EXPECT_EQ(answered, 3) << "stopped after " << stop_at << " us";
    volume.cut_power();
    disk.reset();
    volume.power_cycle();
    open();
    EXPECT_EQ(s->recovered().orphans_removed, 0U) << "stopped after " << stop_at << " us";
    EXPECT_EQ(s->recovered().replayed_records, 0U);
  }
}

TEST_F(store_test, a_hundred_thousand_logs_make_no_file) {
  const auto before = s->stats().files;
  for (std::uint64_t i = 1000; i < 101'000; ++i) {
    while (!s->writable(model::log_store::write_class::essential))
      run([&] { return s->durable_ticket() == s->last_ticket(); });
    create(model::log_id(i));
    if (i % 1000 == 0) settle();
  }
  settle();
  EXPECT_EQ(s->stats().logs, 100'000U);
  close();
  open();
  EXPECT_EQ(s->stats().logs, 100'000U);
  EXPECT_LE(s->stats().files, before + options.wal_files_max);
}

TEST_F(store_test, one_body_for_many_logs) {
  const model::log_id bodies(200);
  create(bodies);
  create(log_one);
  put(bodies, "before");
  put(bodies, "the body" + std::string(3000, '.'));
  model::new_record r;
  r.shard = shard_one;
  model::new_entry e;
  e.log = log_one;
  e.count = 1;
  e.body_of = model::body_place{bodies, offset(1)};
  r.entries = {e, e};
  (void)s->append(r);
  put(log_one, "its own");
  const std::string body = ("the body" + std::string(20, '.')).substr(0, 20);
  for (const char* where : {"memory", "files"}) {
    std::string all = "0:";
    all.append(body).append(" 1:").append(body).append(" 2:its own ");
    EXPECT_EQ(get(log_one, 0), all) << where;
    EXPECT_LT(s->info(log_one).size_bytes, 400U);
    close();
    open();
  }
}

TEST_F(store_test, a_failed_wal_write_fences_for_good) {
  create(log_one);
  settle();
  volume.faults.write = 1.0;
  const auto t = put(log_one, "lost");
  run([&] { return machine->fences == 1; });
  volume.faults.write = 0;
  EXPECT_LT(s->durable_ticket(), t);
  EXPECT_EQ(s->writable(model::log_store::write_class::essential).error().code, errc::fenced);
  EXPECT_TRUE(s->stats().fenced);
}

// The first write to a spare failed, and its size had not reached the disk when the power went.
TEST_F(store_test, a_wal_file_shorter_than_its_header_does_not_keep_the_store_from_opening) {
  create(log_one);
  settle();
  put(log_one, "kept");
  settle();
  crash();
  auto header = parse_wal_file_header(bytes(volume.find("wal/1.wal")->cache).first(wal_page_bytes));
  ASSERT_TRUE(header);
  ++header->file_seq;
  header->first_seq = 3;  // one block each for the log and its entry
  header->durable_seq = 2;
  byte_vector page(wal_page_bytes);
  put_wal_file_header(page.data(), *header);
  {
    platform::sim::sim_disk by_hand(volume, reactor);
    auto f = by_hand.open("wal/9.wal", {.create = true});
    ASSERT_TRUE(f);
    ASSERT_TRUE((*f)->write_now(0, bytes(page).first(2000)));
  }
  open();
  EXPECT_EQ(get(log_one, 0), "0:kept ");
  settle(put(log_one, "more"));
  crash();
  open();
  EXPECT_EQ(get(log_one, 0), "0:kept 1:more ");
}

TEST_F(store_test, a_disk_full_to_the_last_byte_is_started_on_read_and_emptied) {
  create(log_one);
  create(model::log_id{102});
  for (int i = 0; i < 400; ++i) put(log_one, std::string(1000, 'x'));
  const auto t = put(model::log_id{102}, "kept");
  checkpoint();
  settle(t);
  run([&] {
    const auto* f = volume.find("reserve");
    return f != nullptr && f->cache.size() == options.reserve_bytes;
  });
  close();
  open();
  crash();
  volume.set_capacity(volume.used_bytes());
  open();
  EXPECT_EQ(get(model::log_id{102}, 0), "0:kept ");
  EXPECT_FALSE(s->writable(model::log_store::write_class::bulk));
  EXPECT_TRUE(s->writable(model::log_store::write_class::essential));
  const auto data_bytes = [&] {
    std::uint64_t sum = 0;
    for (const auto& path : volume.paths()) sum += path.starts_with("data/") ? volume.find(path)->cache.size() : 0;
    return sum;
  };
  EXPECT_GT(data_bytes(), 400'000U);
  model::new_record r;
  r.shard = shard_one;
  r.changes.push_back({model::log_change_kind::remove, log_one, {}});
  settle(s->append(r));
  run([&] { return data_bytes() < 100'000; });
}

TEST_F(store_test, a_nearly_full_disk_refuses_bulk_and_takes_essential) {
  create(log_one);
  settle();
  const auto used = volume.used_bytes();
  volume.set_capacity(used + (7U << 20));
  wait(options.space_poll_ms + 500);
  EXPECT_EQ(s->writable(model::log_store::write_class::bulk).error().code, errc::no_space);
  EXPECT_TRUE(s->writable(model::log_store::write_class::essential));
  volume.set_capacity(used + (64U << 20));
  run([&] { return machine->writables > 0; });
  EXPECT_TRUE(s->writable(model::log_store::write_class::bulk));
}

}  // namespace
}  // namespace weir::storage
