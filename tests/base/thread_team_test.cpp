#include "base/thread_team.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

namespace rookery::base {
namespace {

/// Teams of one, of as many as cores, and of more than that.
class ThreadTeamTest : public ::testing::TestWithParam<int> {};

TEST_P(ThreadTeamTest, RunsEveryPartOnceInEveryJob) {
  ThreadTeam team(GetParam());
  EXPECT_EQ(team.size(), GetParam());
  // Plain integers: two threads on one part, or a part after the return, is a race that the
  // thread sanitizer reports. Many short jobs of changing size are where a late thread would err.
  for (int job = 0; job < 3000; ++job) {
    const int parts = job % 7;
    std::vector<int> calls(static_cast<std::size_t>(parts), 0);
    team.run(parts, [&](int part) { ++calls[static_cast<std::size_t>(part)]; });
    ASSERT_EQ(calls, std::vector<int>(static_cast<std::size_t>(parts), 1)) << "job " << job;
  }
}

TEST_P(ThreadTeamTest, WaitsForSlowParts) {
  ThreadTeam team(GetParam());
  for (int job = 0; job < 20; ++job) {
    std::vector<double> sums(5, 0);
    team.run(5, [&](int part) {
      for (int i = 0; i < 50'000 * part; ++i) sums[static_cast<std::size_t>(part)] += 1;
    });
    for (int part = 0; part < 5; ++part) {
      ASSERT_EQ(sums[static_cast<std::size_t>(part)], 50'000.0 * part);
    }
  }
}

TEST_P(ThreadTeamTest, RethrowsAfterTheOtherPartsHaveEnded) {
  ThreadTeam team(GetParam());
  for (int job = 0; job < 200; ++job) {
    std::atomic<int> ended{0};
    const auto part = [&](int number) {
      if (number == job % 5) throw std::runtime_error("part " + std::to_string(number));
      ++ended;
    };
    try {
      team.run(5, part);
      FAIL() << "no exception";
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), "part " + std::to_string(job % 5));
    }
    EXPECT_EQ(ended, 4);
  }
  int calls = 0;
  team.run(1, [&](int) { ++calls; });
  EXPECT_EQ(calls, 1);
}

INSTANTIATE_TEST_SUITE_P(Sizes, ThreadTeamTest, ::testing::Values(1, 2, 3, 16));

TEST(ThreadTeamSizeTest, RefusesSizesOutOfRange) {
  EXPECT_THROW(ThreadTeam(0), std::invalid_argument);
  EXPECT_THROW(ThreadTeam(1025), std::invalid_argument);
  EXPECT_GE(usable_cores(), 1);
}

}  // namespace
}  // namespace rookery::base
