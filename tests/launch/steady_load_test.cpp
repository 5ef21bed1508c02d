#include "launch/steady_load.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <stdexcept>

namespace rookery::launch {
namespace {

/// Answers every query with one document whose id is the query's first number.
class EchoRetriever final : public retriever_pool::Retriever {
 public:
  retriever_pool::RetrievalAnswer retrieve(
      const retriever_pool::RetrievalRequest& request) override {
    const auto call = calls++;
    if (call == failing_call)
      throw retriever_pool::RetrievalError(retriever_pool::RetrievalFault::kDeadline, "too late");
    retriever_pool::Document document;
    document.id = static_cast<std::int64_t>(request.queries[0]);
    document.score = call == wrong_call ? std::nextafter(1.0F, 2.0F) : 1.0F;
    retriever_pool::RetrievalAnswer answer;
    answer.rows = {{document}};
    return answer;
  }
  retriever_pool::IndexDescription description() override {
    retriever_pool::IndexDescription index;
    index.dimension = 1;
    return index;
  }

  std::atomic<std::int64_t> calls = 0;
  std::int64_t failing_call = -1, wrong_call = -1;
};

const std::vector<float> kQueries = {1, 2, 3};
constexpr SteadyLoadOptions kFast{.queries = 60, .rate_per_s = 5000, .threads = 3};

TEST(SteadyLoadTest, CountsEveryQueryOnce) {
  EchoRetriever pool, oracle;
  std::int64_t last = 0;
  const auto report =
      run_steady_load(pool, oracle, kQueries, kFast, [&](std::int64_t done) { last = done; });
  EXPECT_EQ(report.sent, 60);
  EXPECT_EQ(pool.calls, 60);
  EXPECT_EQ(last, 60);
  EXPECT_EQ(report.lost, 0);
  EXPECT_EQ(report.wrong, 0);
  EXPECT_EQ(report.latency_ms.size(), 60u);
}

TEST(SteadyLoadTest, AnErrorIsALostQuery) {
  EchoRetriever pool, oracle;
  pool.failing_call = 17;
  const auto report = run_steady_load(pool, oracle, kQueries, kFast, [](std::int64_t) {});
  EXPECT_EQ(report.lost, 1);
  EXPECT_EQ(report.first_fault, "too late");
}

TEST(SteadyLoadTest, OneBitOfAScoreIsAWrongAnswer) {
  EchoRetriever pool, oracle;
  pool.wrong_call = 23;
  EXPECT_EQ(run_steady_load(pool, oracle, kQueries, kFast, [](std::int64_t) {}).wrong, 1);
}

}  // namespace
}  // namespace rookery::launch
