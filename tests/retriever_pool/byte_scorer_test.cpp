#include "retriever_pool/detail/byte_scorer.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "tests/support/seed.hpp"

namespace rookery::retriever_pool::detail {
namespace {

using index_tools::Int8Codes;

// Codes of `rows` random rows in memory.
struct Codes {
  std::vector<std::uint8_t> storage;
  std::vector<float> scales, norms;
  Int8Codes view;

  Codes(std::int64_t rows, std::int32_t dimension, bool extreme) {
    std::mt19937_64 random(rookery::testing::seed());
    view.count = rows;
    view.dimension = dimension;
    view.stride = (dimension + 63) / 64 * 64;
    storage.assign(static_cast<std::size_t>(rows * view.stride + 64), 128);
    const auto address = reinterpret_cast<std::uintptr_t>(storage.data());
    std::uint8_t* codes = storage.data() + (64 - address % 64) % 64;
    for (std::int64_t row = 0; row < rows; ++row) {
      double squares = 0;
      for (std::int32_t i = 0; i < dimension; ++i) {
        const int c =
            extreme ? (row % 2 == 0 ? 127 : -127) : static_cast<int>(random() % 255) - 127;
        codes[row * view.stride + i] = static_cast<std::uint8_t>(c + 128);
        squares += c * c;
      }
      scales.push_back(0.001F * static_cast<float>(1 + row % 7));
      norms.push_back(static_cast<float>(static_cast<double>(scales.back()) * std::sqrt(squares)));
    }
    view.codes = codes;
    view.scales = scales;
    view.norms = norms;
  }
};

std::vector<float> random_query(std::int32_t dimension, bool extreme) {
  std::mt19937_64 random(rookery::testing::seed() + 1);
  std::normal_distribution<float> normal;
  std::vector<float> query(static_cast<std::size_t>(dimension));
  for (float& value : query) value = extreme ? 3.0F : normal(random);
  return query;
}

TEST(ByteScorerTest, EveryInstructionSetGivesTheEstimatesOfALoopOverTheCodes) {
  for (const std::int32_t dimension : {1, 63, 64, 65, 200, 768, 1024, 4100}) {
    for (const bool extreme : {false, true}) {
      const Codes codes(37, dimension, extreme);
      const std::vector<float> query = random_query(dimension, extreme);
      std::vector<std::int32_t> rows(codes.scales.size());
      std::iota(rows.rbegin(), rows.rend(), 0);
      float largest = 0;
      for (const float value : query) largest = std::max(largest, std::fabs(value));
      const float step = largest / 127.0F;
      for (const Metric metric : {Metric::kInnerProduct, Metric::kL2}) {
        std::vector<float> expected;
        for (const std::int32_t row : rows) {
          std::int64_t dot = 0;
          for (std::int32_t i = 0; i < dimension; ++i) {
            const auto q =
                static_cast<int>(std::nearbyint(query[static_cast<std::size_t>(i)] / step));
            dot += q * (codes.view.codes[std::int64_t{row} * codes.view.stride + i] - 128);
          }
          const auto r = static_cast<std::size_t>(row);
          const float product = codes.scales[r] * (step * static_cast<float>(dot));
          expected.push_back(
              metric == Metric::kL2 ? 2.0F * product - codes.norms[r] * codes.norms[r] : product);
        }
        for (const InstructionSet set : usable_instruction_sets()) {
          std::vector<float> scores(rows.size());
          ByteScorer(metric, codes.view, query, set).score(rows, scores.data());
          EXPECT_EQ(scores, expected) << to_string(set) << ", dimension " << dimension;
        }
      }
    }
  }
}

TEST(ByteScorerTest, AQueryOfZerosScoresEveryRowByItsLengthAlone) {
  const Codes codes(5, 100, false);
  const std::vector<float> query(100);
  const std::vector<std::int32_t> rows{0, 1, 2, 3, 4};
  std::vector<float> scores(5, 7);
  ByteScorer(Metric::kInnerProduct, codes.view, query).score(rows, scores.data());
  EXPECT_EQ(scores, std::vector<float>(5));
  ByteScorer(Metric::kL2, codes.view, query).score(rows, scores.data());
  EXPECT_EQ(scores[3], -codes.norms[3] * codes.norms[3]);
}

}  // namespace
}  // namespace rookery::retriever_pool::detail
