#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "retriever_pool/admission_queue.hpp"
#include "tests/support/seed.hpp"

namespace rookery::retriever_pool {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;
using Time = AdmissionQueue::Time;

/// One server a shard, in front of which calls of 8 queries for all shards arrive whether or not
/// they keep up, on a virtual clock. A scan takes 3 ms and 0.1 ms a query, give or take a tenth.
class OpenLoop {
 public:
  OpenLoop(std::uint64_t seed, std::size_t shards) : random_(seed), servers_(shards) {}

  static constexpr std::int64_t kQueries = 8, kFull = 32;
  static constexpr microseconds kDeadline = 200ms;
  /// Calls a second when every scan is full.
  static double capacity() { return (kFull / kQueries) / 6.2e-3; }

  struct Figures {
    std::int64_t offered = 0, accepted = 0;  ///< calls; requests
    std::int64_t in_time = 0;                ///< calls that every shard answered in time
    std::vector<microseconds> latencies;     ///< of requests; what expired counts as the deadline
    [[nodiscard]] microseconds percentile(double share) {
      std::sort(latencies.begin(), latencies.end());
      return latencies.at(static_cast<std::size_t>(share * static_cast<double>(latencies.size())));
    }
  };

  Figures run(double per_second, microseconds span, Priority priority = Priority::kVerification) {
    Figures figures;
    std::exponential_distribution<double> gap(per_second);
    const Time end = now_ + span;
    Time arrival = now_ + seconds(gap(random_));
    while (true) {
      Server& next =
          *std::min_element(servers_.begin(), servers_.end(),
                            [&](const Server& a, const Server& b) { return event(a) < event(b); });
      if (std::min(arrival, event(next)) >= end) break;
      if (arrival <= event(next)) {
        now_ = arrival;
        arrival = now_ + seconds(gap(random_));
        ++figures.offered;
        ++call_;
        for (Server& server : servers_) {
          if (!server.queue.admit(request(priority), now_)) ++figures.accepted;
          figures.accepted -= std::ssize(server.queue.take_displaced());
        }
      } else {
        now_ = std::max(now_, event(next));
        step(next, figures);
      }
    }
    now_ = end;
    return figures;
  }

 private:
  struct Server {
    AdmissionQueue queue{limits()};
    std::optional<Time> busy_until;
    AdmissionQueue::Batch batch;
    std::int64_t queries = 0;
    microseconds took{0};
  };
  static AdmissionLimits limits() {
    AdmissionLimits limits{256, 64 << 20, kFull};
    limits.window = 1ms;
    return limits;
  }
  static microseconds seconds(double s) {
    return microseconds(static_cast<std::int64_t>(s * 1e6) + 1);
  }
  PendingRequest request(Priority priority) {
    PendingRequest request;
    request.client = std::to_string(call_ % 16);
    request.header.type = wire::Type::kQuery;
    request.header.request = {7, call_};
    request.header.priority = static_cast<std::uint8_t>(priority);
    request.body.batch = kQueries;
    request.cost_class = 1;
    request.arrived = now_;
    request.deadline = now_ + kDeadline;
    return request;
  }
  [[nodiscard]] Time event(const Server& server) const {
    if (server.busy_until) return *server.busy_until;
    const auto at = server.queue.next_batch_at(now_);
    return at ? std::max(*at, now_) : Time::max();
  }
  void step(Server& server, Figures& figures) {
    if (server.busy_until) {
      server.queue.finished(now_);
      if (server.queries > 0) server.queue.record(1, server.queries, server.took);
      for (const PendingRequest& done : server.batch.requests) {
        figures.latencies.push_back(std::chrono::duration_cast<microseconds>(now_ - done.arrived));
        if (now_ > done.deadline) continue;
        figures.in_time += ++answers_[done.header.request.low] == servers_.size();
      }
      server.busy_until.reset();
      return;
    }
    server.batch = server.queue.take_batch(now_);
    server.queries = 0;
    for (const PendingRequest& taken : server.batch.requests) server.queries += taken.queries();
    figures.latencies.insert(figures.latencies.end(), server.batch.expired.size(), kDeadline + 1us);
    std::uniform_real_distribution<double> noise(0.9, 1.1);
    const double ms = 3 + 0.1 * static_cast<double>(server.queries);
    server.took = server.queries == 0 ? 0us : seconds(ms * 1e-3 * noise(random_));
    server.busy_until = now_ + server.took;
  }

  std::mt19937_64 random_;
  std::vector<Server> servers_;
  Time now_{1h};
  std::uint64_t call_ = 0;
  std::map<std::uint64_t, std::size_t> answers_;  // in time, by call
};

class AdmissionOverloadTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(AdmissionOverloadTest, GoodputHoldsAtThreeTimesTheCapacityAndAllIsWellTwoSecondsAfter) {
  for (std::uint64_t round = 0; round < 10; ++round) {
    const std::uint64_t seed = rookery::testing::seed() + round;
    SCOPED_TRACE("seed " + std::to_string(seed));
    OpenLoop loop(seed, GetParam());
    (void)loop.run(0.5 * OpenLoop::capacity(), 2s);
    auto overload = loop.run(3 * OpenLoop::capacity(), 60s);
    EXPECT_GE(static_cast<double>(overload.in_time), 0.9 * 60 * OpenLoop::capacity());
    EXPECT_LE(overload.percentile(0.99), OpenLoop::kDeadline);
    (void)loop.run(0.5 * OpenLoop::capacity(), 2s);
    auto after = loop.run(0.5 * OpenLoop::capacity(), 5s);
    EXPECT_EQ(after.accepted, after.offered * static_cast<std::int64_t>(GetParam()));
    EXPECT_LE(after.percentile(0.99), 30ms);
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, AdmissionOverloadTest, ::testing::Values(1, 2, 4));

TEST(AdmissionOverloadPriorityTest, LowerPrioritiesThatAreAloneHaveTheWholeServer) {
  OpenLoop loop(rookery::testing::seed(), 1);
  auto prefetch = loop.run(2 * OpenLoop::capacity(), 20s, Priority::kPrefetch);
  EXPECT_GE(static_cast<double>(prefetch.in_time), 0.9 * 20 * OpenLoop::capacity());
  EXPECT_LE(prefetch.percentile(0.99), OpenLoop::kDeadline);
}

}  // namespace
}  // namespace rookery::retriever_pool
