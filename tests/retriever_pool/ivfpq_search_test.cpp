#include "retriever_pool/ivfpq_search.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/atomic_file.hpp"
#include "dense_shard.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/ivfpq_lists.hpp"
#include "retriever_pool/detail/pq_tables.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::retriever_pool {
namespace {

using index_tools::IvfPqLists;
using index_tools::IvfPqParameters;
using ::testing::AllOf;
using testing::DenseShard;
using ::testing::HasSubstr;
using testing::law_oracle;
using testing::law_score;

constexpr Metric kMetrics[] = {Metric::kInnerProduct, Metric::kL2, Metric::kCosine};

struct Shape {
  std::int64_t rows = 1200;
  std::int32_t dimension = 40;
  Metric metric = Metric::kInnerProduct;
  bool half = false;
};

IvfPqParameters parameters_of(std::int32_t nlist, std::int32_t pq_bytes, std::int32_t nprobe) {
  IvfPqParameters parameters;
  parameters.nlist = nlist;
  parameters.pq_bytes = pq_bytes;
  parameters.nprobe = nprobe;
  return parameters;
}

/// Rows and queries around 30 centres; every fifth row repeats the one before it.
class IvfPqSearchTest : public ::testing::Test {
 protected:
  std::vector<float> clustered(std::int64_t rows, std::int32_t dimension) {
    std::normal_distribution<float> normal;
    std::mt19937_64 centre_random(rookery::testing::seed() + 5);
    std::vector<float> centres(static_cast<std::size_t>(30 * dimension));
    for (float& x : centres) x = normal(centre_random);
    std::vector<float> vectors(static_cast<std::size_t>(rows * dimension));
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t centre = static_cast<std::int64_t>(random_() % 30);
      for (std::int32_t i = 0; i < dimension; ++i) {
        const auto at = static_cast<std::size_t>(row * dimension + i);
        vectors[at] = row % 5 == 4 ? vectors[at - static_cast<std::size_t>(dimension)]
                                   : centres[static_cast<std::size_t>(centre * dimension + i)] +
                                         0.5F * normal(random_);
      }
    }
    return vectors;
  }

  std::shared_ptr<DenseShard> make_shard(const Shape& shape, const IvfPqParameters& parameters) {
    std::vector<float> vectors = clustered(shape.rows, shape.dimension);
    if (shape.metric == Metric::kCosine) index_tools::normalise_rows(vectors, shape.dimension);
    return index(std::move(vectors), shape, parameters);
  }

  static std::shared_ptr<DenseShard> index(std::vector<float> vectors, const Shape& shape,
                                           const IvfPqParameters& parameters) {
    std::vector<std::int64_t> ids;
    for (std::int64_t row = 0; row < shape.rows; ++row) ids.push_back(row * 3 + 1);
    auto shard = std::make_shared<DenseShard>(shape.dimension, ids, std::move(vectors), shape.half);
    const std::string metric = to_string(shape.metric);
    const std::vector<std::shared_ptr<const index_tools::SnapshotShard>> shards = {shard};
    const auto model = index_tools::train_ivfpq(shards, metric, parameters, 1);
    const rookery::testing::TempFolder folder;
    index_tools::detail::GenerationFile file(folder.path(), "ivfpq");
    index_tools::write_ivfpq_lists(*shard, metric, model, 1, file);
    file.finish();
    const std::string text = base::read_file(folder / "ivfpq");
    const auto bytes = std::as_bytes(std::span(text));
    shard->add_file("ivfpq", {bytes.begin(), bytes.end()});
    return shard;
  }

  static IvfPqLists lists_of(const DenseShard& shard) {
    return IvfPqLists::open(shard.file("ivfpq"), shard.count(), shard.dimension(), "ivfpq");
  }
  static std::unique_ptr<ShardIndex> open(const std::shared_ptr<DenseShard>& shard, Metric metric,
                                          int threads = 1,
                                          InstructionSet set = best_instruction_set()) {
    return make_ivfpq_index(shard, metric, std::make_shared<SearchTeam>(threads), set);
  }
  static std::span<const float> query_of(const std::vector<float>& queries, std::int32_t dimension,
                                         std::size_t q) {
    const auto width = static_cast<std::size_t>(dimension);
    return std::span(queries).subspan(q * width, width);
  }

  std::mt19937_64 random_{rookery::testing::seed()};
};

double recall(const HitRows& rows, const HitRows& truth) {
  std::size_t found = 0, wanted = 0;
  for (std::size_t q = 0; q < rows.size(); ++q) {
    std::set<std::int64_t> ids;
    for (const Hit& hit : rows[q]) ids.insert(hit.id);
    for (const Hit& hit : truth[q]) found += ids.count(hit.id);
    wanted += truth[q].size();
  }
  return static_cast<double>(found) / static_cast<double>(wanted);
}

TEST_F(IvfPqSearchTest, WithAllListsAndAllCandidatesItEqualsTheOracleBitForBit) {
  for (const Metric metric : kMetrics) {
    for (const bool half : {false, true}) {
      // Cosine in binary16 leaves lengths a little off 1, which the oracle shares.
      const Shape shape{900, 40, metric, half};
      const auto shard = make_shard(shape, parameters_of(12, 10, 3));
      std::vector<float> queries = clustered(5, shape.dimension);
      SearchBatch batch;
      batch.queries = queries;
      batch.k = 9;
      batch.tuning.nprobe = 12;
      batch.tuning.candidates = 900;
      const HitRows rows = open(shard, metric)->search(batch);
      if (metric == Metric::kCosine) index_tools::normalise_rows(queries, shape.dimension);
      for (std::size_t q = 0; q < 5; ++q) {
        EXPECT_EQ(rows[q], law_oracle(*shard, metric, query_of(queries, shape.dimension, q), 9))
            << to_string(metric) << " half " << half << " query " << q;
      }
    }
  }
}

TEST_F(IvfPqSearchTest, ItReadsTheNearestListsAndNoOthers) {
  for (const Metric metric : {Metric::kInnerProduct, Metric::kL2}) {
    const Shape shape{1000, 24, metric};
    const auto shard = make_shard(shape, parameters_of(20, 6, 4));
    const IvfPqLists lists = lists_of(*shard);
    const std::vector<float> queries = clustered(6, shape.dimension);
    SearchBatch batch;
    batch.queries = queries;
    batch.k = 8;
    batch.tuning.candidates = 1000;
    const HitRows rows = open(shard, metric)->search(batch);
    for (std::size_t q = 0; q < 6; ++q) {
      const auto query = query_of(queries, shape.dimension, q);
      std::vector<Hit> order;
      for (std::int64_t list = 0; list < 20; ++list) {
        order.push_back({list, law_score(metric, query, lists.centroids.subspan(list * 24, 24))});
      }
      std::sort(order.begin(), order.end(), better);
      RowSet allowed(1000, false);
      for (std::size_t probe = 0; probe < 4; ++probe) {
        const auto list = static_cast<std::size_t>(order[probe].id);
        for (auto at = lists.list_begins[list]; at < lists.list_begins[list + 1]; ++at) {
          allowed.insert(lists.rows[static_cast<std::size_t>(at)]);
        }
      }
      EXPECT_EQ(rows[q], law_oracle(*shard, metric, query, 8, &allowed));
    }
  }
}

TEST_F(IvfPqSearchTest, ScoresByCodesAreThoseOfTheReconstructedRow) {
  for (const bool l2 : {false, true}) {
    const Shape shape{700, 48, l2 ? Metric::kL2 : Metric::kInnerProduct};
    const auto shard = make_shard(shape, parameters_of(5, 16, 5));
    const IvfPqLists lists = lists_of(*shard);
    const std::vector<float> query = clustered(1, shape.dimension);
    const detail::PqCodebooks codebooks(lists.codebooks, 16);
    detail::PqTables tables(codebooks);
    const detail::PqKernels kernels = detail::pq_kernels_for(InstructionSet::kPlain);
    tables.fill(kernels, query.data());
    for (std::int32_t list = 0; list < 5; ++list) {
      const auto begin = lists.list_begins[list];
      const auto count = static_cast<std::int32_t>(lists.list_begins[list + 1] - begin);
      if (count == 0) continue;
      const auto centroid = lists.centroids.subspan(list * 48, 48);
      const float factor = l2 ? 2 : 1;
      std::vector<float> scores(count + 16);
      std::vector<std::int32_t> positions(count + 16);
      detail::PqScan scan{};
      scan.codes = lists.codes.data() + begin * 16;
      scan.terms = l2 ? lists.row_terms.data() + begin : nullptr;
      scan.row_count = count;
      scan.pq_bytes = 16;
      scan.tables = tables.tables();
      scan.scale = factor * tables.step();
      scan.bias = law_score(shape.metric, query, centroid) + factor * tables.offset();
      scan.threshold = -std::numeric_limits<float>::infinity();
      scan.scores = scores.data();
      scan.positions = positions.data();
      ASSERT_EQ(kernels.scan(scan), count);
      const std::vector<std::uint8_t> codes = lists.list_codes(list);
      for (std::int32_t i = 0; i < count; ++i) {
        double expected = 0;
        for (std::int32_t d = 0; d < 48; ++d) {
          const std::int32_t m = d / 3;
          const double x = centroid[d] + lists.codebooks[(m * 256 + codes[i * 16 + m]) * 3 + d % 3];
          expected += l2 ? -(query[d] - x) * (query[d] - x) : query[d] * x;
        }
        // Half a step of rounding a codebook, and float's own rounding.
        EXPECT_NEAR(scores[i], expected, 16 * factor * tables.step() / 2 + 1e-3);
      }
    }
  }
}

TEST_F(IvfPqSearchTest, CandidatesByCodesHoldTheBestRows) {
  for (const Metric metric : kMetrics) {
    const Shape shape{3000, 64, metric};
    const auto shard = make_shard(shape, parameters_of(32, 32, 12));
    std::vector<float> queries = clustered(40, shape.dimension);
    SearchBatch batch;
    batch.queries = queries;
    const HitRows rows = open(shard, metric, 2)->search(batch);
    if (metric == Metric::kCosine) index_tools::normalise_rows(queries, shape.dimension);
    HitRows truth;
    for (std::size_t q = 0; q < 40; ++q) {
      truth.push_back(law_oracle(*shard, metric, query_of(queries, shape.dimension, q), 5));
    }
    EXPECT_GE(recall(rows, truth), 0.9) << to_string(metric);
  }
}

TEST_F(IvfPqSearchTest, NeitherInstructionsNorThreadsNorBatchesChangeABit) {
  for (const Metric metric : {Metric::kInnerProduct, Metric::kL2}) {
    const Shape shape{2500, 36, metric};
    const auto shard = make_shard(shape, parameters_of(9, 12, 4));
    const std::vector<float> queries = clustered(19, shape.dimension);
    SearchBatch batch;
    batch.queries = queries;
    batch.k = 7;
    batch.tuning.candidates = 20;
    const HitRows expected = open(shard, metric, 1, InstructionSet::kPlain)->search(batch);
    for (const InstructionSet set : usable_instruction_sets()) {
      for (const int threads : {1, 3}) {
        const auto index = open(shard, metric, threads, set);
        EXPECT_EQ(index->search(batch), expected) << to_string(set) << " " << threads;
        for (std::size_t q = 0; q < 19; ++q) {
          SearchBatch one = batch;
          one.queries = query_of(queries, shape.dimension, q);
          EXPECT_EQ(index->search(one).front(), expected[q]) << to_string(set) << " query " << q;
        }
      }
    }
  }
}

TEST_F(IvfPqSearchTest, FiltersHoldAndStillFindKRows) {
  const Shape shape{2000, 32, Metric::kInnerProduct};
  for (const std::string coarse : {"flat", "hnsw"}) {
    IvfPqParameters parameters = parameters_of(40, 8, 2);
    parameters.coarse = coarse;
    const auto shard = make_shard(shape, parameters);
    const auto index = open(shard, shape.metric, 2);
    const std::vector<float> queries = clustered(6, shape.dimension);
    for (const std::int64_t allowed_count : {0, 3, 40, 500}) {
      auto allowed = std::make_shared<RowSet>(2000, false);
      while (allowed->count() < allowed_count) {
        allowed->insert(static_cast<std::int64_t>(random_() % 2000));
      }
      SearchBatch batch;
      batch.queries = queries;
      batch.k = 10;
      batch.rows = allowed;
      batch.tuning.candidates = 2000;
      const HitRows rows = index->search(batch);
      for (std::size_t q = 0; q < 6; ++q) {
        EXPECT_EQ(std::ssize(rows[q]), std::min<std::int64_t>(10, allowed_count)) << coarse;
        for (const Hit& hit : rows[q]) EXPECT_TRUE(allowed->contains((hit.id - 1) / 3));
        if (allowed_count <= 10) {
          EXPECT_EQ(rows[q],
                    law_oracle(*shard, shape.metric, query_of(queries, 32, q), 10, allowed.get()));
        }
      }
    }
  }
}

TEST_F(IvfPqSearchTest, ThePapersIndexesWorkAtASmallSize) {
  // IVF with PQ64 and PQ128, nprobe 64, the lists found by a graph over the centroids.
  for (const std::int32_t pq_bytes : {64, 128}) {
    const Shape shape{2000, 128, Metric::kInnerProduct};
    IvfPqParameters parameters = parameters_of(256, pq_bytes, 64);
    const std::vector<float> queries = clustered(30, shape.dimension);
    HitRows answers[2];
    for (const bool hnsw : {false, true}) {
      parameters.coarse = hnsw ? "hnsw" : "flat";
      random_.seed(7);
      const auto shard = make_shard(shape, parameters);
      EXPECT_EQ(lists_of(*shard).coarse.count, hnsw ? 256 : 0);
      SearchBatch batch;
      batch.queries = queries;
      answers[hnsw ? 1 : 0] = open(shard, shape.metric)->search(batch);
    }
    EXPECT_GE(recall(answers[1], answers[0]), 0.97);
  }
}

TEST_F(IvfPqSearchTest, ExtremeRowsAreFoundLikeOthers) {
  const Shape shape{600, 16, Metric::kL2};
  std::vector<float> vectors = clustered(600, 16);
  std::fill_n(vectors.begin(), 16, 0.0F);
  std::fill_n(vectors.begin() + 16, 16, 2e17F);
  std::fill_n(vectors.begin() + 32, 16, 1e-40F);
  const auto shard = index(vectors, shape, parameters_of(4, 4, 4));
  SearchBatch batch;
  batch.queries = std::span<const float>(vectors).first(48);
  batch.k = 1024;  // more than there are
  const HitRows rows = open(shard, shape.metric)->search(batch);
  for (std::size_t q = 0; q < 3; ++q) {
    ASSERT_EQ(rows[q].size(), 600U);
    EXPECT_EQ(rows[q], law_oracle(*shard, shape.metric, query_of(vectors, 16, q), 1024));
  }
}

TEST_F(IvfPqSearchTest, RefusesWhatItCannotSearch) {
  const Shape shape{300, 16, Metric::kL2};
  const auto shard = make_shard(shape, parameters_of(4, 4, 2));
  const auto refusal = [&](const std::shared_ptr<DenseShard>& of, Metric metric) {
    return rookery::testing::error_text([&] { (void)open(of, metric); });
  };
  EXPECT_THAT(refusal(shard, Metric::kInnerProduct),
              AllOf(HasSubstr("for metric inner_product"), HasSubstr("got one for l2")));
  const auto bare =
      std::make_shared<DenseShard>(16, std::vector<std::int64_t>{1}, std::vector<float>(16), false);
  EXPECT_THAT(refusal(bare, Metric::kL2), HasSubstr("is not there"));
  bare->add_file("ivfpq", std::vector<std::byte>(200));
  EXPECT_THAT(refusal(bare, Metric::kL2), HasSubstr("shard 0/ivfpq: expected an ivfpq file"));

  const auto index = open(shard, Metric::kL2);
  const std::vector<float> query(16);
  SearchBatch batch;
  batch.queries = query;
  batch.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  try {
    (void)index->search(batch);
    ADD_FAILURE() << "answered after its deadline";
  } catch (const RetrievalError& error) {
    EXPECT_EQ(error.fault(), RetrievalFault::kDeadline);
  }
  batch.deadline = std::chrono::steady_clock::time_point::max();
  batch.k = 0;
  EXPECT_THROW((void)index->search(batch), RetrievalError);
}

TEST(PqScanTest, AllKernelsKeepTheSameRowsWithTheSameBits) {
  std::mt19937_64 random(rookery::testing::seed());
  std::normal_distribution<float> normal;
  for (const std::int32_t pq_bytes : {1, 3, 64, 300, 1024}) {
    const std::int32_t width = pq_bytes > 100 ? 1 : 5;
    std::vector<float> codebooks(static_cast<std::size_t>(pq_bytes * width * 256));
    for (float& x : codebooks) x = normal(random);
    std::vector<float> query(static_cast<std::size_t>(pq_bytes * width));
    for (float& x : query) x = normal(random);
    const detail::PqCodebooks books(codebooks, pq_bytes);
    for (const std::int32_t rows : {1, 31, 32, 64, 65, 127, 128, 200, 1024}) {
      std::vector<std::uint8_t> codes(static_cast<std::size_t>(rows * pq_bytes + 64));
      for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(random());
      std::vector<float> terms(static_cast<std::size_t>(rows));
      for (float& x : terms) x = normal(random);
      std::vector<float> expected_scores;
      std::vector<std::int32_t> expected_positions;
      std::vector<std::uint8_t> expected_table;
      for (const InstructionSet set : usable_instruction_sets()) {
        const detail::PqKernels kernels = detail::pq_kernels_for(set);
        detail::PqTables tables(books);
        tables.fill(kernels, query.data());
        const std::vector<std::uint8_t> table(tables.tables(),
                                              tables.tables() + std::int64_t{pq_bytes} * 256);
        std::vector<float> scores(static_cast<std::size_t>(rows + 16));
        std::vector<std::int32_t> positions(static_cast<std::size_t>(rows + 16));
        detail::PqScan scan{codes.data(),  terms.data(),    rows, pq_bytes,      tables.tables(),
                            tables.step(), tables.offset(), 0.1F, scores.data(), positions.data()};
        const std::int32_t kept = kernels.scan(scan);
        scores.resize(static_cast<std::size_t>(kept));
        positions.resize(static_cast<std::size_t>(kept));
        if (set == InstructionSet::kPlain) {
          expected_scores = scores;
          expected_positions = positions;
          expected_table = table;
        }
        EXPECT_EQ(table, expected_table) << to_string(set) << " " << pq_bytes;
        EXPECT_EQ(scores, expected_scores) << to_string(set) << " " << pq_bytes << "x" << rows;
        EXPECT_EQ(positions, expected_positions) << to_string(set) << " " << pq_bytes;
      }
    }
  }
}

}  // namespace
}  // namespace rookery::retriever_pool
