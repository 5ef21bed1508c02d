#include "index_tools/retention.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::index_tools {
namespace {

namespace fs = std::filesystem;

class RetentionTest : public ::testing::Test {
 protected:
  RetentionTest() {
    int age = 0;
    for (const std::string generation : {"e5", "a1", "c3", "b2", "d4"}) {  // the oldest first
      fs::create_directories(folder / generation / "shard-0");
      base::write_file_atomically(folder / generation / "shard-0" / "vectors", "vectors");
      const auto manifest = folder / generation / "manifest.json";
      base::write_file_atomically(manifest, "{}");
      fs::last_write_time(manifest,
                          fs::file_time_type::clock::now() - std::chrono::hours(10 - age));
      ++age;
    }
    base::write_file_atomically(folder / "CURRENT", "d4\n");
  }
  std::set<std::string> left() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder.path())) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }
  testing::TempFolder folder;
};

using Names = std::set<std::string>;

TEST_F(RetentionTest, TheNewestStayAndSoDoesWhatIsUsed) {
  const auto removed = remove_old_generations(folder.path(), 2, {"a1"});
  EXPECT_EQ(removed, (std::vector<std::string>{"c3", "e5"}));
  EXPECT_EQ(left(), (Names{"CURRENT", "a1", "b2", "d4"}));
  EXPECT_TRUE(fs::exists(folder / "a1" / "shard-0" / "vectors"));
  EXPECT_TRUE(remove_old_generations(folder.path(), 2, {"a1"}).empty());
}

TEST_F(RetentionTest, TheCurrentOneStaysHoweverOldItIs) {
  base::write_file_atomically(folder / "CURRENT", "e5\n");
  EXPECT_EQ(remove_old_generations(folder.path(), 1, {}),
            (std::vector<std::string>{"b2", "c3", "a1"}));
  EXPECT_EQ(left(), (Names{"CURRENT", "d4", "e5"}));
}

TEST_F(RetentionTest, ZeroKeepsAll) {
  EXPECT_TRUE(remove_old_generations(folder.path(), 0, {}).empty());
  EXPECT_EQ(left().size(), 6U);
}

TEST_F(RetentionTest, NothingGoesWhileSomethingIsBuiltButAnAbandonedBuildStopsNothing) {
  fs::create_directories(folder / ".building-0123");
  const auto lock = folder / ".building-0123" / "lock";
  const int descriptor = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  ASSERT_GE(descriptor, 0);
  ASSERT_EQ(::flock(descriptor, LOCK_EX | LOCK_NB), 0);
  EXPECT_TRUE(remove_old_generations(folder.path(), 1, {}).empty());
  EXPECT_EQ(left().size(), 7U);
  ::close(descriptor);
  EXPECT_EQ(remove_old_generations(folder.path(), 1, {}).size(), 4U);
  EXPECT_EQ(left(), (Names{".building-0123", "CURRENT", "d4"}));
}

TEST_F(RetentionTest, WhatAKillLeftIsSweptAndNeverSeenAsAGeneration) {
  fs::rename(folder / "a1", folder / ".removing-a1");  // killed between rename and delete
  fs::remove(folder.path() / ".removing-a1" / "manifest.json");
  EXPECT_TRUE(remove_old_generations(folder.path(), 0, {}).empty());
  EXPECT_EQ(left(), (Names{"CURRENT", "b2", "c3", "d4", "e5"}));
}

TEST_F(RetentionTest, FoldersThatAreNoGenerationsAreNotTouched) {
  fs::create_directories(folder / "notes");
  fs::create_directories(folder / "abc");  // hex digits, but no manifest
  (void)remove_old_generations(folder.path(), 1, {});
  EXPECT_EQ(left(), (Names{"CURRENT", "abc", "d4", "notes"}));
  EXPECT_TRUE(remove_old_generations(folder / "nowhere", 1, {}).empty());
}

TEST_F(RetentionTest, CurrentMovesToAGenerationThatIsThereOnly) {
  set_current_generation(folder.path(), "b2");
  EXPECT_EQ(base::read_file(folder / "CURRENT"), "b2\n");
  EXPECT_THROW(set_current_generation(folder.path(), "f6"), base::UserError);
  EXPECT_EQ(base::read_file(folder / "CURRENT"), "b2\n");
}

}  // namespace
}  // namespace rookery::index_tools
