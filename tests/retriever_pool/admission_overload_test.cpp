#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "retriever_pool/admission_queue.hpp"
#include "tests/support/seed.hpp"

namespace rookery::retriever_pool {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;
using Time = AdmissionQueue::Time;

/// One server in front of which requests of 8 queries arrive whether or not it keeps up, on a
/// virtual clock. A scan takes 3 ms and 0.1 ms a query, give or take a tenth.
class OpenLoop {
 public:
  explicit OpenLoop(std::uint64_t seed) : random_(seed), queue_(limits()) {}

  static constexpr std::int64_t kQueries = 8, kFull = 32;
  static constexpr microseconds kDeadline = 200ms;
  /// Requests a second when every scan is full.
  static double capacity() { return (kFull / kQueries) / 6.2e-3; }

  struct Figures {
    std::int64_t offered = 0, accepted = 0, in_time = 0;
    std::vector<microseconds> latencies;  ///< of accepted ones; what expired counts as the deadline
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
    while (std::min(arrival, next_server_event()) < end) {
      if (arrival <= next_server_event()) {
        now_ = arrival;
        arrival = now_ + seconds(gap(random_));
        ++figures.offered;
        if (!queue_.admit(request(priority), now_)) ++figures.accepted;
      } else {
        now_ = std::max(now_, next_server_event());
        step(figures);
      }
    }
    now_ = end;
    return figures;
  }

 private:
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
    request.client = std::to_string(random_() % 16);
    request.header.type = wire::Type::kQuery;
    request.header.priority = static_cast<std::uint8_t>(priority);
    request.body.batch = kQueries;
    request.cost_class = 1;
    request.arrived = now_;
    request.deadline = now_ + kDeadline;
    return request;
  }
  [[nodiscard]] Time next_server_event() const {
    if (busy_until_) return *busy_until_;
    const auto at = queue_.next_batch_at(now_);
    return at ? std::max(*at, now_) : Time::max();
  }
  void step(Figures& figures) {
    if (busy_until_) {
      queue_.finished(now_);
      if (queries_ > 0) queue_.record(1, queries_, took_);
      for (const PendingRequest& done : batch_.requests) {
        figures.latencies.push_back(std::chrono::duration_cast<microseconds>(now_ - done.arrived));
        if (now_ <= done.deadline) ++figures.in_time;
      }
      busy_until_.reset();
      return;
    }
    batch_ = queue_.take_batch(now_);
    queries_ = 0;
    for (const PendingRequest& taken : batch_.requests) queries_ += taken.queries();
    figures.latencies.insert(figures.latencies.end(), batch_.expired.size(), kDeadline + 1us);
    std::uniform_real_distribution<double> noise(0.9, 1.1);
    took_ = queries_ == 0 ? 0us
                          : seconds((3e-3 + 1e-4 * static_cast<double>(queries_)) * noise(random_));
    busy_until_ = now_ + took_;
  }

  std::mt19937_64 random_;
  AdmissionQueue queue_;
  Time now_{1h};
  std::optional<Time> busy_until_;
  AdmissionQueue::Batch batch_;
  std::int64_t queries_ = 0;
  microseconds took_{0};
};

TEST(AdmissionOverloadTest, GoodputHoldsAtThreeTimesTheCapacityAndAllIsWellTwoSecondsAfter) {
  for (std::uint64_t round = 0; round < 10; ++round) {
    const std::uint64_t seed = rookery::testing::seed() + round;
    SCOPED_TRACE("seed " + std::to_string(seed));
    OpenLoop loop(seed);
    (void)loop.run(0.5 * OpenLoop::capacity(), 2s);
    auto overload = loop.run(3 * OpenLoop::capacity(), 60s);
    EXPECT_GE(static_cast<double>(overload.in_time), 0.9 * 60 * OpenLoop::capacity());
    EXPECT_LE(overload.percentile(0.99), OpenLoop::kDeadline);
    (void)loop.run(0.5 * OpenLoop::capacity(), 2s);
    auto after = loop.run(0.5 * OpenLoop::capacity(), 5s);
    EXPECT_EQ(after.accepted, after.offered);
    EXPECT_LE(after.percentile(0.99), 30ms);
  }
}

TEST(AdmissionOverloadTest, LowerPrioritiesThatAreAloneHaveTheWholeServer) {
  OpenLoop loop(rookery::testing::seed());
  auto prefetch = loop.run(2 * OpenLoop::capacity(), 20s, Priority::kPrefetch);
  EXPECT_GE(static_cast<double>(prefetch.in_time), 0.9 * 20 * OpenLoop::capacity());
  EXPECT_LE(prefetch.percentile(0.99), OpenLoop::kDeadline);
}

}  // namespace
}  // namespace rookery::retriever_pool
