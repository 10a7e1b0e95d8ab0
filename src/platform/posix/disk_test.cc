// Both real disks keep the promises of platform/disk.h: every test runs on each.
#include "platform/disk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "platform/posix/data_lock.h"
#include "platform/posix/open_disk.h"
#include "platform/posix/posix_files.h"
#include "platform/posix/uring_disk.h"

namespace weir::platform {
namespace {

struct aligned_free {
  void operator()(std::byte* p) const { std::free(p); }
};
using block_memory = std::unique_ptr<std::byte, aligned_free>;

block_memory blocks(std::size_t count, char fill) {
  auto* p = static_cast<std::byte*>(std::aligned_alloc(disk_block_bytes, count * disk_block_bytes));
  std::memset(p, fill, count * disk_block_bytes);
  return block_memory(p);
}

enum class kind { direct, ring_buffered, threads };

class posix_disk_test : public testing::TestWithParam<kind> {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "weir_disk_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    if (GetParam() == kind::direct && !probe_direct(folder_)) GTEST_SKIP() << "no direct writes in " << folder_;
    disk_ = make();
    ASSERT_NE(disk_, nullptr);
  }
  void TearDown() override {
    disk_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::shared_ptr<disk> make() {
    if (GetParam() == kind::ring_buffered) return make_uring_disk(reactor_, folder_, false).value();
    return open_disk(reactor_, folder_, GetParam() == kind::direct ? disk_mode::direct : disk_mode::buffered)
        .value()
        .where;
  }
  std::shared_ptr<file> open(const std::string& path, open_options options) {
    return disk_->open(path, options).value();
  }

  template<class Result>
  Result wait(const std::function<void(std::function<void(Result)>)>& start) {
    std::optional<Result> out;
    start([&](Result r) { out = std::move(r); });
    EXPECT_FALSE(out.has_value()) << "a completion ran inside the call that started it";
    reactor_.run_until([&] { return out.has_value(); });
    return *out;
  }
  result<std::size_t> write(file& f, std::uint64_t pos, std::vector<bytes> parts) {
    return wait<result<std::size_t>>([&](io_done done) { f.write(pos, parts, std::move(done)); });
  }
  result<std::size_t> read(file& f, std::uint64_t pos, mutable_bytes into) {
    return wait<result<std::size_t>>([&](io_done done) { f.read(pos, into, std::move(done)); });
  }
  result<void> sync(file& f) {
    return wait<result<void>>([&](op_done done) { f.sync(std::move(done)); });
  }

  reactor reactor_;
  std::string folder_;
  std::shared_ptr<disk> disk_;
};

TEST_P(posix_disk_test, what_was_written_in_parts_is_read_back) {
  auto f = open("a", {.create = true});
  EXPECT_EQ(write(*f, 3, {as_bytes("hello "), {}, as_bytes("world")}).value(), 11U);
  EXPECT_TRUE(sync(*f));
  EXPECT_EQ(f->size(), 14U);
  std::string text(32, '?');
  const auto n = read(*f, 3, std::as_writable_bytes(std::span(text)));
  ASSERT_EQ(n.value(), 11U);
  EXPECT_EQ(text.substr(0, 11), "hello world");
  EXPECT_EQ(read(*f, 100, std::as_writable_bytes(std::span(text))).value(), 0U);
  EXPECT_EQ(read(*f, 0, {}).value(), 0U);
  EXPECT_EQ(f->read_now(3, std::as_writable_bytes(std::span(text))).value(), 11U);
}

// Large aligned reads may pass by the page cache: the same bytes must come, cached, cold, partly cached, not yet synced.
TEST_P(posix_disk_test, large_aligned_reads_give_the_same_bytes_cached_and_cold) {
  constexpr std::size_t file_blocks = 96;
  constexpr std::size_t tail_bytes = 1234;  // the file ends within a block
  auto f = open("large", {.create = true});
  std::string text(file_blocks * disk_block_bytes + tail_bytes, '?');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 4096) % 26);
  ASSERT_TRUE(write(*f, 0, {as_bytes(text)}));
  const auto check = [&](std::uint64_t pos, std::size_t count) {
    const auto memory = blocks(count, '?');
    const auto n = read(*f, pos, {memory.get(), count * disk_block_bytes});
    ASSERT_EQ(n.value(), std::min(count * disk_block_bytes, text.size() - pos));
    EXPECT_EQ(std::memcmp(memory.get(), text.data() + pos, *n), 0) << "from " << pos;
  };
  const auto drop = [&](off_t length) {
    const int fd = ::open((folder_ + "/large").c_str(), O_RDONLY);
    ::posix_fadvise(fd, 0, length, POSIX_FADV_DONTNEED);
    ::close(fd);
  };
  check(0, 64);
  ASSERT_TRUE(sync(*f));
  drop(0);
  check(0, 64);
  check(40 * disk_block_bytes, 64);           // over the end
  check(file_blocks * disk_block_bytes, 32);  // less than a block is there
  drop(static_cast<off_t>(10 * disk_block_bytes));
  check(0, 97);
  // Written but not synced, over a cold part.
  drop(0);
  const std::string fresh(3000, '!');
  ASSERT_TRUE(write(*f, 5000, {as_bytes(fresh)}));
  text.replace(5000, fresh.size(), fresh);
  check(0, 64);
}

TEST_P(posix_disk_test, what_is_synced_leaves_the_page_cache_where_that_was_asked_for) {
  auto kept = open("kept", {.create = true});
  auto dropped = open("dropped", {.create = true, .written_once = true});
  const std::string text(64 * disk_block_bytes, 'x');
  const auto cached = [&](const std::string& name) {
    const int fd = ::open((folder_ + "/" + name).c_str(), O_RDONLY);
    const bool all = in_page_cache(fd, 0, text.size());
    ::close(fd);
    return all;
  };
  for (file* f : {kept.get(), dropped.get()}) {
    ASSERT_TRUE(write(*f, 0, {as_bytes(text)}));
    ASSERT_TRUE(sync(*f));
  }
  EXPECT_TRUE(cached("kept"));
  const int fd = ::open((folder_ + "/kept").c_str(), O_RDONLY);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd);
  if (cached("kept")) GTEST_SKIP() << "this file system keeps its pages always";
  reactor_.run_until([&] { return !cached("dropped"); });
  const auto memory = blocks(64, '?');
  EXPECT_EQ(read(*dropped, 0, {memory.get(), text.size()}).value(), text.size());
  EXPECT_EQ(std::memcmp(memory.get(), text.data(), text.size()), 0);
}

TEST_P(posix_disk_test, whole_blocks_of_a_file_written_once_and_its_partial_blocks_make_one_file) {
  auto f = open("once", {.create = true, .written_once = true});
  const std::string head(5000, 'h');
  const std::string tail(3000, 't');
  const auto middle = blocks(64, 'm');
  const std::uint64_t from = 2 * disk_block_bytes;
  const std::uint64_t to = from + 64 * disk_block_bytes;
  for (int round = 0; round < 2; ++round) {  // the second one over what is there
    int outstanding = 3;
    const auto done = [&](const result<std::size_t>& n) {
      EXPECT_TRUE(n) << n.error().describe();
      --outstanding;
    };
    f->write(from - head.size(), {as_bytes(head)}, done);
    f->write(from, {bytes(middle.get(), to - from)}, done);
    f->write(to, {as_bytes(tail)}, done);
    reactor_.run_until([&] { return outstanding == 0; });
    ASSERT_TRUE(sync(*f));
    std::string all(f->size(), '?');
    ASSERT_EQ(read(*f, 0, std::as_writable_bytes(std::span(all))).value(), to + tail.size());
    std::string expected(from - head.size(), '\0');
    expected.append(head).append(to - from, 'm').append(tail);
    EXPECT_EQ(all, expected);
  }
}

TEST_P(posix_disk_test, more_parts_than_one_system_call_takes) {
  auto f = open("many", {.create = true});
  std::vector<bytes> parts(5000, as_bytes("abc"));
  EXPECT_EQ(write(*f, 0, parts).value(), 15'000U);
  std::string text(15'000, '?');
  EXPECT_EQ(read(*f, 0, std::as_writable_bytes(std::span(text))).value(), 15'000U);
  EXPECT_EQ(text.find('?'), std::string::npos);
  EXPECT_EQ(text.substr(14'997), "abc");
}

TEST_P(posix_disk_test, durable_writes_in_flight_together_all_land) {
  auto f = open("wal", {.create = true, .exclusive = true, .durable_writes = true});
  EXPECT_TRUE(wait<result<void>>([&](op_done done) { f->allocate(64 * disk_block_bytes, std::move(done)); }));
  EXPECT_EQ(f->size(), 64 * disk_block_bytes);
  std::vector<block_memory> memory;
  int outstanding = 0;
  for (int i = 0; i < 64; i += 2) {
    memory.push_back(blocks(2, static_cast<char>('A' + i / 2)));
    const bytes both(memory.back().get(), 2 * disk_block_bytes);
    ++outstanding;
    f->write(i * disk_block_bytes, {both.first(disk_block_bytes), both.subspan(disk_block_bytes)},
             [&](result<std::size_t> n) {
               EXPECT_EQ(n.value(), 2 * disk_block_bytes);
               --outstanding;
             });
  }
  reactor_.run_until([&] { return outstanding == 0; });
  byte_vector all(64 * disk_block_bytes);
  EXPECT_EQ(read(*f, 0, all).value(), all.size());
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(static_cast<char>(all[i * disk_block_bytes + 17]), static_cast<char>('A' + i / 2)) << "block " << i;
  }
}

TEST_P(posix_disk_test, a_durable_file_prewritten_by_blocking_calls_is_overwritten_and_read) {
  auto f = open("wal", {.create = true, .durable_writes = true});
  const auto zeros = blocks(4, 0);
  EXPECT_TRUE(f->write_now(0, bytes(zeros.get(), 4 * disk_block_bytes)));
  EXPECT_TRUE(f->sync_now());
  const auto ones = blocks(1, 1);
  EXPECT_TRUE(write(*f, disk_block_bytes, {bytes(ones.get(), disk_block_bytes)}));
  byte_vector all(4 * disk_block_bytes);
  EXPECT_EQ(f->read_now(0, all).value(), all.size());
  EXPECT_EQ(all[disk_block_bytes - 1], std::byte{0});
  EXPECT_EQ(all[disk_block_bytes], std::byte{1});
  EXPECT_EQ(all[2 * disk_block_bytes], std::byte{0});
}

TEST_P(posix_disk_test, misaligned_durable_writes_are_our_bug) {
  auto f = open("wal", {.create = true, .durable_writes = true});
  const auto memory = blocks(2, 'x');
  const bytes both(memory.get(), 2 * disk_block_bytes);
  EXPECT_DEATH(f->write(1, {both}, [](auto) {}), "disk_block_bytes");
  EXPECT_DEATH(f->write(0, {both.first(100)}, [](auto) {}), "disk_block_bytes");
  EXPECT_DEATH(f->write(0, {both.subspan(512, disk_block_bytes)}, [](auto) {}), "disk_block_bytes");
}

TEST_P(posix_disk_test, thousands_of_operations_in_flight) {
  auto f = open("many", {.create = true});
  constexpr int count = 3000;
  std::vector<std::string> texts;
  texts.reserve(count);
  for (int i = 0; i < count; ++i) texts.push_back(std::to_string(100'000 + i));
  int outstanding = count;
  for (int i = 0; i < count; ++i) {
    f->write(std::uint64_t{6} * i, {as_bytes(texts[i])}, [&](result<std::size_t> n) {
      EXPECT_EQ(n.value(), 6U);
      --outstanding;
    });
  }
  bool synced = false;
  f->sync([&](result<void> r) {
    EXPECT_TRUE(r);
    EXPECT_EQ(outstanding, 0) << "the sync overtook a write";
    synced = true;
  });
  reactor_.run_until([&] { return synced; });
  std::vector<std::string> got(count, std::string(6, '?'));
  outstanding = count;
  for (int i = 0; i < count; ++i) {
    f->read(std::uint64_t{6} * i, std::as_writable_bytes(std::span(got[i])),
            [&](result<std::size_t>) { --outstanding; });
  }
  reactor_.run_until([&] { return outstanding == 0; });
  EXPECT_EQ(got, texts);
}

TEST_P(posix_disk_test, a_full_disk_is_no_space) {
  ASSERT_EQ(::symlink("/dev/full", (folder_ + "/full").c_str()), 0);
  auto f = open("full", {});
  const auto outcome = write(*f, 0, {as_bytes("x")});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, errc::no_space);
  EXPECT_NE(outcome.error().text.find("full"), std::string::npos);
  const auto now = f->write_now(0, as_bytes("x"));
  ASSERT_FALSE(now);
  EXPECT_EQ(now.error().code, errc::no_space);
}

TEST_P(posix_disk_test, a_refused_reservation_is_no_space) {
  auto f = open("big", {.create = true});
  const std::uint64_t more_than_a_file_may_have = std::uint64_t{1} << 62;
  const auto outcome =
      wait<result<void>>([&](op_done done) { f->allocate(more_than_a_file_may_have, std::move(done)); });
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, errc::no_space);
}

TEST_P(posix_disk_test, names) {
  EXPECT_EQ(disk_->open("missing", {}).error().code, errc::not_found);
  EXPECT_TRUE(disk_->make_folder("sub"));
  EXPECT_TRUE(disk_->make_folder("sub"));
  EXPECT_TRUE(open("sub/b", {.create = true})->write_now(0, as_bytes("12345")));
  EXPECT_EQ(disk_->open("sub/b", {.create = true, .exclusive = true}).error().code, errc::exists);
  (void)open("sub/a", {.create = true});
  EXPECT_TRUE(disk_->rename("sub/a", "sub/c"));
  const auto there = disk_->list("sub").value();
  ASSERT_EQ(there.size(), 2U);
  EXPECT_EQ(there[0].name, "b");
  EXPECT_EQ(there[0].size, 5U);
  EXPECT_EQ(there[1].name, "c");
  EXPECT_FALSE(there[1].is_folder);
  EXPECT_TRUE(disk_->list("").value().front().is_folder);
  EXPECT_TRUE(wait<result<void>>([&](op_done done) { disk_->sync_folder("sub", std::move(done)); }));
  EXPECT_TRUE(disk_->sync_folder_now(""));
  EXPECT_TRUE(wait<result<void>>([&](op_done done) { disk_->unlink("sub/c", std::move(done)); }));
  const auto again = wait<result<void>>([&](op_done done) { disk_->unlink("sub/c", std::move(done)); });
  EXPECT_EQ(again.error().code, errc::not_found);
  const auto nowhere = wait<result<void>>([&](op_done done) { disk_->sync_folder("nowhere", std::move(done)); });
  EXPECT_EQ(nowhere.error().code, errc::not_found);
  EXPECT_TRUE(disk_->unlink_now("sub/b"));
  EXPECT_TRUE(disk_->list("sub").value().empty());
  EXPECT_GT(disk_->space().value().free_bytes, 0U);
}

TEST_P(posix_disk_test, cutting_a_file) {
  auto f = open("cut", {.create = true});
  EXPECT_TRUE(f->write_now(0, as_bytes("123456789")));
  EXPECT_TRUE(f->truncate_now(4));
  EXPECT_EQ(f->size(), 4U);
}

TEST_P(posix_disk_test, the_disk_may_go_while_operations_are_in_flight) {
  const auto memory = blocks(16, 'z');
  {
    auto f = open("late", {.create = true});
    for (int i = 0; i < 16; ++i) {
      f->write(i * disk_block_bytes, {bytes(memory.get(), disk_block_bytes)}, [](auto) {});
    }
  }
  disk_.reset();
  bool ran = false;
  reactor_.defer([&] { ran = true; });
  reactor_.run_until([&] { return ran; });
}

INSTANTIATE_TEST_SUITE_P(all, posix_disk_test, testing::Values(kind::direct, kind::ring_buffered, kind::threads),
                         [](const auto& chosen) {
                           return chosen.param == kind::direct          ? "direct"
                                  : chosen.param == kind::ring_buffered ? "ring_buffered"
                                                                        : "threads";
                         });

TEST(open_disk, automatic_makes_the_folder_and_names_its_path) {
  std::string name = testing::TempDir() + "weir_open_XXXXXX";
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  reactor r;
  const auto opened = open_disk(r, name + "/deep/data", disk_mode::automatic);
  ASSERT_TRUE(opened);
  const bool direct = probe_direct(name).has_value();
  EXPECT_EQ(opened->where->durable_path(), direct ? "direct" : "buffered");
  EXPECT_EQ(opened->why_buffered.empty(), direct);
  EXPECT_TRUE(opened->where->list("")->empty()) << "the probe leaves nothing behind";
  std::filesystem::remove_all(name);
}

TEST(open_disk, where_direct_writes_are_impossible_direct_refuses_and_automatic_falls_back) {
  reactor r;
  const std::string folder = "/proc/self/fdinfo";  // takes no files at all
  EXPECT_FALSE(probe_direct(folder));
  const auto refused = open_disk(r, folder, disk_mode::direct);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("auto or buffered"), std::string::npos);
  const auto fell_back = open_disk(r, folder, disk_mode::automatic);
  ASSERT_TRUE(fell_back);
  EXPECT_EQ(fell_back->where->durable_path(), "buffered");
  EXPECT_FALSE(fell_back->why_buffered.empty());
}

TEST(data_lock, one_holder_at_a_time) {
  std::string name = testing::TempDir() + "weir_lock_XXXXXX";
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  {
    const auto first = data_lock::take(name);
    ASSERT_TRUE(first);
    const auto second = data_lock::take(name);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, errc::busy);
    EXPECT_NE(second.error().text.find(std::to_string(::getpid())), std::string::npos);
  }
  EXPECT_TRUE(data_lock::take(name));
  EXPECT_EQ(data_lock::take(name + "/no").error().code, errc::not_found);
  std::filesystem::remove_all(name);
}

TEST(write_order, a_sync_waits_for_earlier_writes_only) {
  write_order order;
  std::vector<int> seen;
  const auto a = order.begin_write();
  const auto b = order.begin_write();
  order.after_writes([&] { seen.push_back(1); });
  const auto c = order.begin_write();
  order.after_writes([&] { seen.push_back(2); });
  order.end_write(b);
  EXPECT_TRUE(seen.empty());
  order.end_write(a);
  EXPECT_EQ(seen, std::vector<int>{1});
  order.end_write(c);
  EXPECT_EQ(seen, (std::vector<int>{1, 2}));
  EXPECT_TRUE(order.idle());
  order.after_writes([&] { seen.push_back(3); });
  EXPECT_EQ(seen.back(), 3);
}

}  // namespace
}  // namespace weir::platform
