#include "platform/posix/memory_room.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace weir::platform {
namespace {

class memory_room_test : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(root); }
  void TearDown() override { std::filesystem::remove_all(root); }
  void file(const std::string& path, const std::string& text) const {
    const std::filesystem::path at = root + path;
    std::filesystem::create_directories(at.parent_path());
    std::ofstream(at) << text;
  }
  void group(const std::string& folder, const std::string& limit, std::uint64_t usage, std::uint64_t droppable) const {
    file(folder + "/memory.max", limit + "\n");
    file(folder + "/memory.current", std::to_string(usage) + "\n");
    file(folder + "/memory.stat", "anon 5\ninactive_file " + std::to_string(droppable) + "\nactive_file 7\n");
  }
  // Of this process alone: tests run at the same time.
  std::string root = ::testing::TempDir() + "memory_room_test-" + std::to_string(::getpid());
};

TEST_F(memory_room_test, is_what_the_machine_has_when_no_group_limits_it) {
  EXPECT_EQ(memory_room(root), std::nullopt) << "nothing is told";
  file("/proc/meminfo", "MemTotal:  2000 kB\nMemFree:  10 kB\nMemAvailable:   1000 kB\nBuffers: 5 kB\n");
  EXPECT_EQ(memory_room(root), 1000 * 1024);
  file("/proc/self/cgroup", "0::/\n");
  group("/sys/fs/cgroup", "max", 100, 0);
  EXPECT_EQ(memory_room(root), 1000 * 1024) << "max is no limit";
}

TEST_F(memory_room_test, is_what_the_tightest_group_leaves_and_page_cache_counts_as_free) {
  file("/proc/meminfo", "MemAvailable: 1000 kB\n");
  file("/proc/self/cgroup", "0::/system.slice/weir.service\n");
  group("/sys/fs/cgroup/system.slice/weir.service", "500000", 300'000, 100'000);
  EXPECT_EQ(memory_room(root), 300'000);
  group("/sys/fs/cgroup/system.slice", "400000", 390'000, 50'000);
  EXPECT_EQ(memory_room(root), 60'000);
  group("/sys/fs/cgroup/system.slice", "400000", 450'000, 0);
  EXPECT_EQ(memory_room(root), 0) << "over its limit already";
}

TEST_F(memory_room_test, finds_a_containers_limit_though_the_path_is_the_hosts) {
  file("/proc/meminfo", "MemAvailable: 1000 kB\n");
  file("/proc/self/cgroup", "0::/../../docker/1a2b\n");
  group("/sys/fs/cgroup", "200000", 50'000, 0);
  EXPECT_EQ(memory_room(root), 150'000);
}

TEST_F(memory_room_test, knows_the_older_hierarchy) {
  file("/proc/meminfo", "MemAvailable: 1000 kB\n");
  file("/proc/self/cgroup", "5:cpu,cpuacct:/a\nnonsense\n4:hugetlb,memory:/jobs/weir\n0::/\n");
  file("/sys/fs/cgroup/memory/jobs/weir/memory.limit_in_bytes", "300000\n");
  file("/sys/fs/cgroup/memory/jobs/weir/memory.usage_in_bytes", "100000\n");
  file("/sys/fs/cgroup/memory/jobs/weir/memory.stat", "cache 1\ntotal_inactive_file 30000\n");
  EXPECT_EQ(memory_room(root), 230'000);
}

TEST_F(memory_room_test, this_machine_tells_something) { EXPECT_GT(memory_room().value_or(0), 0); }

}  // namespace
}  // namespace weir::platform
