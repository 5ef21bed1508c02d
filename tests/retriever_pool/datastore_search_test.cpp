// A kNN datastore from its writer to the pool's answers, against a naive search.
#include "index_tools/datastore.hpp"
#include "retriever_pool/exact_kernel.hpp"
#include "retriever_pool/retriever.hpp"
#include "retriever_pool/search_team.hpp"
#include "retriever_pool/shard_index.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_folder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

namespace rookery::retriever_pool {
namespace {

using rookery::testing::TempFolder;

constexpr std::int32_t kDimension = 20;
constexpr std::int64_t kEntries = 1500;
constexpr std::int64_t kQueries = 3;

class DatastoreSearch : public ::testing::Test {
 protected:
  DatastoreSearch() {
    std::mt19937_64 random(rookery::testing::seed());
    std::normal_distribution<float> normal;
    for (std::int64_t entry = 0; entry < kEntries; ++entry) {
      for (std::int32_t i = 0; i < kDimension; ++i) {
        // Every fourth key is the one before it: a language model meets equal contexts.
        keys.push_back(entry % 4 == 3 ? keys[keys.size() - kDimension] : normal(random));
      }
      values.push_back(static_cast<std::int32_t>(random() % 50'257));
    }
    for (std::int64_t i = 0; i < kQueries * kDimension; ++i) queries.push_back(normal(random));
  }

  std::unique_ptr<Retriever> open(std::int32_t shards,
                                  const std::vector<index_tools::IndexSpec>& indexes = {}) {
    index_tools::DatastoreOptions options;
    options.out = folder / "store";
    options.dimension = kDimension;
    options.shards = shards;
    options.indexes = indexes;
    options.threads = 1;
    index_tools::DatastoreWriter writer(options);
    writer.add(keys, values);
    writer.commit();
    EmbeddedPoolOptions pool;
    pool.snapshot = options.out.string();
    pool.threads = 2;
    return open_embedded_pool(pool);
  }
  [[nodiscard]] RetrievalRequest request(std::int32_t k) const {
    RetrievalRequest result;
    result.queries = queries;
    result.k = k;
    result.deadline = std::chrono::seconds(60);
    return result;
  }
  [[nodiscard]] std::span<const float> query(std::size_t number) const {
    return std::span(queries).subspan(number * kDimension, kDimension);
  }
  [[nodiscard]] std::span<const float> key(std::int64_t entry) const {
    return std::span(keys).subspan(static_cast<std::size_t>(entry) * kDimension, kDimension);
  }
  /// All entries by distance in double, equal ones by position.
  [[nodiscard]] std::vector<std::pair<double, std::int64_t>> by_distance(std::size_t number) const {
    std::vector<std::pair<double, std::int64_t>> all;
    for (std::int64_t entry = 0; entry < kEntries; ++entry) {
      double sum = 0;
      for (std::size_t i = 0; i < kDimension; ++i) {
        sum +=
            std::pow(static_cast<double>(query(number)[i]) - static_cast<double>(key(entry)[i]), 2);
      }
      all.emplace_back(sum, entry);
    }
    std::sort(all.begin(), all.end());
    return all;
  }
  void expect_nearest(const RetrievalAnswer& answer, std::int32_t k) const {
    ASSERT_EQ(answer.rows.size(), static_cast<std::size_t>(kQueries));
    for (std::size_t number = 0; number < answer.rows.size(); ++number) {
      const auto nearest = by_distance(number);
      ASSERT_EQ(std::ssize(answer.rows[number]), k);
      for (std::size_t rank = 0; rank < answer.rows[number].size(); ++rank) {
        const Document& document = answer.rows[number][rank];
        ASSERT_EQ(document.id, nearest[rank].second) << "query " << number << " rank " << rank;
        // A float of 24 bits after 20 roundings of some 1e-7 each.
        EXPECT_NEAR(-document.score, nearest[rank].first, 1e-5 * nearest[rank].first);
        EXPECT_EQ(document.score, exact_score(Metric::kL2, query(number), key(document.id)));
        ASSERT_TRUE(document.value.has_value());
        EXPECT_EQ(*document.value, values[static_cast<std::size_t>(document.id)]);
      }
    }
  }

  TempFolder folder;
  std::vector<float> keys, queries;
  std::vector<std::int32_t> values;
};

TEST_F(DatastoreSearch, ExactSearchGivesTheNearestEntriesUpToThe1024th) {
  const auto pool = open(3);
  for (const std::int32_t k : {1, 8, 1024}) {
    expect_nearest(pool->retrieve(request(k)), k);
  }
}

TEST_F(DatastoreSearch, CompressedSearchThatReadsAllListsAndCandidatesIsExact) {
  open(2, {index_tools::parse_index_spec("ivfpq:nlist=8,pq_bytes=4,nprobe=2")});
  const auto team = std::make_shared<SearchTeam>(1);
  std::vector<HitRows> answers;
  for (std::int32_t shard = 0; shard < 2; ++shard) {
    const auto index =
        make_ivfpq_index(index_tools::open_shard(folder / "store", shard), Metric::kL2, team);
    SearchBatch batch;
    batch.queries = queries;
    batch.k = 64;
    batch.tuning.nprobe = 8;
    batch.tuning.candidates = static_cast<std::int32_t>(kEntries);
    answers.push_back(index->search(batch));
  }
  for (std::size_t number = 0; number < static_cast<std::size_t>(kQueries); ++number) {
    std::vector<Hit> merged = answers[0][number];
    merged.insert(merged.end(), answers[1][number].begin(), answers[1][number].end());
    std::sort(merged.begin(), merged.end(), better);
    const auto nearest = by_distance(number);
    for (std::size_t rank = 0; rank < 64; ++rank) {
      ASSERT_EQ(merged[rank].id, nearest[rank].second) << "query " << number << " rank " << rank;
      EXPECT_EQ(merged[rank].score, exact_score(Metric::kL2, query(number), key(merged[rank].id)));
    }
  }
}

TEST_F(DatastoreSearch, WhatFollowedAnEntryIsFoundByItsPosition) {
  const auto pool = open(3);
  const RetrievalAnswer nearest = pool->retrieve(request(4));
  std::vector<std::int64_t> following;
  for (const Document& document : nearest.rows[0]) {
    for (std::int64_t step = 1; step <= 3; ++step) following.push_back(document.id + step);
  }
  following.push_back(kEntries);  // behind the last
  RetrievalRequest lookup;
  lookup.ids = following;
  const RetrievalAnswer answer = pool->retrieve(lookup);
  ASSERT_EQ(answer.rows.size(), following.size());
  for (std::size_t at = 0; at < following.size(); ++at) {
    if (following[at] >= kEntries) {
      EXPECT_TRUE(answer.rows[at].empty());
      continue;
    }
    ASSERT_EQ(answer.rows[at].size(), 1u);
    EXPECT_EQ(answer.rows[at][0].id, following[at]);
    EXPECT_EQ(answer.rows[at][0].value, values[static_cast<std::size_t>(following[at])]);
  }
}

}  // namespace
}  // namespace rookery::retriever_pool
