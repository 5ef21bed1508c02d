#include "trainer/baseline_index.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "base/error.hpp"
#include "index_tools/snapshot_writer.hpp"
#include "tests/support/temp_folder.hpp"
#include "trainer/bench_steps.hpp"

namespace rookery::trainer {
namespace {

constexpr std::int32_t kWidth = 20;
constexpr std::int64_t kRows = 60;
constexpr std::int32_t kK = 5;

std::vector<float> numbers(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

class BaselineIndexTest : public ::testing::Test {
 protected:
  /// Passage ids are 3, 6, 9, …: not row numbers.
  std::filesystem::path snapshot(std::int32_t shards) const {
    index_tools::Manifest facts;
    facts.build_key = "k";
    facts.dimension = kWidth;
    facts.encoder.dimension = kWidth;
    const auto name = folder_ / ("s" + std::to_string(shards));
    index_tools::SnapshotWriter writer(name, folder_ / "work", facts, {.shards = shards});
    for (std::int64_t row = 0; row < kRows; ++row) {
      writer.add({3 * row + 3, std::to_string(row), "", "t"}, vector(row));
    }
    writer.commit();
    return name;
  }
  [[nodiscard]] std::span<const float> vector(std::int64_t row) const {
    return std::span(vectors_).subspan(static_cast<std::size_t>(row) * kWidth, kWidth);
  }
  /// Ids of the best rows of query `q`, by a plain loop.
  [[nodiscard]] std::vector<std::int64_t> best(std::size_t q) const {
    std::vector<std::pair<double, std::int64_t>> scored;
    for (std::int64_t row = 0; row < kRows; ++row) {
      const auto of_row = vector(row);
      double score = 0;
      for (std::size_t d = 0; d < kWidth; ++d) {
        score += static_cast<double>(queries_[q * kWidth + d]) * static_cast<double>(of_row[d]);
      }
      scored.emplace_back(-score, 3 * row + 3);
    }
    std::ranges::sort(scored);
    std::vector<std::int64_t> ids;
    for (int i = 0; i < kK; ++i) ids.push_back(scored[static_cast<std::size_t>(i)].second);
    return ids;
  }

  rookery::testing::TempFolder folder_;
  std::vector<float> vectors_ = numbers(kRows * kWidth, 1);
  std::vector<float> queries_ = numbers(19 * kWidth, 2);  // two chunks of 8 and a rest
};

TEST_F(BaselineIndexTest, FindsWhatAPlainLoopFindsWithTheVectorOfEveryDocument) {
  const auto name = snapshot(1);
  for (const std::string kernel : {"faiss", "rookery"}) {
    for (const std::int32_t chunk : {8, 0}) {
      for (const int threshold : {0, 1}) {
        BaselineIndex index(
            name, {.kernel = kernel, .threads = 2, .chunk = chunk, .blas_threshold = threshold});
        const FoundDocuments found = index.find(queries_, kK);
        ASSERT_EQ(found.ids.size(), 19u * kK);
        for (std::size_t q = 0; q < 19; ++q) {
          const auto begin = found.ids.begin() + static_cast<std::ptrdiff_t>(q) * kK;
          EXPECT_EQ(std::vector<std::int64_t>(begin, begin + kK), best(q)) << kernel << chunk;
        }
        for (std::size_t i = 0; i < found.ids.size(); ++i) {
          const auto row = vector(found.ids[i] / 3 - 1);
          ASSERT_TRUE(std::equal(row.begin(), row.end(),
                                 found.vectors.begin() + static_cast<std::ptrdiff_t>(i) * kWidth));
        }
      }
    }
  }
}

TEST_F(BaselineIndexTest, TuningChangesTheSettingAndNotTheAnswer) {
  BaselineIndex index(snapshot(1), {.kernel = "faiss", .threads = 2});
  const FoundDocuments before = index.find(queries_, kK);
  index.tune(queries_, kK);
  EXPECT_TRUE(index.search().chunk == 8 || index.search().chunk == 0);
  EXPECT_EQ(index.find(queries_, kK).ids, before.ids);
}

TEST_F(BaselineIndexTest, RefusesWhatItCannotHold) {
  EXPECT_THAT([&] { BaselineIndex(snapshot(2), {}); },
              ::testing::ThrowsMessage<base::UserError>(::testing::HasSubstr(
                  "expected a snapshot of one shard, got 2; a baseline holds full copies")));
  const auto name = snapshot(1);
  EXPECT_THROW(BaselineIndex(name, {.kernel = "annoy"}), base::UserError);
  BaselineIndex index(name, {});
  EXPECT_THROW((void)index.find(queries_, kRows + 1), base::UserError);
  EXPECT_THROW((void)index.find(std::span(queries_).first(7), kK), base::UserError);
}

TEST(BenchRows, EveryRankAndStepHasItsOwnQueriesAndThenTheyComeRoundAgain) {
  std::vector<std::int64_t> seen;
  for (std::int64_t step = 0; step < 3; ++step) {
    for (std::int32_t rank = 0; rank < 2; ++rank) {
      const auto rows = bench_rows({.queries = {}, .rank = rank, .ranks = 2, .batch = 4}, step, 20);
      seen.insert(seen.end(), rows.begin(), rows.end());
    }
  }
  std::vector<std::int64_t> expected(20);
  std::iota(expected.begin(), expected.end(), 0);
  for (std::int64_t again = 0; again < 4; ++again) expected.push_back(again);
  EXPECT_EQ(seen, expected);
}

}  // namespace
}  // namespace rookery::trainer
