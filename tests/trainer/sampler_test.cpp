#include "trainer/sampler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace rookery::trainer {
namespace {

TEST(Sampler, ShowsEveryQuestionOnceAnEpochInAnOrderOfItsOwn) {
  Sampler sampler({.questions = 12, .batch_size = 3, .ranks = 2, .seed = 5});
  ASSERT_EQ(sampler.steps_per_epoch(), 2);
  std::vector<std::int64_t> epochs[2];
  for (std::int64_t step = 0; step < 4; ++step) {
    for (std::int32_t rank = 0; rank < 2; ++rank) {
      for (const auto i : sampler.batch(step, rank)) epochs[step / 2].push_back(i);
    }
  }
  for (const auto& epoch : epochs) {
    EXPECT_EQ(std::set<std::int64_t>(epoch.begin(), epoch.end()).size(), 12u);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_EQ(sampler.epoch_of(1), 0);
  EXPECT_EQ(sampler.epoch_of(2), 1);
}

TEST(Sampler, GivesRanksTogetherWhatOneRankWithTheirBatchesGets) {
  Sampler one({.questions = 10, .batch_size = 4, .ranks = 1, .seed = 9});
  Sampler two({.questions = 10, .batch_size = 2, .ranks = 2, .seed = 9});
  for (std::int64_t step = 0; step < 7; ++step) {
    auto joined = two.batch(step, 0);
    const auto second = two.batch(step, 1);
    joined.insert(joined.end(), second.begin(), second.end());
    EXPECT_EQ(joined, one.batch(step, 0)) << step;
  }
}

TEST(Sampler, NeedsNoHistory) {
  Sampler walked({.questions = 7, .batch_size = 3, .ranks = 1, .seed = 2});
  for (std::int64_t step = 0; step < 9; ++step) (void)walked.batch(step, 0);
  Sampler fresh({.questions = 7, .batch_size = 3, .ranks = 1, .seed = 2});
  EXPECT_EQ(fresh.batch(9, 0), walked.batch(9, 0));
  EXPECT_EQ(fresh.batch(1, 0), walked.batch(1, 0));
}

TEST(Shuffled, IsTheSameOrderEverywhere) {
  const std::vector<std::int64_t> order = shuffled(6, 1, 0);
  auto sorted = order;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(order, shuffled(6, 1, 0));
  EXPECT_NE(shuffled(50, 1, 0), shuffled(50, 2, 0));
  EXPECT_NE(shuffled(50, 1, 0), shuffled(50, 1, 1));
}

TEST(Sampler, RefusesNothingToSample) {
  EXPECT_THROW(Sampler({.questions = 0}), std::invalid_argument);
}

}  // namespace
}  // namespace rookery::trainer
