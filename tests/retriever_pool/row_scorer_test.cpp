#include "retriever_pool/row_scorer.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <numeric>
#include <stdexcept>

#include "dense_shard.hpp"
#include "tests/support/error_text.hpp"

namespace rookery::retriever_pool {
namespace {

using testing::Corpus;
using testing::DenseShard;
using testing::law_score;

TEST(RowScorerTest, GivesTheLawsBitsForEveryTypeDimensionListAndInstructionSet) {
  for (const std::int32_t dimension : {1, 7, 15, 16, 17, 31, 33, 64, 100, 384}) {
    const Corpus corpus(static_cast<std::uint64_t>(dimension), 60, dimension);
    std::mt19937_64 random(5);
    const auto query = testing::random_vectors(random, 1, dimension);
    for (const bool half : {false, true}) {
      const DenseShard shard(dimension, corpus.ids, corpus.vectors, half);
      const auto vectors = testing::float_vectors(shard);
      for (const Metric metric : {Metric::kInnerProduct, Metric::kL2, Metric::kCosine}) {
        for (const InstructionSet set : usable_instruction_sets()) {
          const RowScorer scorer(metric, shard, query, set);
          for (const std::size_t count : {0U, 1U, 2U, 3U, 4U, 5U, 8U, 9U, 16U, 23U, 60U}) {
            std::vector<std::int32_t> rows(60);
            std::iota(rows.begin(), rows.end(), 0);
            std::shuffle(rows.begin(), rows.end(), random);
            rows.resize(count);
            std::vector<float> scores(count + 1, -7.0F);
            scorer.score(rows, scores.data());
            EXPECT_EQ(scores[count], -7.0F) << "wrote beyond the list";
            for (std::size_t i = 0; i < count; ++i) {
              const auto width = static_cast<std::size_t>(dimension);
              const auto begin = static_cast<std::size_t>(rows[i]) * width;
              const float expected =
                  law_score(metric, query, std::span(vectors).subspan(begin, width));
              ASSERT_EQ(std::bit_cast<std::uint32_t>(scores[i]),
                        std::bit_cast<std::uint32_t>(expected))
                  << to_string(set) << " dimension " << dimension << " half " << half << " list of "
                  << count;
              ASSERT_EQ(std::bit_cast<std::uint32_t>(scorer.score(std::int64_t{rows[i]})),
                        std::bit_cast<std::uint32_t>(expected));
            }
          }
        }
      }
    }
  }
}

TEST(RowScorerTest, RefusesAQueryOfAnotherDimension) {
  const DenseShard shard(4, {1}, {1, 2, 3, 4}, false);
  const std::vector<float> query(3);
  EXPECT_THROW(RowScorer(Metric::kL2, shard, query), std::invalid_argument);
}

}  // namespace
}  // namespace rookery::retriever_pool
