#include "server/data_folder.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "platform/posix/posix_rng.h"

namespace weir::server {
namespace {

TEST(folder_facts, every_flipped_bit_is_seen) {
  folder_facts f;
  f.cluster_id = "ABCDEFGHIJKLMNOPQRSTUA";
  f.reactors = 3;
  const std::string text = print_facts(f);
  EXPECT_EQ(parse_facts(text).value(), f);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(parse_facts(damaged)) << i;
    EXPECT_FALSE(parse_facts(text.substr(0, i))) << i;
  }
}

TEST(folder_facts, a_newer_version_is_unsupported_not_damaged) {
  folder_facts f;
  f.cluster_id = "ABCDEFGHIJKLMNOPQRSTUA";
  f.version = 2;
  EXPECT_EQ(parse_facts(print_facts(f)).error().code, errc::unsupported);
}

TEST(data_folder, is_made_once_and_kept) {
  std::string name = testing::TempDir() + "weir_folder_XXXXXX";
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  const std::string path = name + "/deep/data";
  platform::posix_rng random;
  folder_facts fresh;
  fresh.reactors = 2;
  std::string id;
  {
    const auto made = open_data_folder(path, fresh, random);
    ASSERT_TRUE(made) << made.error().text;
    EXPECT_TRUE(made->created);
    id = made->facts.cluster_id;
    EXPECT_EQ(id.size(), 22U);
    EXPECT_EQ(open_data_folder(path, fresh, random).error().code, errc::busy);
  }
  fresh.reactors = 7;
  {
    const auto again = open_data_folder(path, fresh, random);
    ASSERT_TRUE(again);
    EXPECT_FALSE(again->created);
    EXPECT_EQ(again->facts.cluster_id, id);
    EXPECT_EQ(again->facts.reactors, 2U);
  }
  EXPECT_TRUE(std::filesystem::is_directory(path + "/r1"));
  std::ofstream(path + "/weir.folder") << "nonsense";
  EXPECT_EQ(open_data_folder(path, fresh, random).error().code, errc::corrupt);
  std::filesystem::remove(path + "/weir.folder");
  EXPECT_TRUE(open_data_folder(path, fresh, random)) << "nothing but what a crash before the facts leaves";
  std::filesystem::remove(path + "/weir.folder");
  std::ofstream(path + "/r0/wal") << "data";
  EXPECT_EQ(open_data_folder(path, fresh, random).error().code, errc::corrupt) << "stores without their folder's facts";
  std::filesystem::remove_all(name);
}

// A store that was lost must not be taken for one that was never there.
TEST(data_folder, a_missing_store_is_damage) {
  std::string name = testing::TempDir() + "weir_folder_XXXXXX";
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  platform::posix_rng random;
  folder_facts fresh;
  fresh.reactors = 3;
  EXPECT_TRUE(open_data_folder(name + "/data", fresh, random));
  for (const std::string store : {"/data/r2", "/data/r0"}) {
    std::filesystem::remove(name + store);
    const auto again = open_data_folder(name + "/data", fresh, random);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, errc::corrupt);
    EXPECT_NE(again.error().text.find(store), std::string::npos) << again.error().text;
    std::filesystem::create_directory(name + store);
  }
  EXPECT_TRUE(open_data_folder(name + "/data", fresh, random));
  std::filesystem::remove_all(name);
}

}  // namespace
}  // namespace weir::server
