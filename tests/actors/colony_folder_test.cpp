#include "actors/colony_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>

#include "actors/colony_stop.hpp"
#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/subprocess.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::actors {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

base::Subprocess sleeper(const std::string& script = "sleep 60") {
  base::SubprocessOptions options;
  options.command = {"/bin/sh", "-c", script};
  return base::Subprocess(std::move(options));
}

class ColonyFolderTest : public ::testing::Test {
 protected:
  ColonyFolderTest() { setenv("ROOKERY_HOME", home.path().c_str(), 1); }
  ~ColonyFolderTest() override { unsetenv("ROOKERY_HOME"); }
  template <class Call>
  static std::string complaint(Call call) {
    try {
      call();
    } catch (const base::UserError& error) {
      return error.what();
    }
    return "accepted";
  }
  testing::TempFolder home;
};

TEST_F(ColonyFolderTest, LiesBelowRookeryHome) {
  EXPECT_EQ(ColonyFolder("wiki").path(), home.path() / "colonies" / "wiki");
}

TEST_F(ColonyFolderTest, RefusesNamesThatAreNoNames) {
  for (const std::string name : {"", "..", ".hidden", "a b", "-x", "ä"}) {
    EXPECT_THAT(complaint([&] { ColonyFolder folder(name); }), HasSubstr("colony: expected a name"))
        << name;
  }
  EXPECT_THAT(complaint([&] { ColonyFolder folder(std::string(65, 'x')); }), HasSubstr("64"));
}

TEST_F(ColonyFolderTest, IsFoundByNameOrByItsFile) {
  base::write_file_atomically(home / "some.yaml", "colony: wiki\nindex: {path: /x}\n");
  EXPECT_EQ(ColonyFolder::find((home / "some.yaml").string()).name(), "wiki");
  EXPECT_EQ(ColonyFolder::find("wiki").name(), "wiki");
}

TEST_F(ColonyFolderTest, RecordsComeBackAsTheyWere) {
  const ColonyFolder folder("wiki");
  folder.create();
  EXPECT_FALSE(folder.head());
  const HeadRecord head{ProcessIdentity::self(), 3,           "127.0.0.1:1", "tcp://127.0.0.1:2",
                        "127.0.0.1:3",           "/wiki.yaml"};
  folder.write_head(head);
  ASSERT_TRUE(folder.head());
  EXPECT_EQ(folder.head()->process, head.process);
  EXPECT_EQ(folder.head()->term, 3u);
  EXPECT_EQ(folder.head()->routing, "tcp://127.0.0.1:2");
  folder.write_agent({ProcessIdentity::self(), {ProcessIdentity::self()}});
  ASSERT_TRUE(folder.agent());
  EXPECT_EQ(folder.agent()->nodes.size(), 1u);
  EXPECT_EQ(head_routing_endpoint("wiki"), "tcp://127.0.0.1:2");
  EXPECT_EQ(head_routing_endpoint("tcp://10.0.0.1:5"), "tcp://10.0.0.1:5");
}

TEST_F(ColonyFolderTest, SaysWhatIsWrongWithAColonyThatCannotBeAsked) {
  EXPECT_THAT(complaint([] { head_routing_endpoint("wiki"); }),
              HasSubstr("no colony 'wiki' is known here"));
  const ColonyFolder folder("wiki");
  folder.create();
  EXPECT_THAT(complaint([] { head_routing_endpoint("wiki"); }),
              HasSubstr("'wiki' is not up; start it with: rookery up"));
  auto child = sleeper();
  HeadRecord head;
  head.process = ProcessIdentity::of(child.pid());
  head.config = "/etc/wiki.yaml";
  folder.write_head(head);
  EXPECT_EQ(complaint([] { head_routing_endpoint("wiki"); }), "accepted");
  child.terminate(1s);
  EXPECT_THAT(complaint([] { head_routing_endpoint("wiki"); }),
              HasSubstr("is not running; start it again with: rookery up /etc/wiki.yaml"));
  base::write_file_atomically(folder.path() / "head.json", "{");
  EXPECT_THAT(complaint([] { head_routing_endpoint("wiki"); }), HasSubstr("damaged file"));
}

TEST_F(ColonyFolderTest, OneLockHasOneHolder) {
  const ColonyFolder folder("wiki");
  {
    const auto first = folder.try_lock("head");
    EXPECT_TRUE(first);
    EXPECT_FALSE(folder.try_lock("head"));
    EXPECT_TRUE(folder.try_lock("agent")) << "another role, another lock";
  }
  EXPECT_TRUE(folder.try_lock("head")) << "freed with its holder";
}

TEST_F(ColonyFolderTest, StopsWhatItsRecordsNameAndNothingElse) {
  const ColonyFolder folder("wiki");
  folder.create();
  auto head = sleeper();
  auto agent = sleeper();
  auto node = sleeper();
  auto bystander = sleeper();
  HeadRecord record;
  record.process = ProcessIdentity::of(head.pid());
  folder.write_head(record);
  // The bystander has a pid that an ended node had before it.
  auto recycled = ProcessIdentity::of(bystander.pid());
  recycled.start_ticks -= 1;
  folder.write_agent(
      {ProcessIdentity::of(agent.pid()), {ProcessIdentity::of(node.pid()), recycled}});

  EXPECT_EQ(stop_colony(folder, 2s), 3);

  EXPECT_TRUE(head.poll());
  EXPECT_TRUE(agent.poll());
  EXPECT_TRUE(node.poll());
  EXPECT_FALSE(bystander.poll()) << "a recycled pid was hit";
  EXPECT_FALSE(folder.head());
  EXPECT_EQ(stop_colony(folder, 2s), 0) << "a second time there is nothing to do";
}

TEST(ProcessIdentityTest, KnowsItselfAndTellsTheDeadFromTheLiving) {
  EXPECT_TRUE(ProcessIdentity::self().alive());
  auto child = sleeper();
  const auto identity = ProcessIdentity::of(child.pid());
  EXPECT_TRUE(identity.alive());
  child.signal(SIGKILL);
  EXPECT_TRUE(wait_for_end(identity, 20s));
  EXPECT_FALSE(identity.alive()) << "a zombie has ended";
  child.wait();
  EXPECT_FALSE(identity.alive());
  EXPECT_FALSE(ProcessIdentity{}.alive());
  auto other_boot = ProcessIdentity::self();
  other_boot.boot = "another";
  EXPECT_FALSE(other_boot.alive());
}

TEST(ProcessIdentityTest, KillsWhatDoesNotListen) {
  auto polite = sleeper("exec sleep 60");
  EXPECT_EQ(stop_process(ProcessIdentity::of(polite.pid()), 20s), StopResult::kTerminated);
  base::SubprocessOptions options;
  // Says "deaf" once its trap is set; only then is it safe to signal it.
  options.command = {"/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"};
  options.capture_output = true;
  base::Subprocess deaf(std::move(options));
  while (deaf.output().empty()) {
    ASSERT_FALSE(deaf.wait(10ms));
  }
  const auto identity = ProcessIdentity::of(deaf.pid());
  EXPECT_EQ(stop_process(identity, 50ms), StopResult::kKilled);
  EXPECT_EQ(stop_process(identity, 50ms), StopResult::kNotRunning);
}

}  // namespace
}  // namespace rookery::actors
