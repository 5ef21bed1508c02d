#include "launch/tail_bench.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>

namespace rookery::launch {
namespace {

/// Times 1, 2 … 100 ms, each `factor` times as long.
TailTurn turn(double factor, std::int64_t copies = 0) {
  TailTurn result;
  result.latency_ms.resize(100);
  std::iota(result.latency_ms.begin(), result.latency_ms.end(), 1.0);
  for (double& time : result.latency_ms) time *= factor;
  result.copies = copies;
  return result;
}

TEST(TailFiguresTest, ARowIsComparedWithTheHealthyOneOfItsOwnTurn) {
  // The machine grows slower from turn to turn; the row is always three times as slow.
  const std::vector<TailTurn> healthy = {turn(1), turn(2), turn(4)};
  const TailFigures figures = tail_figures(healthy, {turn(3), turn(6), turn(12)});
  EXPECT_DOUBLE_EQ(figures.p99_ratio, 3);
  EXPECT_DOUBLE_EQ(figures.p50_ms, 300);
  EXPECT_DOUBLE_EQ(figures.p99_ms, 594);
  EXPECT_DOUBLE_EQ(figures.p999_ms, 1200);  // of all 300 queries
}

TEST(TailFiguresTest, OneBadTurnDoesNotMoveTheRatio) {
  const std::vector<TailTurn> healthy = {turn(1), turn(1), turn(1)};
  EXPECT_DOUBLE_EQ(tail_figures(healthy, {turn(1), turn(50), turn(1)}).p99_ratio, 1);
}

TEST(TailFiguresTest, ExtraLoadIsCopiesForEachQueryOfAllTurns) {
  const std::vector<TailTurn> row = {turn(1, 9), turn(1, 0), turn(1, 3)};
  EXPECT_DOUBLE_EQ(tail_figures(row, row).extra_load, 0.04);
}

TEST(TailFiguresTest, WithoutQueriesAllIsZero) {
  const TailFigures figures = tail_figures({TailTurn{}}, {TailTurn{}});
  EXPECT_EQ(figures.p99_ratio, 0);
  EXPECT_EQ(figures.extra_load, 0);
  EXPECT_THROW((void)tail_figures({}, {TailTurn{}}), std::invalid_argument);
}

}  // namespace
}  // namespace rookery::launch
