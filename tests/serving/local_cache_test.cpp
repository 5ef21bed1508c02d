#include "serving/local_cache.hpp"

#include <gtest/gtest.h>

#include <random>
#include <stdexcept>

#include "tests/serving/toy_models.hpp"

namespace rookery::serving {
namespace {

Passage shared(const retriever_pool::Document& document) {
  return std::make_shared<const retriever_pool::Document>(document);
}

// specs/ralmspec.md 8.3, 13 and 14: the same score bits as the pool's kernel, the same tie rule, so
// that the pool's best is the cache's best whenever it is in the cache.
TEST(LocalCacheTest, ReturnsThePoolsBestWheneverItIsThere) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (int round = 0; round < 200; ++round) {
    const bool ties = round % 2 == 0;
    std::vector<retriever_pool::Document> documents;
    for (int i = 0; i < 20; ++i) {
      std::vector<float> vector(37);
      for (float& x : vector) {
        x = ties ? static_cast<float>(static_cast<int>(random() % 3) - 1) : normal(random);
      }
      if (i % 4 == 3) vector = documents.back().vector;
      documents.push_back(testing::toy_document(static_cast<std::int64_t>(random() % 1000) * 20 + i,
                                                "text", vector));
    }
    std::vector<float> query(37);
    for (float& x : query) {
      x = ties ? static_cast<float>(static_cast<int>(random() % 3) - 1) : normal(random);
    }
    const auto row = testing::exact_rows(documents)(query, 20);

    LocalCache cache(retriever_pool::Metric::kInnerProduct, 512);
    std::shuffle(documents.begin(), documents.end(), random);
    for (const auto& document : documents) cache.insert(shared(document));
    const Passage best = cache.best(query);
    ASSERT_NE(best, nullptr);
    EXPECT_EQ(best->id, row.front().id);
    EXPECT_EQ(
        retriever_pool::exact_score(retriever_pool::Metric::kInnerProduct, query, best->vector),
        row.front().score);
  }
}

TEST(LocalCacheTest, AnEmptyCacheKnowsNothing) {
  const LocalCache cache(retriever_pool::Metric::kInnerProduct, 4);
  EXPECT_EQ(cache.best(std::vector<float>{1.0F}), nullptr);
}

TEST(LocalCacheTest, WhatWasInsertedLongestAgoGoesFirst) {
  LocalCache cache(retriever_pool::Metric::kInnerProduct, 2);
  const auto a = shared(testing::toy_document(1, "a", {3})),
             b = shared(testing::toy_document(2, "b", {2})),
             c = shared(testing::toy_document(3, "c", {1}));
  cache.insert(a);
  cache.insert(b);
  cache.insert(a);  // now the newest
  cache.insert(c);
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_EQ(cache.best(std::vector<float>{1})->id, 1);
  EXPECT_EQ(cache.best(std::vector<float>{-1})->id, 3);
}

TEST(LocalCacheTest, RefusesWhatItCannotScore) {
  EXPECT_THROW(LocalCache(retriever_pool::Metric::kL2, 0), std::invalid_argument);
  LocalCache cache(retriever_pool::Metric::kInnerProduct, 2);
  EXPECT_THROW(cache.insert(shared(testing::toy_document(1, "no vector", {}))),
               std::invalid_argument);
  cache.insert(shared(testing::toy_document(1, "a", {3})));
  try {
    (void)cache.best(std::vector<float>{1, 2});
    FAIL() << "expected an error";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "LocalCache: expected a query of 1 floats, got 2");
  }
}

}  // namespace
}  // namespace rookery::serving
