#include "retriever_pool/admission_queue.hpp"

#include <gtest/gtest.h>

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
  request.body.queries.assign(batch * 4, 0.0F);
  request.arrived = kNow;
  request.deadline = kNow + remaining;
  return request;
}

TEST(AdmissionQueueTest, RefusesAtOnceBeyondItsCount) {
  AdmissionQueue queue({2, 1 << 20, 128});
  EXPECT_FALSE(queue.admit(query(1), kNow));
  EXPECT_FALSE(queue.admit(query(2), kNow));
  const auto refusal = queue.admit(query(3), kNow);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, wire::ErrorCode::kOverloaded);
  EXPECT_EQ(refusal->text, "the queue holds 2 requests");
  EXPECT_GE(refusal->retry_after, 1ms);
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
  queue.record(100ms);
  EXPECT_FALSE(queue.admit(query(1), kNow));
  EXPECT_FALSE(queue.admit(query(2), kNow));
  const auto refusal = queue.admit(query(3, 1, 250ms), kNow);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, wire::ErrorCode::kOverloaded);
  EXPECT_EQ(refusal->retry_after, 300ms);
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

}  // namespace
}  // namespace rookery::retriever_pool
