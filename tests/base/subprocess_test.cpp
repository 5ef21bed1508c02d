#include "base/atomic_file.hpp"
#include "base/subprocess.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/temp_folder.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <thread>
#include <utility>

namespace rookery::base {
namespace {

using testing::error_text;
using testing::eventually;
using testing::TempFolder;

SubprocessOptions shell(const std::string& script) {
  SubprocessOptions options;
  options.command = {"sh", "-c", script};
  options.capture_output = true;
  return options;
}

bool alive(pid_t pid) { return ::kill(pid, 0) == 0; }

TEST(SubprocessTest, TellsExitCodesAndSignals) {
  EXPECT_EQ(Subprocess(shell("exit 0")).wait(), 0);
  EXPECT_EQ(Subprocess(shell("exit 7")).wait(), 7);
  EXPECT_EQ(Subprocess(shell("kill -KILL $$")).wait(), 128 + SIGKILL);
}

TEST(SubprocessTest, SaysWhyAProgramCannotBeExecuted) {
  SubprocessOptions options;
  options.command = {"./no-such-program"};
  EXPECT_EQ(error_text([&] { Subprocess child(options); }),
            "./no-such-program: cannot be executed: No such file or directory");
  options.command = {"true"};
  options.log = "nowhere/log";
  EXPECT_EQ(error_text([&] { Subprocess child(options); }),
            "nowhere/log: the log cannot be opened: No such file or directory");
}

TEST(SubprocessTest, KeepsOutputLongerThanAPipe) {
  Subprocess child(shell("head -c 1000000 /dev/zero | tr '\\0' x; echo end"));
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(child.output() == std::string(1'000'000, 'x') + "end\n");
}

TEST(SubprocessTest, AddsToTheEnvironmentAndReplaces) {
  ::setenv("ROOKERY_TEST_OLD", "old", 1);
  auto options = shell("printf '%s %s' $ROOKERY_TEST_OLD $ROOKERY_TEST_NEW");
  options.environment = {{"ROOKERY_TEST_OLD", "changed"}, {"ROOKERY_TEST_NEW", "new"}};
  Subprocess child(options);
  child.wait();
  EXPECT_EQ(child.output(), "changed new");
}

TEST(SubprocessTest, AppendsToTheLog) {
  const TempFolder folder;
  for (const auto* word : {"one", "two"}) {
    auto options = shell(std::string("echo ") + word + "; echo error-" + word + " >&2");
    options.capture_output = false;
    options.log = folder / "log";
    EXPECT_EQ(Subprocess(options).wait(), 0);
  }
  EXPECT_EQ(read_file(folder / "log"), "one\nerror-one\ntwo\nerror-two\n");
}

TEST(SubprocessTest, WithOutputCapturedTheLogGetsErrorsOnly) {
  const TempFolder folder;
  auto options = shell("echo out; echo err >&2");
  options.log = folder / "log";
  Subprocess child(options);
  child.wait();
  EXPECT_EQ(child.output(), "out\n");
  EXPECT_EQ(read_file(folder / "log"), "err\n");
}

TEST(SubprocessTest, WaitsNoLongerThanTold) {
  Subprocess child(shell("exec cat /dev/zero > /dev/null"));
  EXPECT_EQ(child.wait(std::chrono::milliseconds(5)), std::nullopt);
  EXPECT_EQ(child.poll(), std::nullopt);
  EXPECT_EQ(child.terminate(std::chrono::seconds(20)), 128 + SIGTERM);
  EXPECT_EQ(child.poll(), 128 + SIGTERM);
}

TEST(SubprocessTest, KillsAChildThatIgnoresTheRequest) {
  Subprocess child(shell("trap '' TERM; echo ready; while :; do read x < /dev/zero; done"));
  ASSERT_TRUE(eventually([&] { return child.output() == "ready\n"; }));
  EXPECT_EQ(child.terminate(std::chrono::milliseconds(20)), 128 + SIGKILL);
}

TEST(SubprocessTest, DiesWithItsOwner) {
  pid_t pid = 0;
  {
    const Subprocess child(shell("exec cat /dev/zero > /dev/null"));
    pid = child.pid();
    EXPECT_TRUE(alive(pid));
  }
  EXPECT_FALSE(alive(pid));
}

TEST(SubprocessTest, DiesWithTheThreadThatStartedIt) {
  std::optional<Subprocess> child;
  std::thread([&] { child.emplace(shell("exec cat /dev/zero > /dev/null")); }).join();
  EXPECT_EQ(child->wait(), 128 + SIGKILL);
}

TEST(SubprocessTest, OutlivesItsOwnerWhenReleased) {
  auto options = shell("exec cat /dev/zero > /dev/null");
  options.die_with_parent = false;
  options.new_session = true;
  pid_t pid = 0;
  {
    Subprocess child(options);
    pid = child.pid();
    EXPECT_EQ(::getsid(pid), pid);
    child.release();
  }
  EXPECT_TRUE(alive(pid));
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

TEST(SubprocessTest, MovesWithItsChild) {
  Subprocess first(shell("echo moved"));
  Subprocess second(std::move(first));
  Subprocess third(shell("exit 3"));
  third = std::move(second);
  EXPECT_EQ(third.wait(), 0);
  EXPECT_EQ(third.output(), "moved\n");
}

TEST(SubprocessTest, KnowsTheFolderOfTheExecutable) {
  EXPECT_TRUE(std::filesystem::exists(executable_folder() / "base_test"));
}

}  // namespace
}  // namespace rookery::base
