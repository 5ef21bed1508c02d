#include "retriever_pool/replica_choice.hpp"

#include <gtest/gtest.h>

#include "retriever_pool/replica_health.hpp"

namespace rookery::retriever_pool {
namespace {

using namespace std::chrono_literals;
using Time = ReplicaHealth::Time;

const Time kStart = Time{} + 1h;

TEST(ReplicaChoiceTest, TakesTheCheaperOfTwo) {
  ChoiceRandom random(1);
  const std::vector<Candidate> two = {{7, 5.0}, {8, 1.0}};
  for (int i = 0; i < 50; ++i) EXPECT_EQ(choose_replica(two, random), 8U);
}

TEST(ReplicaChoiceTest, SpreadsOverReplicasOfAboutEqualCostAndRepeatsWithItsSeed) {
  const std::vector<Candidate> equal = {{0, 1.0}, {1, 1.1}, {2, 0.95}};
  std::vector<int> counts(3);
  ChoiceRandom first(5), second(5);
  for (int i = 0; i < 3000; ++i) {
    const auto chosen = choose_replica(equal, first);
    EXPECT_EQ(chosen, choose_replica(equal, second));
    ++counts[*chosen];
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 150);
}

TEST(ReplicaChoiceTest, AUniformChoiceDoesNotLookAtTheCost) {
  const std::vector<Candidate> uneven = {{0, 1.0}, {1, 50.0}};
  ChoiceRandom random(3);
  int dear = 0;
  for (int i = 0; i < 1000; ++i) {
    dear += choose_replica(uneven, random, {false, ChoicePolicy::kRandom}) == 1U;
  }
  EXPECT_NEAR(dear, 500, 80);
}

TEST(ReplicaChoiceTest, AsksSuspectsOnlyWhenThereIsNobodyElse) {
  ChoiceRandom random(1);
  const std::vector<Candidate> mixed = {{0, 1.0, true}, {1, 900.0}};
  for (int i = 0; i < 20; ++i) EXPECT_EQ(choose_replica(mixed, random), 1U);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(choose_replica(mixed, random, {true}), 1U);
  const std::vector<Candidate> suspects = {{0, 1.0, true}};
  EXPECT_EQ(choose_replica(suspects, random), 0U);
  EXPECT_EQ(choose_replica({}, random), std::nullopt);
}

TEST(ReplicaChoiceTest, AsksTheEjectedInAPanicOrWhenOnlySuspectsAreLeft) {
  ChoiceRandom random(1);
  const std::vector<Candidate> ejected = {{0, 1.0, false, true}, {1, 900.0}};
  for (int i = 0; i < 20; ++i) EXPECT_EQ(choose_replica(ejected, random), 1U);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(choose_replica(ejected, random, {true}), 0U);
  const std::vector<Candidate> bad = {{0, 1.0, false, true}, {1, 1.0, true}};
  for (int i = 0; i < 20; ++i) EXPECT_EQ(choose_replica(bad, random), 0U);
}

TEST(ReplicaHealthTest, SilenceAfterAPingMakesASuspectUntilAnythingComes) {
  ReplicaHealth health;
  health.connected(kStart);
  EXPECT_TRUE(health.ping_due(kStart));  // whoever is new is pinged at once
  const std::uint32_t first = health.next_ping();
  health.ping_sent(kStart);
  EXPECT_TRUE(health.ponged(first));
  EXPECT_FALSE(health.ping_due(kStart + 249ms));
  EXPECT_TRUE(health.ping_due(kStart + 250ms));
  health.ping_sent(kStart + 250ms);
  EXPECT_FALSE(health.ping_due(kStart + 999ms));  // one at a time
  EXPECT_FALSE(health.check(kStart + 749ms));
  EXPECT_TRUE(health.check(kStart + 750ms));
  EXPECT_TRUE(health.suspect());
  EXPECT_FALSE(health.check(kStart + 751ms));  // told once
  EXPECT_FALSE(health.ponged(first));          // no answer to what was asked last, but alive
  EXPECT_FALSE(health.suspect());
}

TEST(ReplicaHealthTest, ASuspectIsPingedAgainAndAShardThatTakesLongHasMoreTime) {
  ReplicaHealth health;
  health.connected(kStart);
  health.ping_sent(kStart);
  EXPECT_FALSE(health.check(kStart + 1999ms, 2000ms));
  EXPECT_TRUE(health.check(kStart + 2000ms, 2000ms));
  EXPECT_TRUE(health.ping_due(kStart + 2000ms));
  health.ping_sent(kStart + 2000ms);
  EXPECT_TRUE(health.suspect());
  EXPECT_TRUE(health.ponged(health.next_ping() - 1));
  EXPECT_FALSE(health.suspect());
}

TEST(ReplicaHealthTest, LearnsFromAnswersAndFromWhatWasGivenUp) {
  ReplicaHealth health;
  EXPECT_LT(health.relative(), 1);  // a newcomer is tried
  for (int i = 0; i < 60; ++i) health.measured(1.0);
  EXPECT_NEAR(health.relative(), 1.0, 0.01);
  health.at_least(0.5);
  EXPECT_NEAR(health.relative(), 1.0, 0.01);  // says nothing new
  health.at_least(11.0);
  EXPECT_NEAR(health.relative(), 2.0, 0.01);
  for (int i = 0; i < 60; ++i) health.fade();
  EXPECT_NEAR(health.relative(), 1.0, 0.01);
}

}  // namespace
}  // namespace rookery::retriever_pool
