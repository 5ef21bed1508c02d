#include "retriever_pool/filter_resolver.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>

#include "memory_shard.hpp"
#include "tests/support/seed.hpp"

namespace rookery::retriever_pool {
namespace {

using testing::Corpus;

bool holds(const auto& list, const auto& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

/// The rule of `PassageFilter`, read off its comment.
bool left(const PassageFilter& filter, const index_tools::PassageView& passage) {
  const bool allowed =
      (filter.allow_ids.empty() || holds(filter.allow_ids, passage.id)) &&
      (filter.allow_titles.empty() || holds(filter.allow_titles, std::string(passage.title))) &&
      (filter.allow_topics.empty() || holds(filter.allow_topics, std::string(passage.topic)));
  const bool denied = holds(filter.deny_ids, passage.id) ||
                      holds(filter.deny_titles, std::string(passage.title)) ||
                      holds(filter.deny_topics, std::string(passage.topic));
  return allowed && !denied;
}

void expect_rows(const index_tools::SnapshotShard& shard, const PassageFilter& always,
                 const PassageFilter& filter, const RowSet* rows) {
  std::int64_t count = 0;
  for (std::int64_t row = 0; row < shard.count(); ++row) {
    const bool expected = left(always, shard.passage(row)) && left(filter, shard.passage(row));
    ASSERT_EQ(rows == nullptr || rows->contains(row), expected) << row;
    count += expected;
  }
  if (rows != nullptr) {
    EXPECT_EQ(rows->count(), count);
  }
}

class FilterResolverTest : public ::testing::Test {
 protected:
  std::shared_ptr<const index_tools::SnapshotShard> shard = Corpus(5, 333, 4).split(1).front();
};

TEST_F(FilterResolverTest, RowsAreThoseOfTheRuleForRandomFilters) {
  std::mt19937_64 random(rookery::testing::seed());
  const auto ids = [&](int count) {
    std::vector<std::int64_t> list;
    for (int i = 0; i < count; ++i) list.push_back(static_cast<std::int64_t>(random() % 1100) - 50);
    return list;
  };
  const auto texts = [&](int count, bool topic) {
    std::vector<std::string> list;
    for (int i = 0; i < count; ++i) {
      const auto passage = shard->passage(static_cast<std::int64_t>(random() % 333));
      list.emplace_back(random() % 8 == 0 ? "not in the index"
                                          : (topic ? passage.topic : passage.title));
    }
    return list;
  };
  const auto random_filter = [&] {
    PassageFilter filter;
    if (random() % 2 == 0) filter.allow_ids = ids(300);
    if (random() % 2 == 0) filter.deny_ids = ids(100);
    if (random() % 3 == 0) filter.allow_titles = texts(200, false);
    if (random() % 2 == 0) filter.deny_titles = texts(20, false);
    if (random() % 3 == 0) filter.allow_topics = texts(2, true);
    if (random() % 3 == 0) filter.deny_topics = texts(1, true);
    return filter;
  };
  for (int round = 0; round < 40; ++round) {
    const PassageFilter always = round % 4 == 0 ? PassageFilter{} : random_filter();
    FilterResolver resolver(shard, always);
    for (int i = 0; i < 3; ++i) {
      const PassageFilter filter = i == 0 ? PassageFilter{} : random_filter();
      expect_rows(*shard, always, filter, resolver.resolve(filter).get());
    }
  }
}

TEST_F(FilterResolverTest, NothingComesBackWhenAllRowsAreLeft) {
  FilterResolver resolver(shard, {});
  EXPECT_EQ(resolver.resolve({}), nullptr);
  PassageFilter filter;
  filter.deny_ids = {-1};
  filter.deny_titles = {"not in the index"};
  EXPECT_EQ(resolver.resolve(filter), nullptr);
}

TEST_F(FilterResolverTest, AnAllowListThatNamesNothingOfTheIndexLeavesNothing) {
  FilterResolver resolver(shard, {});
  PassageFilter filter;
  filter.allow_titles = {"not in the index"};
  const auto rows = resolver.resolve(filter);
  ASSERT_NE(rows, nullptr);
  EXPECT_EQ(rows->count(), 0);
}

TEST_F(FilterResolverTest, EqualFiltersShareOneSetWhileTheyAreRemembered) {
  FilterResolver resolver(shard, {});
  const auto deny = [&](std::int64_t row) {
    PassageFilter filter;
    filter.deny_ids = {shard->ids()[static_cast<std::size_t>(row)]};
    return filter;
  };
  const auto first = resolver.resolve(deny(0));
  EXPECT_EQ(resolver.resolve(deny(0)), first);
  EXPECT_NE(resolver.resolve(deny(1)), first);
  for (std::int64_t row = 2; row < 40; ++row) (void)resolver.resolve(deny(row));
  const auto again = resolver.resolve(deny(0));  // forgotten, and made anew
  EXPECT_NE(again, first);
  expect_rows(*shard, {}, deny(0), again.get());
}

TEST_F(FilterResolverTest, ManyThreadsResolveAtOnce) {
  FilterResolver resolver(shard, {});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::int64_t i = 0; i < 50; ++i) {
        PassageFilter filter;
        filter.deny_titles = {std::string(shard->passage((i + t) % 30).title)};
        expect_rows(*shard, {}, filter, resolver.resolve(filter).get());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void expect_refused(const PassageFilter& filter, const std::string& text) {
  try {
    check_filter(filter);
    ADD_FAILURE() << "accepted; expected: " << text;
  } catch (const RetrievalError& error) {
    EXPECT_EQ(error.fault(), RetrievalFault::kInvalid);
    EXPECT_EQ(error.what(), text);
  }
}

TEST_F(FilterResolverTest, FiltersBeyondTheLimitsAreRefused) {
  PassageFilter filter;
  filter.allow_ids.resize(1 << 19);
  filter.deny_ids.resize(1 << 19);
  check_filter(filter);
  filter.deny_topics = {"one more"};
  expect_refused(filter, "filter: expected at most 1048576 entries in all lists, got 1048577");
  EXPECT_THROW((void)FilterResolver(shard, filter), RetrievalError);
  FilterResolver resolver(shard, {});
  EXPECT_THROW((void)resolver.resolve(filter), RetrievalError);
  PassageFilter long_title;
  long_title.deny_titles = {std::string(16 << 20, 'x')};
  expect_refused(long_title, "filter: expected at most 16777216 bytes in all lists, got 16777220");
}

}  // namespace
}  // namespace rookery::retriever_pool
