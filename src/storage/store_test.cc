// The store on the simulated disk: each promise of the log port once, by hand. The crash simulator (tests/sim) does the
// rest by seeds.
#include "storage/store.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/crc32c.h"
#include "platform/sim/sim_disk.h"

namespace weir::storage {
namespace {

using model::lsn;
using model::offset;

constexpr model::shard_id shard_one{7};
constexpr model::log_id log_one{101};

// Counts what it is shown; its snapshot is a checksum chain, so every missing or repeated record shows.
class chain_machine final : public model::state_machine {
 public:
  struct shard {
    std::uint64_t chain = 0;
    std::uint64_t at = 0;
    friend bool operator==(const shard&, const shard&) = default;
  };
  void apply(const model::applied_record& r) override {
    shard& s = shards[r.shard.raw()];
    s.chain = s.chain * 31 + r.at.raw() + r.entries.size() * 7 + r.changes.size() + crc32c(r.state);
    s.at = r.at.raw();
  }
  void snapshot(model::shard_id id, byte_vector& out) const override {
    const auto it = shards.find(id.raw());
    const shard s = it == shards.end() ? shard{} : it->second;
    byte_writer w(out);
    w.le(s.chain);
    w.le(s.at);
  }
  result<void> restore(model::shard_id id, bytes in) override {
    byte_reader r(in);
    shard& s = shards[id.raw()];
    s.chain = r.le<std::uint64_t>();
    s.at = r.le<std::uint64_t>();
    if (!r.ok()) return fault(errc::corrupt, "snapshot is cut short");
    return {};
  }
  void on_durable(model::ticket t) override {
    EXPECT_GT(t, durable);
    durable = t;
  }
  void on_fenced(const fault&) override { ++fences; }
  void on_writable() override { ++writables; }

  std::map<std::uint64_t, shard> shards;
  model::ticket durable{};
  int fences = 0;
  int writables = 0;
};

store_options small_options() {
  store_options o;
  o.wal_file_bytes = 1U << 20;
  o.wal_first_file_bytes = 256U << 10;
  o.wal_write_bytes_max = 64U << 10;
  o.record_bytes_max = 256U << 10;
  o.ring_bytes_max = 4U << 20;
  o.cache_bytes_max = 128U << 10;
  o.checkpoint_bytes = 512U << 10;
  o.segment_flush_bytes = 16U << 10;
  o.small_file_bytes_max = 64U << 10;
  o.critical_free_bytes = 8U << 20;
  o.resume_free_bytes = 9U << 20;
  return o;
}

class store_test : public ::testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    ASSERT_EQ(try_open(), "ok");
  }
  std::string try_open() {
    disk = std::make_unique<platform::sim::sim_disk>(volume, reactor);
    machine = std::make_unique<chain_machine>();
    auto opened = open_store(*disk, reactor, world.time(), random, formats, *machine, options);
    if (!opened) return opened.error().describe();
    s = std::move(*opened);
    return "ok";
  }
  void crash() {
    volume.cut_power();
    s.reset();
    reactor.drop_all();
    disk.reset();
    volume.power_cycle();
  }
  void close() {
    bool done = false;
    s->close([&](const result<void>& r) {
      EXPECT_TRUE(r) << r.error().describe();
      done = true;
    });
    run([&] { return done; });
    s.reset();
    reactor.drop_all();
  }
  void run(const std::function<bool()>& until) {
    EXPECT_EQ(world.run_until(until, 2'000'000), platform::sim::run_end::reached);
  }
  void settle() {
    run([&] { return s->durable_ticket() == s->last_ticket(); });
  }
  void settle(model::ticket t) {
    run([&] { return s->durable_ticket() >= t; });
  }
  void create(model::log_id id) {
    model::new_record r;
    r.shard = shard_one;
    r.changes.push_back({model::log_change_kind::create, id, {}});
    (void)s->append(r);
  }
  model::ticket put(model::log_id id, const std::string& text, std::uint32_t count = 1, std::int64_t ts = 5) {
    model::new_record r;
    r.shard = shard_one;
    model::new_entry e;
    e.log = id;
    e.count = count;
    e.max_timestamp_ms = ts;
    e.head = as_bytes(text).first(text.size() / 2);
    e.body = as_bytes(text).subspan(text.size() / 2);
    r.entries.push_back(e);
    return s->append(r);
  }
  // Up to `max` payload bytes from `from`, as base:payload pairs; or the fault.
  std::string get(model::log_id id, std::int64_t from, std::size_t max = 1U << 20, std::int64_t below = INT64_MAX) {
    std::string out;
    bool done = false;
    s->read({id, offset(from), offset(below), max, true}, [&](const result<model::read_batch>& r) {
      done = true;
      if (!r) {
        out = r.error().describe();
        return;
      }
      for (const auto& e : r->entries) {
        out += std::to_string(e.base.raw()) + ":" + std::string(as_text(e.payload)).substr(0, 20) + " ";
      }
    });
    run([&] { return done; });
    return out;
  }
  void checkpoint(bool expect_ok = true) {
    bool done = false;
    s->checkpoint([&](const result<void>& r) {
      done = true;
      EXPECT_EQ(static_cast<bool>(r), expect_ok) << (r ? "" : r.error().describe());
    });
    run([&] { return done; });
  }

  platform::sim::sim_world world{11};
  platform::sim::sim_volume volume{world, {}};
  platform::sim::sim_executor& reactor = world.add_reactor();
  platform::sim::sim_rng random{5};
  format_registry formats;
  store_options options = small_options();
  std::unique_ptr<platform::sim::sim_disk> disk;
  std::unique_ptr<chain_machine> machine;
  std::unique_ptr<store> s;
};

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
    EXPECT_EQ(get(big, at, 1), std::to_string(i * 3) + ":" + ("big " + std::to_string(i) + std::string(20, '.')).substr(0, 20) + " ");
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

}  // namespace
}  // namespace weir::storage
