#include "retriever_pool/query_sample.hpp"

#include <gtest/gtest.h>

#include "retriever_pool/wait_percentile.hpp"

namespace rookery::retriever_pool {
namespace {

using namespace std::chrono_literals;

wire::QueryBody vectors(float first, int count) {
  wire::QueryBody query;
  query.batch = static_cast<std::uint32_t>(count);
  query.dimension = 2;
  for (int i = 0; i < count; ++i) {
    query.queries.push_back(first + static_cast<float>(i));
    query.queries.push_back(0.5F);
  }
  return query;
}

wire::QueryBody decoded(const std::string& body) {
  return wire::decode_query(std::as_bytes(std::span(body)));
}

TEST(QuerySampleTest, KeepsTheLastHundredDifferentQueries) {
  QuerySample sample;
  EXPECT_TRUE(sample.encode(100).empty());
  sample.add(vectors(0, 130));
  for (int i = 0; i < 50; ++i) sample.add(vectors(129, 1));  // again and again the same
  const wire::QueryBody all = decoded(sample.encode(100));
  ASSERT_EQ(all.batch, 100U);
  EXPECT_EQ(all.queries.front(), 30.0F);
  EXPECT_EQ(all.queries[198], 129.0F);
  const wire::QueryBody newest = decoded(sample.encode(3));
  EXPECT_EQ(newest.queries, (std::vector<float>{127, 0.5F, 128, 0.5F, 129, 0.5F}));
}

TEST(QuerySampleTest, TextsAreBoundedByBytes) {
  QuerySample sample;
  for (int i = 0; i < 100; ++i) {
    wire::QueryBody query;
    query.texts = {std::to_string(i) + std::string(64 << 10, 'x').substr(8)};
    query.batch = 1;
    sample.add(query);
  }
  const wire::QueryBody kept = decoded(sample.encode(100));
  EXPECT_LE(kept.bytes(), QuerySample::kBytesMax);
  EXPECT_EQ(kept.texts.back().substr(0, 3), "99x");
}

TEST(QuerySampleTest, IdsAreNoQueriesToWarmWith) {
  QuerySample sample;
  wire::QueryBody query;
  query.batch = 1;
  query.ids = {7};
  sample.add(query);
  EXPECT_TRUE(sample.encode(10).empty());
}

TEST(WaitPercentileTest, IsTheNinetyFifthOfTheLastSeconds) {
  WaitPercentile waits;
  const WaitPercentile::Time start{1h};
  EXPECT_EQ(waits.p95(start), 0us);
  for (int i = 1; i <= 100; ++i) waits.add(std::chrono::microseconds(i), start);
  EXPECT_EQ(waits.p95(start), 95us);
  EXPECT_EQ(waits.percentile(50, start), 50us);
  EXPECT_EQ(waits.percentile(99, start), 99us);
  for (int i = 0; i < 2000; ++i) waits.add(7us, start + 1s);
  EXPECT_EQ(waits.p95(start + 1s), 7us);
  EXPECT_EQ(waits.p95(start + 7s), 0us);
}

}  // namespace
}  // namespace rookery::retriever_pool
