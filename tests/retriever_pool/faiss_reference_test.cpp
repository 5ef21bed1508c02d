// Our ids against those of another exact search: faiss' IndexFlat.
#include <faiss/IndexFlat.h>
#include <gtest/gtest.h>

#include <set>

#include "memory_shard.hpp"
#include "retriever_pool/shard_index.hpp"

namespace rookery::retriever_pool {
namespace {

TEST(FaissReferenceTest, FindsTheSamePassagesAsIndexFlat) {
  constexpr std::int32_t kDimension = 64, kRows = 3000, kQueries = 32, kDocuments = 10;
  std::mt19937_64 random(11);
  const auto vectors = testing::random_vectors(random, kRows, kDimension);
  const auto queries = testing::random_vectors(random, kQueries, kDimension);
  std::vector<std::int64_t> ids(kRows);
  for (std::int64_t i = 0; i < kRows; ++i) ids[static_cast<std::size_t>(i)] = i;
  for (const Metric metric : {Metric::kInnerProduct, Metric::kL2}) {
    faiss::IndexFlat flat(kDimension,
                          metric == Metric::kL2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT);
    flat.add(kRows, vectors.data());
    std::vector<float> distances(kQueries * kDocuments);
    std::vector<faiss::Index::idx_t> labels(kQueries * kDocuments);
    flat.search(kQueries, queries.data(), kDocuments, distances.data(), labels.data());

    const auto shard = std::make_shared<testing::MemoryShard>(0, kDimension, ids, vectors);
    const auto index = make_exact_index(shard, metric, std::make_shared<SearchTeam>(2));
    SearchBatch batch;
    batch.queries = queries;
    batch.k = kDocuments;
    const HitRows rows = index->search(batch);
    for (std::size_t q = 0; q < kQueries; ++q) {
      // Random scores differ by far more than either's rounding, so that even the order agrees.
      for (std::size_t i = 0; i < kDocuments; ++i) {
        const std::size_t at = q * kDocuments + i;
        EXPECT_EQ(rows[q][i].id, labels[at]) << "query " << q << " rank " << i;
        const float theirs = metric == Metric::kL2 ? -distances[at] : distances[at];
        EXPECT_NEAR(rows[q][i].score, theirs, 2e-5F);
      }
    }
  }
}

}  // namespace
}  // namespace rookery::retriever_pool
