// Recent data in memory after it went to files: within its limit, for as long as somebody writes or reads.
#include <gtest/gtest.h>

#include "storage/store_fixture.h"

namespace weir::storage {
namespace {

class tail_cache_test : public store_fixture {
 protected:
  static constexpr int entries = 40;
  static constexpr std::size_t entry_bytes = 30'000;  // together more than a megabyte

  void write_all() {
    create(log_one);
    for (int i = 0; i < entries; ++i) {
      put(log_one, std::string(entry_bytes, static_cast<char>('a' + i % 26)));
      settle();
    }
    checkpoint();
  }
  // Whether a read is answered before it returns.
  bool in_memory(std::int64_t at) {
    bool done = false;
    s->read({log_one, offset(at), offset(at + 1), 1, true}, [&](const result<model::read_batch>& r) {
      done = true;
      ASSERT_TRUE(r) << r.error().describe();
      ASSERT_EQ(r->entries.size(), 1U);
      EXPECT_EQ(static_cast<char>(r->entries[0].payload[5]), static_cast<char>('a' + at % 26));
    });
    const bool at_once = done;
    run([&] { return done; });
    return at_once;
  }
};

TEST_F(tail_cache_test, holds_the_newest_data_within_the_limit_it_began_with) {
  write_all();
  EXPECT_TRUE(in_memory(entries - 1));
  EXPECT_FALSE(in_memory(0));
  EXPECT_EQ(s->stats().cache_bytes_max, options.cache_bytes_max);
}

TEST_F(tail_cache_test, a_higher_limit_keeps_more_and_a_lower_one_lets_it_go) {
  s->limit_cache(4U << 20);
  write_all();
  EXPECT_TRUE(in_memory(0));
  EXPECT_EQ(s->stats().cache_bytes_max, 4U << 20);
  const std::uint64_t before = s->stats().cache_bytes;
  s->limit_cache(200'000);
  wait(2 * options.tick_ms);
  EXPECT_FALSE(in_memory(0)) << "it is in files";
  EXPECT_TRUE(in_memory(entries - 1));
  EXPECT_LT(s->stats().cache_bytes, before) << "the tick gives back what the pool has no use for, too";
}

TEST_F(tail_cache_test, goes_back_to_the_system_when_nobody_writes_or_reads) {
  s->limit_cache(4U << 20);
  write_all();
  for (std::int64_t waited = 0; waited < 3 * options.idle_release_ms; waited += options.idle_release_ms / 4) {
    wait(options.idle_release_ms / 4);
    ASSERT_TRUE(in_memory(0)) << "somebody reads it all the time; after " << waited << " ms";
  }
  wait(2 * options.idle_release_ms);
  EXPECT_EQ(s->stats().cache_bytes, 0U);
  EXPECT_FALSE(in_memory(0));
}

TEST_F(tail_cache_test, looking_at_a_record_now_and_then_does_not_keep_it) {
  s->limit_cache(4U << 20);
  write_all();
  for (int i = 0; i < 3; ++i) {
    wait(options.idle_release_ms - 2 * options.tick_ms);
    (void)in_memory(0);  // less than a chunk in the time after which it goes
  }
  EXPECT_EQ(s->stats().cache_bytes, 0U);
}

TEST_F(tail_cache_test, a_checkpoint_of_many_chunks_leaves_no_more_than_the_limit) {
  constexpr int many = 600;  // chunks, more than go in a tick
  close();
  options.wal_write_bytes_max = 8U << 10;
  options.record_bytes_max = 8U << 10;
  options.wal_file_bytes = 16U << 20;
  options.ring_bytes_max = options.checkpoint_bytes = 32U << 20;
  options.quiet_ms = options.checkpoint_interval_ms = 3'600'000;
  open();
  create(log_one);
  for (int i = 0; i < many; ++i) {
    put(log_one, std::string(7'000, static_cast<char>('a' + i % 26)));
    settle();
  }
  ASSERT_TRUE(in_memory(0)) << "no checkpoint came between";
  checkpoint();
  EXPECT_FALSE(in_memory(many / 2));
  EXPECT_TRUE(in_memory(many - 1));
}

TEST_F(tail_cache_test, readers_of_what_is_in_no_file_do_not_keep_it) {
  s->limit_cache(4U << 20);
  write_all();
  put(log_one, std::string(100, static_cast<char>('a' + entries % 26)));
  settle();
  wait(options.quiet_small_ms / 2);
  EXPECT_TRUE(in_memory(entries)) << "from the WAL's memory";
  wait(2 * options.idle_release_ms);
  EXPECT_EQ(s->stats().cache_bytes, 0U);
}

}  // namespace
}  // namespace weir::storage
