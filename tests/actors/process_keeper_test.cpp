#include "actors/process_keeper.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/atomic_file.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::actors {
namespace {

using namespace std::chrono_literals;
using testing::eventually;

/// A keeper of shell scripts, and what it has told so far.
class ProcessKeeperTest : public ::testing::Test {
 protected:
  std::unique_ptr<ProcessKeeper> make_keeper(const std::string& script) {
    KeeperSetup setup;
    setup.agent = "host";
    setup.policy.delay_first = 10ms;
    setup.stop_grace = 2s;
    setup.command = [this, script](const NodeSpec& spec, std::int32_t slots) {
      base::SubprocessOptions options;
      options.command = {"/bin/sh", "-c", script};
      options.environment = {{"SLOTS", std::to_string(slots)}};
      options.log = folder / (spec.node + ".log");
      return options;
    };
    setup.on_event = [this](const ProcessEvent& event) {
      const std::lock_guard lock(mutex);
      events.push_back(event);
    };
    setup.on_processes = [this](const std::vector<ProcessIdentity>& list) {
      const std::lock_guard lock(mutex);
      processes = list;
      for (const auto& process : list) seen[process.pid] = process;
    };
    return std::make_unique<ProcessKeeper>(std::move(setup));
  }
  static NodeSpec spec(std::int32_t shard) {
    NodeSpec result;
    result.shard = shard;
    result.node = "node-" + std::to_string(shard + 1);
    return result;
  }
  std::vector<ProcessIdentity> running() {
    const std::lock_guard lock(mutex);
    return processes;
  }
  bool told(const std::function<bool(const ProcessEvent&)>& what) {
    const std::lock_guard lock(mutex);
    return std::any_of(events.begin(), events.end(), what);
  }

  testing::TempFolder folder;
  std::mutex mutex;
  std::vector<ProcessEvent> events;
  std::vector<ProcessIdentity> processes;
  std::map<pid_t, ProcessIdentity> seen;
};

TEST_F(ProcessKeeperTest, RunsWhatIsAssignedAndStopsAllAtItsEnd) {
  auto keeper = make_keeper("exec sleep 60");
  keeper->assign({spec(0), spec(1)});
  ASSERT_TRUE(eventually([&] { return running().size() == 2; }));
  EXPECT_EQ(keeper->events().size(), 2u);
  keeper.reset();
  for (const auto& [pid, process] : seen) EXPECT_FALSE(process.alive()) << pid;
  EXPECT_TRUE(running().empty());
}

TEST_F(ProcessKeeperTest, NoticesAKilledProcessAndStartsAnother) {
  auto keeper = make_keeper("exec sleep 60");
  keeper->assign({spec(0)});
  ASSERT_TRUE(eventually([&] { return running().size() == 1; }));
  const auto first = running()[0];
  kill(first.pid, SIGKILL);
  ASSERT_TRUE(eventually([&] {
    const auto now = running();
    return now.size() == 1 && now[0].pid != first.pid;
  }));
  EXPECT_TRUE(told([&](const ProcessEvent& event) {
    return !event.running && event.pid == first.pid && event.exit_code == 128 + SIGKILL;
  }));
  EXPECT_TRUE(told([](const ProcessEvent& event) { return event.running && event.restarts == 1; }));
}

TEST_F(ProcessKeeperTest, PassesOnTheLastWordsOfAProcessThatFails) {
  auto keeper = make_keeper("echo 'data/wiki: no such snapshot' >&2; exit 2");
  keeper->assign({spec(0)});
  EXPECT_TRUE(eventually([&] {
    return told([](const ProcessEvent& event) {
      return event.exit_code == 2 && event.reason == "data/wiki: no such snapshot";
    });
  }));
}

TEST_F(ProcessKeeperTest, CallsAProcessThatKeepsDyingACrashLoop) {
  auto keeper = make_keeper("exit 1");
  keeper->assign({spec(0)});
  EXPECT_TRUE(
      eventually([&] { return told([](const ProcessEvent& event) { return event.crash_loop; }); }));
}

TEST_F(ProcessKeeperTest, KillsAProcessThatWillNotStop) {
  auto keeper = make_keeper("trap '' TERM; echo deaf; while :; do sleep 1; done");
  keeper->assign({spec(0)});
  ASSERT_TRUE(eventually([&] {
    return running().size() == 1 && std::filesystem::exists(folder / "node-1.log") &&
           base::read_file(folder / "node-1.log").find("deaf") != std::string::npos;
  }));
  const auto process = running().at(0);
  keeper->assign({});
  EXPECT_TRUE(eventually([&] { return running().empty(); }));
  EXPECT_FALSE(process.alive());
}

TEST_F(ProcessKeeperTest, TellsEveryProcessHowManyShareTheHost) {
  auto keeper = make_keeper("echo slots=$SLOTS; exec sleep 60");
  keeper->assign({spec(0), spec(1), spec(2)});
  EXPECT_TRUE(eventually([&] {
    return std::filesystem::exists(folder / "node-3.log") &&
           base::read_file(folder / "node-3.log").find("slots=3") != std::string::npos;
  }));
}

}  // namespace
}  // namespace rookery::actors
