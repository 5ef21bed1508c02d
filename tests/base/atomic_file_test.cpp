#include "base/atomic_file.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

namespace rookery::base {
namespace {

using ::testing::ElementsAre;
using testing::error_text;
using ::testing::IsEmpty;
using testing::TempFolder;

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename());
  }
  return names;
}

/// Runs `body` in a child process, which ends with its value.
template <typename Body>
int in_child(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(AtomicFileTest, ShowsNothingBeforeCommit) {
  const TempFolder folder;
  AtomicFile file(folder / "a");
  file.write(std::string(3 << 20, 'x'));

  EXPECT_FALSE(std::filesystem::exists(folder / "a"));
  file.commit();

  EXPECT_EQ(read_file(folder / "a"), std::string(3 << 20, 'x'));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(AtomicFileTest, KeepsTheOrderOfSmallAndLargeWrites) {
  const TempFolder folder;
  std::string wanted;
  AtomicFile file(folder / "a");
  for (const std::size_t size : {3u, 2u << 20, 1u, 700'000u, 700'000u, 5u}) {
    const std::string piece(size, static_cast<char>('a' + wanted.size() % 26));
    file.write(std::as_bytes(std::span(piece)));
    wanted += piece;
  }
  file.commit();

  EXPECT_TRUE(read_file(folder / "a") == wanted);
}

TEST(AtomicFileTest, LeavesTheOldContentWhenNotCommitted) {
  const TempFolder folder;
  write_file_atomically(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("new");
  }
  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(AtomicFileTest, KilledInTheMiddleShowsTheOldContent) {
  const TempFolder folder;
  write_file_atomically(folder / "a", "old");
  const int code = in_child([&] {
    AtomicFile file(folder / "a");
    file.write(std::string(2 << 20, 'n'));
    ::raise(SIGKILL);
    return 0;
  });
  EXPECT_EQ(code, 128 + SIGKILL);
  EXPECT_EQ(read_file(folder / "a"), "old");
}

TEST(AtomicFileTest, SaysWhenTheDiskRefusesAndLeavesNothing) {
  const TempFolder folder;
  const auto path = folder / "a";
  // A limit on file sizes stands for a full disk: the kernel refuses the write in the same place.
  const int code = in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, 1 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto text = error_text([&] { write_file_atomically(path, std::string(3 << 20, 'x')); });
    return text == path.string() + ": cannot be written: File too large" ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
  EXPECT_THAT(names_in(folder.path()), IsEmpty());
}

TEST(AtomicFileTest, NamesAFolderThatIsNotThere) {
  EXPECT_EQ(error_text([] { write_file_atomically("nowhere/a", "x"); }),
            "nowhere/a: cannot be created: No such file or directory");
  EXPECT_EQ(error_text([] { sync_folder("nowhere"); }),
            "nowhere: the folder cannot be opened: No such file or directory");
}

TEST(ReadFileTest, ReadsFilesThatStateNoSize) {
  EXPECT_EQ(read_file("/proc/self/statm").back(), '\n');
  EXPECT_EQ(read_file("/dev/null"), "");
}

TEST(ReadFileTest, NamesPathAndReason) {
  EXPECT_EQ(error_text([] { (void)read_file("nowhere"); }),
            "nowhere: cannot be read: No such file or directory");
  EXPECT_EQ(error_text([] { (void)read_file("/"); }), "/: cannot be read: Is a directory");
}

}  // namespace
}  // namespace rookery::base
