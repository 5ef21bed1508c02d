#include "base/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>

namespace rookery::base {
namespace {

TEST(MetricsTest, WritesPrometheusText) {
  Metrics metrics;
  auto& family = prometheus::BuildCounter()
                     .Name("rookery_queries_total")
                     .Help("Queries answered")
                     .Register(metrics.registry());
  family.Add({{"shard", "3"}}).Increment(5);

  EXPECT_EQ(metrics.text(),
            "# HELP rookery_queries_total Queries answered\n"
            "# TYPE rookery_queries_total counter\n"
            "rookery_queries_total{shard=\"3\"} 5\n");
}

TEST(MetricsTest, OfOneObjectAreNotThoseOfAnother) {
  Metrics one;
  const Metrics other;
  prometheus::BuildCounter().Name("x_total").Help("").Register(one.registry()).Add({});
  EXPECT_EQ(other.text(), "");
}

}  // namespace
}  // namespace rookery::base
