#include "retriever_pool/result_cache.hpp"

#include <gtest/gtest.h>

#include "test_colony.hpp"
#include "tests/support/eventually.hpp"

namespace rookery::retriever_pool {
namespace {

using testing::Corpus;
using testing::TestColony;

RetrievalAnswer answer_of(std::int64_t id, std::size_t text_bytes = 10) {
  RetrievalAnswer answer;
  answer.generation = "g1";
  answer.shards_wanted = answer.shards_answered = 1;
  Document document;
  document.id = id;
  document.text = std::string(text_bytes, 'x');
  answer.rows = {{document}};
  return answer;
}

TEST(ResultCacheTest, FindsTheSameBytesInTheSameGenerationOnly) {
  ResultCache cache(1 << 20, nullptr);
  EXPECT_FALSE(cache.find("g1", "a"));
  cache.put("a", answer_of(1));
  const auto found = cache.find("g1", "a");
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->cached);
  EXPECT_EQ(found->rows[0][0].id, 1);
  EXPECT_FALSE(cache.find("g1", "b"));
  EXPECT_FALSE(cache.find("g2", "a"));
  EXPECT_EQ(cache.bytes(), 0);
  cache.put("a", answer_of(1));  // an answer of the old generation that came late
  EXPECT_FALSE(cache.find("g2", "a"));
}

TEST(ResultCacheTest, TheLeastRecentlyUsedGoesFirstAndBytesAreBounded) {
  ResultCache cache(5000, nullptr);
  (void)cache.find("g1", "");
  cache.put("a", answer_of(1, 1500));
  cache.put("b", answer_of(2, 1500));
  EXPECT_TRUE(cache.find("g1", "a"));
  cache.put("c", answer_of(3, 1500));
  EXPECT_LE(cache.bytes(), 5000);
  EXPECT_FALSE(cache.find("g1", "b"));
  EXPECT_TRUE(cache.find("g1", "a"));
  cache.put("d", answer_of(4, 9000));  // larger than the whole cache
  EXPECT_FALSE(cache.find("g1", "d"));
  EXPECT_TRUE(cache.find("g1", "a"));
}

TEST(ResultCacheTest, KeepsNoPartOfAnAnswer) {
  ResultCache cache(5000, nullptr);
  (void)cache.find("g1", "");
  RetrievalAnswer partial = answer_of(1);
  partial.shards_wanted = 2;
  cache.put("a", partial);
  EXPECT_FALSE(cache.find("g1", "a"));
}

TEST(ResultCacheTest, AClientAsksOnceForWhatItHas) {
  const Corpus corpus(5, 100, 8);
  TestColony colony(corpus, 2, 1);
  base::Metrics metrics;
  PoolClientOptions options;
  options.cache_bytes = 1 << 20;
  options.metrics = &metrics;
  const auto client = colony.client(options);
  const std::vector<float> query(8, 0.25F);
  RetrievalRequest request;
  request.queries = query;
  const RetrievalAnswer first = client->retrieve(request);
  const RetrievalAnswer second = client->retrieve(request);
  EXPECT_FALSE(first.cached);
  EXPECT_TRUE(second.cached);
  EXPECT_EQ(second.attempts, 0);
  EXPECT_EQ(testing::hits_of(second.rows[0]), testing::hits_of(first.rows[0]));
  request.k = 6;  // another request
  EXPECT_FALSE(client->retrieve(request).cached);
  EXPECT_NE(metrics.text().find("rookery_client_cache_hits_total 1"), std::string::npos)
      << metrics.text();
  // A swap empties it: the same files under another name here.
  colony.set_generation("91bc");
  for (std::size_t member = 0; member < 2; ++member) colony.start(member);
  colony.publish();
  ASSERT_TRUE(
      rookery::testing::eventually([&] { return client->description().generation == "91bc"; }));
  request.k = 5;
  const RetrievalAnswer fresh = client->retrieve(request);
  EXPECT_FALSE(fresh.cached);
  EXPECT_EQ(fresh.generation, "91bc");
}

}  // namespace
}  // namespace rookery::retriever_pool
