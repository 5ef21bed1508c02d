#include "launch/line_process.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "launch/process_figures.hpp"

namespace rookery::launch {
namespace {

using namespace std::chrono_literals;

LineProcess shell(const std::string& script) {
  LineProcessOptions options;
  options.name = "shell";
  options.command = {"/bin/sh", "-c", script};
  options.environment = {{"GREETING", "hello"}};
  return LineProcess(options);
}

TEST(LineProcess, SpeaksLinesUntilTheOtherSideEnds) {
  LineProcess process = shell("echo ready $GREETING you; read line; echo \"got $line\"");
  EXPECT_EQ(process.wait_ready(20s), "hello you");
  process.send({{"step", 1}});
  EXPECT_EQ(process.read_line(20s), "got {\"step\":1}");
  EXPECT_EQ(process.read_line(20s), std::nullopt);
  EXPECT_TRUE(process.ended());
  process.send({{"step", 2}});  // nobody hears it, and nothing breaks
}

TEST(LineProcess, TellsSilenceFromAnEnd) {
  LineProcess silent = shell("read line");
  EXPECT_EQ(silent.read_line(1ms), std::nullopt);
  EXPECT_FALSE(silent.ended());
  EXPECT_EQ(shell("echo sorry").wait_ready(20s), std::nullopt);
}

TEST(LineProcess, EndsAProcessThatIsStopped) {
  pid_t pid = 0;
  {
    LineProcess process = shell("echo ready; read line");
    ASSERT_TRUE(process.wait_ready(20s));
    pid = process.pid();
    ::kill(pid, SIGSTOP);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(ProcessFigures, SeeOurselvesAndOurChildren) {
  LineProcess process = shell("echo ready; read line");
  ASSERT_TRUE(process.wait_ready(20s));
  const auto ours = descendants(::getpid());
  EXPECT_NE(std::ranges::find(ours, process.pid()), ours.end());
  EXPECT_EQ(std::ranges::find(ours, ::getpid()), ours.end());
  EXPECT_GT(pss_bytes(::getpid()).value_or(0), 1e5);
  EXPECT_EQ(pss_bytes(-1), std::nullopt);
  EXPECT_GE(cpu_seconds({::getpid()}), 0);
  EXPECT_EQ(cpu_seconds({-1}), 0);
}

}  // namespace
}  // namespace rookery::launch
