#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "retriever_pool/lease_desk.hpp"
#include "retriever_pool/lease_table.hpp"
#include "retriever_pool/wire.hpp"
#include "retriever_pool/wire_lease.hpp"
#include "tests/support/seed.hpp"

namespace rookery::retriever_pool {
namespace {

using namespace std::chrono_literals;
using Outcome = LeaseTable::Outcome;
using Time = LeaseTable::Time;

const Time kStart = Time{} + 1h;

TEST(LeaseTableTest, ALeaseHoldsForItsTimeAndAnotherOneWhenRenewed) {
  LeaseTable table({10s, 8}, kStart);
  const Time begin = kStart + 1min;
  EXPECT_FALSE(table.in_use("main", "a", begin));
  EXPECT_EQ(table.take(7, "main", "a", 10s, begin), Outcome::kGranted);
  EXPECT_TRUE(table.in_use("main", "a", begin + 9s));
  EXPECT_FALSE(table.in_use("main", "b", begin));
  EXPECT_FALSE(table.in_use("other", "a", begin));
  EXPECT_EQ(table.take(7, "main", "a", 10s, begin + 9s), Outcome::kGranted);
  EXPECT_TRUE(table.in_use("main", "a", begin + 18s));
  EXPECT_FALSE(table.in_use("main", "a", begin + 19s));
}

TEST(LeaseTableTest, AnEndedLeaseHoldsNothing) {
  LeaseTable table({10s, 8}, kStart);
  (void)table.take(7, "main", "a", 10s, kStart);
  (void)table.take(8, "main", "a", 10s, kStart);
  table.end(7);
  table.end(7);
  EXPECT_EQ(table.count("main", "a", kStart), 1);
}

TEST(LeaseTableTest, ANewTableTakesEverythingForInUseUntilAllHaveRenewed) {
  const LeaseTable table({10s, 8}, kStart);
  EXPECT_TRUE(table.in_use("main", "whatever", kStart + 9999ms));
  EXPECT_FALSE(table.in_use("main", "whatever", kStart + 10s));
}

TEST(LeaseTableTest, NobodyGetsMoreThanTheLimits) {
  LeaseTable table({10s, 2}, kStart);
  EXPECT_EQ(table.take(1, "main", "a", 24h, kStart), Outcome::kGranted);
  EXPECT_EQ(table.take(2, "main", "a", 5s, kStart), Outcome::kGranted);
  EXPECT_EQ(table.take(3, "main", "a", 5s, kStart), Outcome::kFull);
  EXPECT_EQ(table.take(1, "main", "b", 5s, kStart), Outcome::kOtherGeneration);
  EXPECT_EQ(table.count("main", "a", kStart + 10s), 0) << "a day was asked for";
  EXPECT_EQ(table.take(3, "main", "a", 5s, kStart + 5s), Outcome::kGranted) << "2 has run out";
}

TEST(LeaseTableTest, AgreesWithAPlainListOverRandomSteps) {
  struct Plain {
    std::uint64_t id;
    std::string generation;
    Time until;
  };
  std::mt19937_64 random(testing::seed());
  LeaseTable table({10s, 1000}, kStart);
  std::vector<Plain> plain;
  Time now = kStart + 10s;
  for (int step = 0; step < 5000; ++step) {
    now += std::chrono::milliseconds(random() % 300);
    const std::uint64_t id = random() % 30;
    const std::string generation(1, static_cast<char>('a' + id % 3));
    if (random() % 4 == 0) {
      table.end(id);
      std::erase_if(plain, [&](const Plain& lease) { return lease.id == id; });
    } else {
      const std::chrono::milliseconds ttl(1 + random() % 9'000);
      ASSERT_EQ(table.take(id, "main", generation, ttl, now), Outcome::kGranted);
      std::erase_if(plain, [&](const Plain& lease) { return lease.id == id; });
      plain.push_back({id, generation, now + ttl});
    }
    for (const std::string g : {"a", "b", "c"}) {
      const auto expected = std::count_if(plain.begin(), plain.end(), [&](const Plain& lease) {
        return lease.generation == g && lease.until > now;
      });
      ASSERT_EQ(table.count("main", g, now), expected) << "step " << step;
      ASSERT_EQ(table.in_use("main", g, now), expected > 0);
    }
  }
}

TEST(LeaseDeskTest, OnlyWhatIsServedIsLeased) {
  LeaseDesk desk;
  EXPECT_EQ(desk.answer("", "before the first view", {1, 10s, false}).ttl, 10s);
  RoutingView view;
  for (const auto& [name, generation, role] : {std::tuple{"main", "a", GenerationRole::kRetired},
                                               std::tuple{"main", "b", GenerationRole::kLive},
                                               std::tuple{"main", "c", GenerationRole::kPreparing},
                                               std::tuple{"news", "d", GenerationRole::kLive}}) {
    view.generations.emplace_back();
    view.generations.back().index_name = name;
    view.generations.back().role = role;
    view.generations.back().index.generation = generation;
  }
  desk.serve(view);
  EXPECT_EQ(desk.answer("", "a", {2, 0s, false}).ttl, 10s);
  EXPECT_EQ(desk.answer("main", "b", {3, 2s, false}).ttl, 2s);
  EXPECT_EQ(desk.answer("news", "d", {4, 24h, false}).ttl, 10s);
  for (const std::string generation : {"c", "d", "", "before the first view"}) {
    try {
      (void)desk.answer("main", generation, {5, 10s, false});
      ADD_FAILURE() << generation;
    } catch (const wire::WireError& error) {
      EXPECT_EQ(error.code(), wire::ErrorCode::kWrongGeneration);
    }
  }
  EXPECT_EQ(desk.count("main", "a"), 1);
  (void)desk.answer("main", "a", {2, 10s, true});
  EXPECT_EQ(desk.count("main", "a"), 0);
  EXPECT_TRUE(desk.in_use("main", "a")) << "clients of the last head may still come";
}

TEST(LeaseWireTest, ComesBackAndRefusesAnythingElse) {
  const std::string good = wire::encode_lease({0xFEDCBA9876543210, 3'333ms, true});
  const auto copy = wire::decode_lease(std::as_bytes(std::span(good)));
  EXPECT_EQ(copy.lease, 0xFEDCBA9876543210);
  EXPECT_EQ(copy.ttl, 3'333ms);
  EXPECT_TRUE(copy.end);
  const auto refused = [](const std::string& body) {
    try {
      (void)wire::decode_lease(std::as_bytes(std::span(body)));
      return false;
    } catch (const wire::WireError&) {
      return true;
    }
  };
  for (std::size_t bytes = 0; bytes < good.size(); ++bytes) {
    EXPECT_TRUE(refused(good.substr(0, bytes)));
  }
  EXPECT_TRUE(refused(good + "x"));
  EXPECT_TRUE(refused(wire::encode_lease({1, 25h, false})));
  std::string flags = good;
  flags[16] = 2;
  EXPECT_TRUE(refused(flags));
}

}  // namespace
}  // namespace rookery::retriever_pool
