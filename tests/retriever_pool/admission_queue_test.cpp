#include "retriever_pool/admission_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <random>

#include "tests/support/seed.hpp"

namespace rookery::retriever_pool {
namespace {

using namespace std::chrono_literals;

const AdmissionQueue::Time kNow = AdmissionQueue::Time{} + 1h;

PendingRequest query(std::uint64_t id, std::uint32_t batch = 1,
                     std::chrono::milliseconds remaining = 1s) {
  PendingRequest request;
  request.client = "client";
  request.header.type = wire::Type::kQuery;
  request.header.request = {1, id};
  request.body.batch = batch;
  request.body.dimension = 4;
  request.cost_class = 1;
  request.body.queries.assign(batch * 4, 0.0F);
  request.arrived = kNow;
  request.deadline = kNow + remaining;
  return request;
}

/// Numbers of requests whose lots fall: none makes an earlier one go.
std::vector<std::uint64_t> falling_lots(std::uint64_t count) {
  std::vector<std::uint64_t> ids(count);
  std::iota(ids.begin(), ids.end(), 1U);
  const auto lot = [](std::uint64_t id) { return AdmissionQueue::lot({1, id}); };
  std::sort(ids.begin(), ids.end(), [&](auto a, auto b) { return lot(a) > lot(b); });
  return ids;
}

TEST(AdmissionQueueTest, RefusesAtOnceBeyondItsCount) {
  AdmissionQueue queue({2, 1 << 20, 128});
  const auto ids = falling_lots(3);
  EXPECT_FALSE(queue.admit(query(ids[0]), kNow));
  EXPECT_FALSE(queue.admit(query(ids[1]), kNow));
  const auto refusal = queue.admit(query(ids[2]), kNow);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, wire::ErrorCode::kOverloaded);
  EXPECT_EQ(refusal->text, "the queue holds 2 requests");
  EXPECT_GE(refusal->retry_after, 1ms);
}

TEST(AdmissionQueueTest, ALargerLotTakesThePlaceOfTheSmallestThatWaits) {
  const auto ids = falling_lots(4);
  AdmissionQueue full({2, 1 << 20, 128});
  EXPECT_FALSE(full.admit(query(ids[3]), kNow));
  EXPECT_FALSE(full.admit(query(ids[2]), kNow));
  EXPECT_FALSE(full.admit(query(ids[0]), kNow));
  auto displaced = full.take_displaced();
  ASSERT_EQ(displaced.size(), 1U);
  EXPECT_EQ(displaced[0].first.header.request.low, ids[3]);
  EXPECT_EQ(displaced[0].second.code, wire::ErrorCode::kOverloaded);
  EXPECT_TRUE(full.take_displaced().empty());
  EXPECT_EQ(full.size(), 2);
  const auto batch = full.take_batch(kNow);
  ASSERT_EQ(batch.requests.size(), 2U);
  EXPECT_EQ(batch.requests[0].header.request.low, ids[2]);
  EXPECT_EQ(batch.requests[1].header.request.low, ids[0]);

  // A place that is not enough is left to who has it: its own deadline is too near.
  AdmissionQueue slow({100, 1 << 20, 1});
  slow.record(1, 1, 100ms);
  EXPECT_FALSE(slow.admit(query(ids[2]), kNow));
  EXPECT_FALSE(slow.admit(query(ids[3]), kNow));
  const auto wait = slow.expected_wait(kNow);
  EXPECT_TRUE(slow.admit(query(ids[0], 1, 150ms), kNow));
  EXPECT_TRUE(slow.take_displaced().empty());
  EXPECT_EQ(slow.expected_wait(kNow), wait);
  EXPECT_FALSE(slow.admit(query(ids[1], 1, 250ms), kNow));
  EXPECT_EQ(slow.take_displaced().size(), 1U);
  EXPECT_EQ(slow.take_batch(kNow).requests.at(0).header.request.low, ids[2]);
}

TEST(AdmissionQueueTest, RefusesBeyondItsBytesButTakesOneOfAnySize) {
  AdmissionQueue queue({100, 40, 128});
  EXPECT_FALSE(queue.admit(query(1, 10), kNow));
  const auto refusal = queue.admit(query(2, 1), kNow);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->text, "the queue holds 160 bytes");
  queue.take_batch(kNow);
  EXPECT_FALSE(queue.admit(query(3, 1), kNow));
}

TEST(AdmissionQueueTest, RefusesWhatWouldWaitLongerThanItsDeadline) {
  AdmissionQueue queue({100, 1 << 20, 1});
  queue.record(1, 1, 100ms);
  const auto ids = falling_lots(3);
  EXPECT_FALSE(queue.admit(query(ids[0]), kNow));
  EXPECT_FALSE(queue.admit(query(ids[1]), kNow));
  const auto refusal = queue.admit(query(ids[2], 1, 250ms), kNow);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, wire::ErrorCode::kOverloaded);
  EXPECT_EQ(refusal->text, "the expected wait of 300000 us is longer than the deadline");
  EXPECT_EQ(refusal->retry_after, 200ms);  // until those that wait now are done
}

TEST(AdmissionQueueTest, MergesWhatFitsOneBatchInOrder) {
  AdmissionQueue queue({100, 1 << 20, 4});
  for (std::uint64_t id = 1; id <= 3; ++id) queue.admit(query(id, 2), kNow);
  const auto batch = queue.take_batch(kNow);
  ASSERT_EQ(batch.requests.size(), 2U);
  EXPECT_EQ(batch.requests[0].header.request.low, 1U);
  EXPECT_EQ(queue.take_batch(kNow).requests.size(), 1U);
  EXPECT_TRUE(queue.empty());
}

TEST(AdmissionQueueTest, ABatchLargerThanTheLimitIsTakenAlone) {
  AdmissionQueue queue({100, 1 << 20, 4});
  queue.admit(query(1, 9), kNow);
  queue.admit(query(2, 1), kNow);
  EXPECT_EQ(queue.take_batch(kNow).requests.size(), 1U);
}

TEST(AdmissionQueueTest, WhatExpiredInTheQueueIsNotSearched) {
  AdmissionQueue queue({100, 1 << 20, 4});
  queue.admit(query(1, 1, 10ms), kNow);
  queue.admit(query(2, 1, 1s), kNow);
  const auto batch = queue.take_batch(kNow + 10ms);
  ASSERT_EQ(batch.expired.size(), 1U);
  ASSERT_EQ(batch.requests.size(), 1U);
  EXPECT_EQ(batch.requests[0].header.request.low, 2U);
}

TEST(AdmissionQueueTest, RefusesWhatArrivesTooLate) {
  AdmissionQueue queue({100, 1 << 20, 4});
  const auto refusal = queue.admit(query(1, 1, 0ms), kNow);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, wire::ErrorCode::kDeadline);
}

TEST(AdmissionQueueTest, CancelForgetsOnlyThatClientsQuery) {
  AdmissionQueue queue({100, 1 << 20, 4});
  queue.admit(query(1), kNow);
  EXPECT_FALSE(queue.cancel("somebody else", {1, 1}));
  EXPECT_TRUE(queue.cancel("client", {1, 1}));
  EXPECT_FALSE(queue.cancel("client", {1, 1}));
  EXPECT_TRUE(queue.empty());
}

PendingRequest of(Priority priority, std::uint64_t id, std::uint32_t batch = 1,
                  std::string client = "client") {
  PendingRequest request = query(id, batch);
  request.header.priority = static_cast<std::uint8_t>(priority);
  request.client = std::move(client);
  return request;
}

std::vector<std::uint64_t> ids_of(const AdmissionQueue::Batch& batch) {
  std::vector<std::uint64_t> ids;
  for (const PendingRequest& request : batch.requests) ids.push_back(request.header.request.low);
  return ids;
}

TEST(AdmissionQueueTest, AnUnknownPriorityIsTheLast) {
  EXPECT_EQ(priority_of(1), Priority::kTraining);
  EXPECT_EQ(priority_of(3), Priority::kPrefetch);
  EXPECT_EQ(priority_of(255), Priority::kPrefetch);
}

TEST(AdmissionQueueTest, HigherPrioritiesAreSearchedFirstAndLowerOnesAtMostDoubleTheScan) {
  AdmissionQueue queue({100, 1 << 20, 128});
  for (std::uint64_t id = 1; id <= 4; ++id) queue.admit(of(Priority::kPrefetch, id, 4), kNow);
  for (std::uint64_t id = 5; id <= 6; ++id) queue.admit(of(Priority::kTraining, id, 4), kNow);
  for (std::uint64_t id = 7; id <= 8; ++id) queue.admit(of(Priority::kVerification, id, 4), kNow);
  EXPECT_EQ(ids_of(queue.take_batch(kNow)), (std::vector<std::uint64_t>{7, 8, 5, 6}));
  // Nobody waits for a token now; prefetch was passed over once and comes with the rest.
  queue.admit(of(Priority::kTraining, 9, 4), kNow);
  EXPECT_EQ(ids_of(queue.take_batch(kNow)), (std::vector<std::uint64_t>{9, 1, 2, 3, 4}));
}

TEST(AdmissionQueueTest, AStreamOfVerificationDoesNotStarvePrefetch) {
  AdmissionQueue queue({100, 1 << 20, 16});
  queue.admit(of(Priority::kPrefetch, 1, 16), kNow);  // as large as a whole scan
  std::uint64_t next = 2;
  int scans = 0;
  for (bool found = false; !found; ++scans) {
    ASSERT_LT(scans, 9) << "a prefetch was passed over for more than eight full scans";
    while (queue.size() < 9) queue.admit(of(Priority::kVerification, next++, 4), kNow);
    for (const std::uint64_t id : ids_of(queue.take_batch(kNow))) found = found || id == 1;
  }
  EXPECT_GT(scans, 2);  // it did not go first either
}

TEST(AdmissionQueueTest, PrefetchFillsItsOwnShareAndTakesNoPlaceOfOthers) {
  AdmissionLimits limits{8, 1 << 20, 128};
  limits.shares = {1.0, 0.75, 0.5};
  AdmissionQueue queue(limits);
  const auto ids = falling_lots(300);
  auto id = ids.begin();
  const auto admitted = [&](Priority priority) {
    int count = 0;
    while (count < 100 && !queue.admit(of(priority, *id++), kNow)) ++count;
    return count;
  };
  EXPECT_EQ(admitted(Priority::kPrefetch), 4);
  EXPECT_EQ(admitted(Priority::kTraining), 6);
  EXPECT_EQ(admitted(Priority::kVerification), 8);
  EXPECT_EQ(queue.size(), 18);  // bounded by the sum of the shares
}

TEST(AdmissionQueueTest, TheExpectedWaitRisesWithWhatIsAheadAndWithCost) {
  const std::uint64_t seed = rookery::testing::seed();
  std::mt19937_64 random(seed);
  for (int round = 0; round < 50; ++round) {
    AdmissionQueue queue({1000, 1 << 30, 32});
    for (int i = 0; i < 20; ++i) {
      const auto queries = static_cast<std::int64_t>(1 + random() % 32);
      queue.record(1, queries, std::chrono::microseconds(300 + 50 * queries));
    }
    std::array<std::chrono::microseconds, 3> before{};
    for (std::uint64_t id = 1; id <= 60; ++id) {
      const auto priority = static_cast<Priority>(random() % 3);
      PendingRequest request = of(priority, id, static_cast<std::uint32_t>(1 + random() % 8));
      request.deadline = kNow + 1h;
      ASSERT_FALSE(queue.admit(std::move(request), kNow));
      std::chrono::microseconds higher{0};
      for (std::size_t p = 0; p < 3; ++p) {
        const auto wait = queue.expected_wait(kNow, static_cast<Priority>(p));
        EXPECT_GE(wait, before.at(p)) << "more is waiting";
        EXPECT_GE(wait, higher) << "a lower priority waits at least as long";
        before.at(p) = higher = wait;
      }
    }
    queue.take_batch(kNow);
    EXPECT_GT(queue.expected_wait(kNow), 0us);
  }
}

// --- the window ---

class BatchWindowTest : public ::testing::Test {
 protected:
  BatchWindowTest() {
    // A pass over the memory takes 4 ms, a query 100 µs more.
    for (int i = 0; i < 20; ++i) {
      queue.record(1, 8, 4800us);
      queue.record(1, 16, 5600us);
    }
  }
  void scan(const std::vector<std::string>& clients) {
    for (const auto& client : clients) queue.admit(at(client), now);
    queue.take_batch(now);
    now += 5ms;
    queue.finished(now);
  }
  [[nodiscard]] PendingRequest at(const std::string& client,
                                  std::chrono::microseconds remaining = 10s) const {
    PendingRequest request = of(Priority::kVerification, 1, 8, client);
    request.arrived = now;
    request.deadline = now + remaining;
    return request;
  }
  static AdmissionLimits limits() {
    AdmissionLimits limits{100, 1 << 20, 32};
    limits.window = 1ms;
    return limits;
  }
  AdmissionQueue::Time now = kNow;
  AdmissionQueue queue{limits()};
};

TEST_F(BatchWindowTest, ALoneClientNeverWaits) {
  for (int i = 0; i < 5; ++i) {
    queue.admit(at("a"), now);
    ASSERT_LE(*queue.next_batch_at(now), now);
    queue.take_batch(now);
    now += 5ms;
    queue.finished(now);
    now += 3ms;
  }
}

TEST_F(BatchWindowTest, TheFirstOfSeveralActiveClientsWaitsForTheOthersUntilAllAreThere) {
  scan({"a", "b", "c"});
  queue.admit(at("a"), now);
  EXPECT_EQ(queue.next_batch_at(now), now + 1ms);
  now += 200us;
  queue.admit(at("b"), now);
  EXPECT_EQ(queue.next_batch_at(now), now + 800us);  // from the first one's arrival
  queue.admit(at("c"), now);
  EXPECT_LE(*queue.next_batch_at(now), now);
}

TEST_F(BatchWindowTest, ItCountsFromWhenTheServerIsFree) {
  scan({"a", "b"});
  queue.admit(at("a"), now);
  queue.take_batch(now);
  queue.admit(at("b"), now + 1ms);  // while it runs
  now += 5ms;
  queue.finished(now);
  EXPECT_EQ(queue.next_batch_at(now), now + 1ms);
}

TEST_F(BatchWindowTest, AFullBatchClosesIt) {
  scan({"a", "b"});
  for (int i = 0; i < 3; ++i) queue.admit(at("a"), now);
  EXPECT_GT(*queue.next_batch_at(now), now);
  queue.admit(at("a"), now);
  EXPECT_LE(*queue.next_batch_at(now), now);
}

TEST_F(BatchWindowTest, ADeadlineClosesIt) {
  scan({"a", "b"});
  queue.admit(at("a", 10ms), now);
  const auto spare = *queue.next_batch_at(now) - (now + 10ms - 2 * 4800us);
  EXPECT_LE(std::chrono::abs(spare), 10us);  // the fitted line is rounded
}

TEST_F(BatchWindowTest, ItIsNotLongerThanTheScanThatItSaves) {
  AdmissionQueue quick(limits());
  for (int i = 0; i < 40; ++i) quick.record(1, i % 2 == 0 ? 8 : 16, i % 2 == 0 ? 180us : 260us);
  quick.admit(at("a"), now);
  quick.admit(at("b"), now);
  quick.take_batch(now);
  quick.finished(now);
  quick.admit(at("a"), now);
  const auto wait = *quick.next_batch_at(now) - now;
  EXPECT_GE(wait, 98us);
  EXPECT_LE(wait, 101us);
}

TEST_F(BatchWindowTest, AClientThatStaysAwayIsForgottenAfterAFewScans) {
  scan({"a", "b"});
  for (int i = 0; i < 4; ++i) scan({"a"});
  queue.admit(at("a"), now);
  EXPECT_LE(*queue.next_batch_at(now), now);
}

TEST_F(BatchWindowTest, PingsDoNotWait) {
  scan({"a", "b"});
  PendingRequest ping = at("a");
  ping.header.type = wire::Type::kPing;
  ping.body = {};
  queue.admit(std::move(ping), now);
  EXPECT_LE(*queue.next_batch_at(now), now);
}

}  // namespace
}  // namespace rookery::retriever_pool
