#include "launch/hnsw_bench.hpp"

#include <gtest/gtest.h>

namespace rookery::launch {
namespace {

TEST(HnswBenchTest, TimesAreReadBetweenThePointsOfACurve) {
  const std::vector<RecallPoint> curve = {{0.8, 1.0}, {0.9, 2.0}, {0.9, 4.0}, {1.0, 8.0}};
  EXPECT_EQ(ms_at_recall(curve, 0.5), 1.0);  // the first point is better and as fast
  EXPECT_EQ(ms_at_recall(curve, 0.8), 1.0);
  EXPECT_NEAR(ms_at_recall(curve, 0.85).value(), 1.5, 1e-12);
  EXPECT_EQ(ms_at_recall(curve, 0.9), 2.0);
  EXPECT_NEAR(ms_at_recall(curve, 0.95).value(), 6.0, 1e-12);
  EXPECT_EQ(ms_at_recall(curve, 1.0), 8.0);
  EXPECT_EQ(ms_at_recall({{0.8, 1.0}}, 0.9), std::nullopt);
  EXPECT_EQ(ms_at_recall({}, 0.9), std::nullopt);
}

}  // namespace
}  // namespace rookery::launch
