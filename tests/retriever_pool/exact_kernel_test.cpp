#include "retriever_pool/exact_kernel.hpp"

#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "base/error.hpp"
#include "dense_shard.hpp"
#include "retriever_pool/shard_index.hpp"
#include "tests/support/error_text.hpp"

namespace rookery::retriever_pool {
namespace {

using testing::Corpus;
using testing::DenseShard;
using testing::law_score;
using testing::random_vectors;

std::vector<std::vector<Hit>> scan(const Corpus& corpus, std::span<const float> queries,
                                   Metric metric, InstructionSet set, std::int32_t k) {
  ScanOptions options;
  options.metric = metric;
  options.instructions = set;
  options.k = k;
  const ScanRows rows{corpus.vectors.data(), corpus.ids.data(), std::ssize(corpus.ids),
                      corpus.dimension};
  return scan_exact(rows, queries, options).hits;
}

void expect_same_bits(const std::vector<Hit>& expected, const std::vector<Hit>& got) {
  ASSERT_EQ(expected.size(), got.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(expected[i].id, got[i].id) << "rank " << i;
    EXPECT_EQ(std::bit_cast<std::uint32_t>(expected[i].score),
              std::bit_cast<std::uint32_t>(got[i].score))
        << "rank " << i;
  }
}

class ExactKernelTest : public ::testing::TestWithParam<Metric> {};

TEST_P(ExactKernelTest, EveryInstructionSetAndBatchGivesTheLawsBitsForEveryDimension) {
  std::vector<std::int32_t> dimensions;
  for (std::int32_t d = 1; d <= 40; ++d) dimensions.push_back(d);
  dimensions.push_back(384);
  for (const std::int32_t dimension : dimensions) {
    const Corpus corpus(static_cast<std::uint64_t>(dimension), 173, dimension);
    std::mt19937_64 random(99);
    const auto dim = static_cast<std::size_t>(dimension);
    const std::vector<float> queries = random_vectors(random, 13, dimension);
    for (const InstructionSet set : usable_instruction_sets()) {
      for (const std::size_t batch : {1U, 2U, 3U, 4U, 5U, 8U, 9U, 13U}) {
        const auto part = std::span(queries).first(batch * dim);
        const auto rows = scan(corpus, part, GetParam(), set, 200);
        for (std::size_t q = 0; q < batch; ++q) {
          const auto query = std::span(queries).subspan(q * dim, dim);
          std::vector<Hit> expected;
          for (std::size_t row = 0; row < corpus.ids.size(); ++row) {
            expected.push_back(
                {corpus.ids[row],
                 law_score(GetParam(), query, std::span(corpus.vectors).subspan(row * dim, dim))});
          }
          std::sort(expected.begin(), expected.end(), better);
          SCOPED_TRACE(to_string(set) + " dimension " + std::to_string(dimension) + " batch " +
                       std::to_string(batch) + " query " + std::to_string(q));
          expect_same_bits(expected, rows[q]);
          if (HasFailure()) return;
        }
      }
    }
  }
}

TEST_P(ExactKernelTest, ScoresLieWithinTheRoundingBoundOfDoublePrecision) {
  // A lane adds n = ceil(D / 16) products with one rounding each, the tree four more; L2 rounds
  // each difference once, which counts twice when squared. With unit roundoff u = 2^-24 the error
  // is at most (n + 4 + 2) u / (1 - (n + 6) u) times the sum of the terms' magnitudes.
  std::mt19937_64 random(7);
  for (const std::int32_t dimension : {3, 16, 100, 384, 768}) {
    const auto q = random_vectors(random, 1, dimension);
    const auto d = random_vectors(random, 1, dimension);
    double exact = 0, magnitude = 0;
    for (std::size_t i = 0; i < q.size(); ++i) {
      const double a = q[i], b = d[i];
      const double term = GetParam() == Metric::kL2 ? -(a - b) * (a - b) : a * b;
      exact += term;
      magnitude += std::abs(term);
    }
    const double u = std::ldexp(1.0, -24);
    const double roundings = std::ceil(dimension / 16.0) + 6;
    const double bound = roundings * u / (1 - roundings * u) * magnitude;
    EXPECT_LE(std::abs(exact - static_cast<double>(exact_score(GetParam(), q, d))), bound)
        << dimension;
  }
}

TEST_P(ExactKernelTest, KeepsTheBestKOfManyBlocksWithTiesByRisingId) {
  const Corpus corpus(3, 5000, 24);
  std::mt19937_64 random(4);
  const auto queries = random_vectors(random, 11, 24);
  for (const InstructionSet set : usable_instruction_sets()) {
    for (const std::int32_t k : {1, 5, 64, 1024, 6000}) {
      const auto rows = scan(corpus, queries, GetParam(), set, k);
      for (std::size_t q = 0; q < 11; ++q) {
        SCOPED_TRACE(to_string(set) + " k " + std::to_string(k));
        expect_same_bits(corpus.oracle(std::span(queries).subspan(q * 24, 24), k, GetParam()),
                         rows[q]);
      }
    }
  }
}

TEST_P(ExactKernelTest, ThreadsAndShardsChangeNothing) {
  const Corpus corpus(5, 4000, 20);
  std::mt19937_64 random(6);
  const auto queries = random_vectors(random, 3, 20);
  for (const int threads : {1, 2, 3, 7}) {
    const auto team = std::make_shared<SearchTeam>(threads);
    const auto index = make_exact_index(corpus.split(1).front(), GetParam(), team);
    SearchBatch batch;
    batch.queries = queries;
    batch.k = 50;
    const HitRows rows = index->search(batch);
    for (std::size_t q = 0; q < 3; ++q) {
      expect_same_bits(corpus.oracle(std::span(queries).subspan(q * 20, 20), 50, GetParam()),
                       rows[q]);
    }
  }
}

TEST_P(ExactKernelTest, AllRowsEqualComeInOrderOfIds) {
  Corpus corpus(8, 700, 17);
  for (std::size_t row = 1; row < 700; ++row) {
    std::copy_n(corpus.vectors.begin(), 17,
                corpus.vectors.begin() + static_cast<std::ptrdiff_t>(row * 17));
  }
  const std::vector<float> query(17, 0.5F);
  for (const InstructionSet set : usable_instruction_sets()) {
    const auto rows = scan(corpus, query, GetParam(), set, 300);
    ASSERT_EQ(rows.front().size(), 300U);
    for (std::size_t i = 0; i < 300; ++i) EXPECT_EQ(rows.front()[i].id, corpus.ids[i]);
  }
}

TEST_P(ExactKernelTest, KeepsDenormalsWhateverTheThreadsFloatModeIs) {
  Corpus corpus(9, 40, 16);
  for (std::size_t i = 0; i < corpus.vectors.size(); ++i) {
    corpus.vectors[i] = std::ldexp(static_cast<float>(i % 37) - 18.0F, -140);
  }
  std::vector<float> query(16, GetParam() == Metric::kL2 ? 0.0F : 0.75F);
  query[3] = std::numeric_limits<float>::denorm_min();
  const auto expected = corpus.oracle(query, 40, GetParam());
  if (GetParam() == Metric::kInnerProduct) {
    EXPECT_NE(expected.front().score, 0.0F);
  }
  const unsigned saved = _mm_getcsr();
  _mm_setcsr(saved | 0x8040U);  // flush to zero, denormals are zero: what other libraries leave
  for (const InstructionSet set : usable_instruction_sets()) {
    expect_same_bits(expected, scan(corpus, query, GetParam(), set, 40).front());
  }
  _mm_setcsr(saved);
}

INSTANTIATE_TEST_SUITE_P(Metrics, ExactKernelTest,
                         ::testing::Values(Metric::kInnerProduct, Metric::kL2),
                         [](const auto& test) { return test.param == Metric::kL2 ? "L2" : "IP"; });

TEST(ExactScanTest, StopsAtTheDeadline) {
  const Corpus corpus(1, 1000, 8);
  ScanOptions options;
  options.deadline = std::chrono::steady_clock::now();
  const ScanRows rows{corpus.vectors.data(), corpus.ids.data(), 1000, 8};
  EXPECT_FALSE(scan_exact(rows, std::vector<float>(8, 1.0F), options).finished);
}

TEST(ExactScanTest, AnEmptyShardGivesEmptyRows) {
  const Corpus corpus(1, 0, 8);
  const auto rows =
      scan(corpus, std::vector<float>(16, 1.0F), Metric::kL2, best_instruction_set(), 5);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_TRUE(rows[0].empty() && rows[1].empty());
}

TEST(ExactScoreTest, RefusesVectorsOfDifferentLengths) {
  const std::vector<float> a(3), b(4);
  EXPECT_THROW((void)exact_score(Metric::kL2, a, b), std::invalid_argument);
}

TEST(UnsoundRowTest, NamesTheFirstRowWithNaNInfinityOrTooGreatALength) {
  std::vector<float> vectors(12, 1.0F);
  EXPECT_EQ(first_unsound_row(vectors, 4), -1);
  vectors[9] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(first_unsound_row(vectors, 4), 2);
  vectors[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(first_unsound_row(vectors, 4), 1);
  vectors[0] = 2e18F;
  EXPECT_EQ(first_unsound_row(vectors, 4), 0);
}

TEST(UnsoundRowTest, SeesEveryElementOfARow) {
  constexpr std::size_t kWidth = 19;
  for (std::size_t at = 0; at < 2 * kWidth; ++at) {
    std::vector<float> vectors(2 * kWidth, 1.0F);
    vectors[at] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(first_unsound_row(vectors, kWidth), static_cast<std::int64_t>(at / kWidth)) << at;
  }
}

TEST(ExactIndexTest, HalfVectorsAreScoredByTheLawOnTheirValues) {
  for (const std::int32_t dimension : {5, 24, 40}) {
    Corpus corpus(17, 2000, dimension);
    // Subnormals of binary16 (below 2^-14) and its largest value are numbers like all others.
    corpus.vectors[3] = 3e-6F;
    corpus.vectors[8] = -65504.0F;
    const auto shard =
        std::make_shared<DenseShard>(dimension, corpus.ids, corpus.vectors, /*half=*/true);
    std::mt19937_64 random(4);
    const auto queries = testing::random_vectors(random, 9, dimension);
    const auto values = testing::float_vectors(*shard);
    const auto width = static_cast<std::size_t>(dimension);
    for (const Metric metric : {Metric::kInnerProduct, Metric::kL2}) {
      for (const std::size_t batch : {1U, 2U, 4U, 9U}) {
        for (const InstructionSet set : usable_instruction_sets()) {
          ScanOptions options;
          options.metric = metric;
          options.instructions = set;
          options.k = 30;
          ScanRows rows;
          rows.halves = shard->half_vectors().data();
          rows.ids = corpus.ids.data();
          rows.count = shard->count();
          rows.dimension = dimension;
          const auto hits = scan_exact(rows, std::span(queries).first(batch * width), options).hits;
          for (std::size_t q = 0; q < batch; ++q) {
            SCOPED_TRACE(to_string(set) + " dimension " + std::to_string(dimension));
            const auto query = std::span(queries).subspan(q * width, width);
            expect_same_bits(testing::law_oracle(*shard, metric, query, 30), hits[q]);
          }
        }
        const auto index = make_exact_index(shard, metric, std::make_shared<SearchTeam>(2));
        SearchBatch search;
        search.queries = std::span(queries).first(batch * width);
        search.k = 30;
        expect_same_bits(testing::law_oracle(*shard, metric, std::span(queries).first(width), 30),
                         index->search(search).front());
      }
    }
  }
}

TEST(ExactIndexTest, FindsOnlyRowsOfTheSet) {
  constexpr std::int32_t kDimension = 12;
  const Corpus corpus(23, 3001, kDimension);
  const auto shard = std::make_shared<DenseShard>(kDimension, corpus.ids, corpus.vectors, false);
  std::mt19937_64 random(31);
  const auto queries = testing::random_vectors(random, 5, kDimension);
  std::vector<std::shared_ptr<RowSet>> sets;
  for (const std::uint64_t one_in : {1U, 2U, 50U, 700U}) {
    sets.push_back(std::make_shared<RowSet>(3001, false));
    for (std::int64_t row = 0; row < 3001; ++row) {
      if (random() % one_in == 0) sets.back()->insert(row);
    }
  }
  sets.push_back(std::make_shared<RowSet>(3001, false));  // of nothing
  sets.push_back(std::make_shared<RowSet>(3001, false));
  sets.back()->insert(3000);
  for (const Metric metric : {Metric::kInnerProduct, Metric::kL2}) {
    for (const int threads : {1, 2, 3}) {
      const auto index = make_exact_index(shard, metric, std::make_shared<SearchTeam>(threads));
      for (const auto& set : sets) {
        SearchBatch batch;
        batch.queries = queries;
        batch.k = 40;
        batch.rows = set;
        const HitRows rows = index->search(batch);
        for (std::size_t q = 0; q < 5; ++q) {
          SCOPED_TRACE("a set of " + std::to_string(set->count()));
          const auto query = std::span(queries).subspan(q * kDimension, kDimension);
          expect_same_bits(testing::law_oracle(*shard, metric, query, 40, set.get()), rows[q]);
        }
      }
    }
  }
}

TEST(ExactIndexTest, RefusesASetOfAnotherShardsRows) {
  const auto shard = std::make_shared<DenseShard>(1, std::vector<std::int64_t>{1, 2},
                                                  std::vector<float>{1, 2}, false);
  const auto index = make_exact_index(shard, Metric::kL2, std::make_shared<SearchTeam>(1));
  const std::vector<float> query = {1};
  SearchBatch batch;
  batch.queries = query;
  batch.rows = std::make_shared<RowSet>(3, true);
  EXPECT_THROW((void)index->search(batch), std::invalid_argument);
}

TEST(ExactIndexTest, CosineNormalisesQueriesAndScoresByInnerProduct) {
  constexpr std::int32_t kDimension = 20;
  Corpus corpus(3, 900, kDimension);
  index_tools::normalise_rows(corpus.vectors, kDimension);
  const auto shard = std::make_shared<DenseShard>(kDimension, corpus.ids, corpus.vectors, false);
  const auto index = make_exact_index(shard, Metric::kCosine, std::make_shared<SearchTeam>(1));
  std::mt19937_64 random(31);
  auto queries = testing::random_vectors(random, 3, kDimension);
  for (std::size_t i = 0; i < kDimension; ++i) queries[i] *= 1e-15F;
  SearchBatch batch;
  batch.queries = queries;
  batch.k = 20;
  const HitRows rows = index->search(batch);
  auto unit = queries;
  index_tools::normalise_rows(unit, kDimension);
  for (std::size_t q = 0; q < 3; ++q) {
    const auto query = std::span(unit).subspan(q * kDimension, kDimension);
    expect_same_bits(testing::law_oracle(*shard, Metric::kInnerProduct, query, 20), rows[q]);
  }
  std::fill_n(queries.begin() + kDimension, kDimension, 0.0F);
  try {
    (void)index->search(batch);
    ADD_FAILURE() << "a query of zeros was searched";
  } catch (const RetrievalError& error) {
    EXPECT_EQ(error.fault(), RetrievalFault::kInvalid);
    EXPECT_STREQ(error.what(),
                 "query 1 is zero and has no direction: expected a vector that is not (metric "
                 "cosine)");
  }
}

TEST(ExactIndexTest, CosineRefusesARowThatIsNotOfLengthOne) {
  const auto shard = std::make_shared<DenseShard>(
      2, std::vector<std::int64_t>{1, 2}, std::vector<float>{0.6F, 0.8F, 0.6F, 0.81F}, false);
  EXPECT_EQ(rookery::testing::error_text(
                [&] { make_exact_index(shard, Metric::kCosine, std::make_shared<SearchTeam>(1)); }),
            "shard 0: the vector in row 1: expected length 1 (metric cosine), got 1.008018; "
            "rebuild the snapshot");
}

TEST(ExactIndexTest, RefusesAShardWithNaNByRow) {
  const std::vector<float> vectors = {1, 2, 3, std::numeric_limits<float>::quiet_NaN()};
  const auto shard =
      std::make_shared<testing::MemoryShard>(3, 2, std::vector<std::int64_t>{1, 2}, vectors);
  const auto team = std::make_shared<SearchTeam>(1);
  EXPECT_EQ(rookery::testing::error_text([&] { make_exact_index(shard, Metric::kL2, team); }),
            "shard 3: the vector in row 1 holds NaN or infinity, or is longer than 1e18; rebuild "
            "the snapshot");
}

TEST(ExactIndexTest, RefusesIdsThatDoNotRise) {
  const auto shard = std::make_shared<testing::MemoryShard>(0, 1, std::vector<std::int64_t>{4, 4},
                                                            std::vector<float>{1, 2});
  const auto team = std::make_shared<SearchTeam>(1);
  EXPECT_EQ(rookery::testing::error_text([&] { make_exact_index(shard, Metric::kL2, team); }),
            "shard 0: expected rising passage ids, got 4 before 4 at row 0; rebuild the snapshot");
}

}  // namespace
}  // namespace rookery::retriever_pool
