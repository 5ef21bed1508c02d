#include "actors/pool_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/head_setup.hpp"
#include "actors/messages.hpp"
#include "base/error.hpp"

namespace rookery::actors {
namespace {

template <class Options>
Options read(const std::string& yaml) {
  return Options::from_options(base::OptionReader::from_text(yaml, "wiki.yaml"));
}

/// The complaint about `yaml`.
template <class Options>
std::string complaint(const std::string& yaml) {
  try {
    static_cast<void>(read<Options>(yaml));
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(PoolOptionsTest, DefaultsSuitOneMachine) {
  const auto options = read<PoolOptions>("");
  EXPECT_FALSE(options.shards);
  EXPECT_EQ(options.replicas, 1);
  EXPECT_EQ(options.listen, "127.0.0.1");
  EXPECT_EQ(options.deadline, std::chrono::milliseconds(2'000));
}

TEST(PoolOptionsTest, ReadsEveryKey) {
  const auto options = read<PoolOptions>(
      "{shards: 2, replicas: 3, listen: 127.0.0.2, insecure: true, control_port: 1, routing_port: "
      "2, http_port: 3, deadline_ms: 50, threads: 4, queue_requests_max: 5, queue_bytes_max: "
      "65536, batch_queries_max: 6, batch_window_us: 7, priority_shares: {verification: 0.9, "
      "training: 0.8, prefetch: 0.25}, autoscale: {replicas_min: 2, replicas_max: "
      "4, "
      "queue_wait_ms: 9, up_after_ms: 10, down_after_ms: 11}, client: {local_documents: false, "
      "cache_bytes: 12}}");
  EXPECT_EQ(options.shards, 2);
  EXPECT_EQ(options.replicas, 3);
  EXPECT_EQ(options.control_port, 1);
  EXPECT_EQ(options.routing_port, 2);
  EXPECT_EQ(options.http_port, 3);
  EXPECT_EQ(options.deadline, std::chrono::milliseconds(50));
  EXPECT_EQ(options.threads, 4);
  EXPECT_EQ(options.queue_requests_max, 5);
  EXPECT_EQ(options.queue_bytes_max, 65536);
  EXPECT_EQ(options.batch_queries_max, 6);
  EXPECT_EQ(options.batch_window_us, 7);
  EXPECT_THAT(options.priority_shares, ::testing::ElementsAre(0.9, 0.8, 0.25));
  EXPECT_THAT(node_pattern(options).priority_shares, ::testing::ElementsAre(900, 800, 250));
  EXPECT_EQ(options.autoscale.replicas_min, 2);
  EXPECT_EQ(options.autoscale.replicas_max, 4);
  EXPECT_EQ(options.autoscale.queue_wait, std::chrono::milliseconds(9));
  EXPECT_EQ(options.autoscale.up_after, std::chrono::milliseconds(10));
  EXPECT_EQ(options.autoscale.down_after, std::chrono::milliseconds(11));
  EXPECT_FALSE(options.client.local_documents);
  EXPECT_EQ(options.client.cache_bytes, 12);
}

TEST(PoolOptionsTest, AutoscalingIsOffByDefaultAndItsLimitsMustNotCross) {
  EXPECT_FALSE(read<PoolOptions>("").autoscale.enabled());
  EXPECT_TRUE(read<PoolOptions>("autoscale: {replicas_max: 2}").autoscale.enabled());
  EXPECT_THAT(complaint<PoolOptions>("autoscale: {replicas_min: 3, replicas_max: 2}"),
              ::testing::HasSubstr("replicas_max: expected 0 (off) or at least replicas_min, 3"));
}

TEST(PoolOptionsTest, ComplaintsNameLineKeyAndWhatWasExpected) {
  EXPECT_EQ(complaint<PoolOptions>("shards: 2\nreplicas: two"),
            "wiki.yaml:2: replicas: expected an integer in [1, 64], got 'two'");
  EXPECT_THAT(complaint<PoolOptions>("shards: 0"), ::testing::HasSubstr("[1, 1024]"));
  EXPECT_THAT(complaint<PoolOptions>("http_port: 70000"), ::testing::HasSubstr("[0, 65535]"));
  EXPECT_THAT(complaint<PoolOptions>("priority_shares: {training: 0}"),
              ::testing::HasSubstr("training: expected a number in [0.001, 1], got '0'"));
  EXPECT_THAT(complaint<PoolOptions>("replica: 2"), ::testing::HasSubstr("replica"));
}

TEST(PoolOptionsTest, RefusesToListenBeyondLoopbackWithoutKeys) {
  const auto text = complaint<PoolOptions>("listen: 0.0.0.0");
  EXPECT_THAT(text,
              ::testing::HasSubstr("wiki.yaml:1: listen: expected an address in 127.0.0.0/8"));
  EXPECT_THAT(text, ::testing::HasSubstr("pool.keys: DIR"));
  EXPECT_THAT(text, ::testing::HasSubstr("insecure: true"));
  EXPECT_EQ(read<PoolOptions>("{listen: 0.0.0.0, insecure: true}").listen, "0.0.0.0");
  EXPECT_EQ(read<PoolOptions>("{listen: 0.0.0.0, keys: k}").keys, "k");
  EXPECT_THAT(complaint<PoolOptions>("listen: localhost"), ::testing::HasSubstr("IPv4"));
}

TEST(PoolOptionsTest, KnowsLoopback) {
  EXPECT_TRUE(is_loopback("127.0.0.1"));
  EXPECT_TRUE(is_loopback("127.255.0.9"));
  EXPECT_FALSE(is_loopback("128.0.0.1"));
  EXPECT_FALSE(is_loopback("0.0.0.0"));
  EXPECT_FALSE(is_loopback("127.0.0.1.evil.example"));
}

}  // namespace
}  // namespace rookery::actors
