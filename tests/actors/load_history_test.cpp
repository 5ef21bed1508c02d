#include "actors/load_history.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace rookery::actors {
namespace {

using Json = nlohmann::json;

MemberStatus member(const std::string& node, std::int64_t pid, std::int64_t served) {
  MemberStatus out;
  out.node = node;
  out.pid = pid;
  out.served = served;
  return out;
}

ColonyStatus colony(std::vector<MemberStatus> members) {
  ColonyStatus status;
  status.members = std::move(members);
  return status;
}

TEST(LoadHistoryTest, RatesAreOfWhatTheSameProcessesServedSince) {
  LoadHistory history;
  history.observe(colony({member("node-1", 11, 100), member("node-2", 12, 50)}), 10'000);
  // node-2 has a new process, which counts from zero: what it served before is not known.
  history.observe(colony({member("node-1", 11, 300), member("node-2", 99, 5)}), 12'000);
  history.observe(colony({member("node-1", 11, 300), member("node-2", 99, 25)}), 14'000);

  const auto samples = Json::parse(history.json(3600, 0, 15'000)).at("samples");
  ASSERT_EQ(samples.size(), 3U);
  EXPECT_DOUBLE_EQ(samples[0].at("qps"), 0);
  EXPECT_DOUBLE_EQ(samples[1].at("qps"), 100);
  EXPECT_DOUBLE_EQ(samples[2].at("qps"), 10);
}

TEST(LoadHistoryTest, ShowsTheMedianP50AndTheSlowestP99) {
  auto members = std::vector{member("a", 1, 0), member("b", 2, 0), member("c", 3, 0)};
  members[0].p50_us = 100, members[0].p99_us = 900;
  members[1].p50_us = 5'000, members[1].p99_us = 7'000;
  members[2].p50_us = 200, members[2].p99_us = 800;
  members[1].queue = 3, members[2].queue = 4, members[2].queue_wait_us = 250;
  LoadHistory history;
  history.observe(colony(members), 1'000);
  history.observe(colony({member("a", 1, 0)}), 3'000);

  const auto samples = Json::parse(history.json(3600, 0, 3'000)).at("samples");
  EXPECT_EQ(samples[0].at("p50_us"), 200);
  EXPECT_EQ(samples[0].at("p99_us"), 7'000);
  EXPECT_EQ(samples[0].at("queue"), 7);
  EXPECT_EQ(samples[0].at("queue_wait_us"), 250);
  EXPECT_EQ(samples[1].at("p50_us"), -1) << "nobody was asked";
}

TEST(LoadHistoryTest, IsBoundedAndThinnedToItsStep) {
  LoadHistory history;
  const auto count = static_cast<std::int64_t>(LoadHistory::kSamplesMax) + 100;
  for (std::int64_t i = 1; i <= 2 * count; ++i) history.observe(colony({}), i * 1'000);
  const auto now = 2 * count * 1'000;
  const auto samples = Json::parse(history.json(86'400, 0, now)).at("samples");
  ASSERT_EQ(samples.size(), LoadHistory::kSamplesMax);
  EXPECT_EQ(samples[1].at("t").get<std::int64_t>() - samples[0].at("t").get<std::int64_t>(),
            LoadHistory::kStepMs);
}

TEST(LoadHistoryTest, GivesOnlyWhatWasAskedFor) {
  LoadHistory history;
  for (std::int64_t i = 1; i <= 10; ++i) history.observe(colony({}), i * 2'000);
  const auto count = [&](std::int64_t seconds, std::int64_t after) {
    return Json::parse(history.json(seconds, after, 20'000)).at("samples").size();
  };
  EXPECT_EQ(count(3600, 0), 10U);
  EXPECT_EQ(count(4, 0), 3U);
  EXPECT_EQ(count(3600, 18'000), 1U);
  EXPECT_EQ(count(3600, INT64_MAX), 0U);
  EXPECT_EQ(count(INT64_MAX, 0), 10U);
}

TEST(LoadHistoryTest, GoesOnWhenTheClockIsSetBack) {
  LoadHistory history;
  history.observe(colony({member("a", 1, 10)}), 100'000);
  history.observe(colony({member("a", 1, 20)}), 50'000);
  history.observe(colony({member("a", 1, 40)}), 52'000);
  const auto samples = Json::parse(history.json(3600, 0, 52'000)).at("samples");
  ASSERT_EQ(samples.size(), 3U);
  EXPECT_DOUBLE_EQ(samples[1].at("qps"), 0);
  EXPECT_DOUBLE_EQ(samples[2].at("qps"), 10);
}

}  // namespace
}  // namespace rookery::actors
