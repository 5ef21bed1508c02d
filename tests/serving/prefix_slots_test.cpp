#include "serving/prefix_slots.hpp"

#include <gtest/gtest.h>

#include <random>
#include <stdexcept>
#include <vector>

namespace rookery::serving {
namespace {

using Ids = std::vector<text::TokenId>;

/// What a generator does with a choice: cut, feed the rest.
PrefixSlots::Choice feed(PrefixSlots& slots, const Ids& input) {
  const PrefixSlots::Choice choice = slots.choose(input);
  slots.append(choice.slot, std::span(input).subspan(static_cast<std::size_t>(choice.keep)));
  return choice;
}

TEST(PrefixSlotsTest, KeepsWhatInputsShareButAlwaysFeedsOneToken) {
  PrefixSlots slots(1);
  EXPECT_EQ(feed(slots, {1, 2, 3, 4}).keep, 0);
  EXPECT_EQ(feed(slots, {1, 2, 3, 4, 5}).keep, 4);
  EXPECT_EQ(feed(slots, {1, 2, 3, 4, 5}).keep, 4);
  EXPECT_EQ(feed(slots, {1, 2, 3}).keep, 2);
}

TEST(PrefixSlotsTest, GoesBackToTheSequenceBeforeLast) {
  PrefixSlots slots(2);
  const Ids a = {1, 2, 3, 4, 5, 6}, b = {9, 8, 7, 6, 5, 4};
  const std::size_t slot_a = feed(slots, a).slot;
  const std::size_t slot_b = feed(slots, b).slot;
  EXPECT_NE(slot_a, slot_b);
  Ids longer = a;
  longer.push_back(7);
  const PrefixSlots::Choice again = feed(slots, longer);
  EXPECT_EQ(again.slot, slot_a);
  EXPECT_EQ(again.keep, 6);
}

TEST(PrefixSlotsTest, AShortCommonBeginningDoesNotCostALongSequence) {
  PrefixSlots slots(2);
  const Ids a = {1, 2, 3, 4, 5, 6, 7, 8}, b = {1, 20, 30, 40};
  const std::size_t slot_a = feed(slots, a).slot;
  EXPECT_NE(feed(slots, b).slot, slot_a);
  EXPECT_EQ(feed(slots, a).keep, 7);
}

// Whatever it chooses, cache and record must agree: the kept tokens are a prefix of the input.
TEST(PrefixSlotsTest, KeptTokensAreAlwaysAPrefixOfTheInput) {
  std::mt19937 random(1);
  for (const std::size_t count : {1U, 2U, 3U}) {
    PrefixSlots slots(count);
    std::vector<Ids> caches(count);
    for (int i = 0; i < 2000; ++i) {
      Ids input(1 + random() % 8);
      for (text::TokenId& id : input) id = static_cast<text::TokenId>(random() % 3);
      const PrefixSlots::Choice choice = slots.choose(input);
      Ids& cache = caches.at(choice.slot);
      const auto keep = static_cast<std::size_t>(choice.keep);
      ASSERT_LE(keep, cache.size());
      ASSERT_LT(keep, input.size());
      cache.resize(keep);
      ASSERT_TRUE(std::equal(cache.begin(), cache.end(), input.begin()));
      cache = input;
      slots.append(choice.slot, std::span(input).subspan(keep));
    }
  }
}

TEST(PrefixSlotsTest, RefusesNothing) {
  EXPECT_THROW(PrefixSlots(0), std::invalid_argument);
  PrefixSlots slots(1);
  EXPECT_THROW((void)slots.choose({}), std::invalid_argument);
}

}  // namespace
}  // namespace rookery::serving
