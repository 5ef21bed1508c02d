#include "actors/process_table.hpp"

#include <gtest/gtest.h>

namespace rookery::actors {
namespace {

using namespace std::chrono_literals;

NodeSpec spec(std::int32_t shard, const std::string& generation = "aa") {
  NodeSpec result;
  result.index = "main";
  result.shard = shard;
  result.node = "node-" + std::to_string(shard + 1);
  result.generation = generation;
  return result;
}

Slot slot(std::int32_t shard, const std::string& generation = "aa") {
  return {"main", generation, shard, 0};
}

class ProcessTableTest : public ::testing::Test {
 protected:
  ProcessTable table{"host", {}};
  TimePoint now{};
};

TEST_F(ProcessTableTest, StartsWhatIsWantedAtOnceAndOnlyOnce) {
  EXPECT_TRUE(table.want({spec(0), spec(1)}, now).empty());
  ASSERT_EQ(table.due(now).size(), 2u);
  const auto event = table.started(slot(0), 100, now);
  EXPECT_EQ(event.agent, "host");
  EXPECT_EQ(event.pid, 100);
  EXPECT_TRUE(event.running);
  EXPECT_EQ(table.due(now), std::vector{spec(1)});
}

TEST_F(ProcessTableTest, TheSameAssignmentOfANewHeadTouchesNothing) {
  table.want({spec(0)}, now);
  table.started(slot(0), 100, now);
  EXPECT_TRUE(table.want({spec(0)}, now + 1s).empty());
  EXPECT_TRUE(table.due(now + 1s).empty());
}

TEST_F(ProcessTableTest, StartsADeadProcessAgainAfterItsPause) {
  table.want({spec(0)}, now);
  table.started(slot(0), 100, now);
  const auto event = table.ended(slot(0), 137, "killed", now + 60s);
  EXPECT_FALSE(event.running);
  EXPECT_EQ(event.exit_code, 137);
  EXPECT_EQ(event.restarts, 1);
  EXPECT_EQ(event.retry_ms, 200);
  EXPECT_EQ(event.reason, "killed");
  EXPECT_TRUE(table.due(now + 60s + 199ms).empty());
  EXPECT_EQ(table.next_due(), now + 60s + 200ms);
  EXPECT_EQ(table.due(now + 60s + 200ms).size(), 1u);
}

TEST_F(ProcessTableTest, TellsACrashLoop) {
  table.want({spec(0)}, now);
  ProcessEvent event;
  for (int i = 0; i < 5; ++i) {
    table.started(slot(0), 100 + i, now);
    event = table.ended(slot(0), 1, "", now + 100ms);
    now = *table.next_due();
  }
  EXPECT_TRUE(event.crash_loop);
  EXPECT_EQ(event.restarts, 5);
}

TEST_F(ProcessTableTest, StopsWhatIsWantedNoMoreAndForgetsIt) {
  table.want({spec(0), spec(1)}, now);
  table.started(slot(0), 100, now);
  table.started(slot(1), 101, now);
  EXPECT_EQ(table.want({spec(1)}, now), std::vector{slot(0)});
  EXPECT_TRUE(table.want({spec(1)}, now).empty()) << "told to stop twice";
  table.ended(slot(0), 0, "", now + 1s);
  EXPECT_TRUE(table.due(now + 1h).empty());
  EXPECT_EQ(table.events().size(), 1u);
}

TEST_F(ProcessTableTest, ReplacesAProcessWithOtherSettingsWithoutAPause) {
  table.want({spec(0)}, now);
  table.started(slot(0), 100, now);
  auto fresh = spec(0);
  fresh.run = 1;
  EXPECT_EQ(table.want({fresh}, now), std::vector{slot(0)});
  EXPECT_TRUE(table.due(now).empty()) << "the old one still runs";
  const auto event = table.ended(slot(0), 0, "", now + 1s);
  EXPECT_EQ(event.restarts, 0) << "a wish is no crash";
  EXPECT_EQ(table.due(now + 1s), std::vector{fresh});
}

TEST_F(ProcessTableTest, TwoGenerationsOfAShardRunBesideEachOther) {
  table.want({spec(0, "aa"), spec(0, "bb")}, now);
  table.started(slot(0, "aa"), 100, now);
  const auto event = table.started(slot(0, "bb"), 101, now);
  EXPECT_EQ(event.generation, "bb");
  EXPECT_EQ(event.index, "main");
  EXPECT_EQ(table.want({spec(0, "bb")}, now), std::vector{slot(0, "aa")});
}

TEST_F(ProcessTableTest, OtherSettingsEndTheWaitOfACrashLoop) {
  table.want({spec(0)}, now);
  for (int i = 0; i < 8; ++i) {
    table.started(slot(0), 100, now);
    table.ended(slot(0), 2, "no such file", now);
  }
  EXPECT_TRUE(table.due(now + 1s).empty());
  auto fresh = spec(0);
  fresh.kind = "bm25";
  table.want({fresh}, now + 1s);
  EXPECT_EQ(table.due(now + 1s).size(), 1u);
}

}  // namespace
}  // namespace rookery::actors
