#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "base/atomic_file.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/faiss/faiss_bridge.hpp"
#include "index_tools/hnsw_graph.hpp"
#include "index_tools/int8_codes.hpp"
#include "index_tools/vector_math.hpp"
#include "memory_shard.hpp"
#include "retriever_pool/detail/graph_walk.hpp"
#include "retriever_pool/hnsw_search.hpp"
#include "retriever_pool/row_scorer.hpp"
#include "retriever_pool/shard_index.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::retriever_pool {
namespace {

using rookery::testing::error_text;
using ::testing::HasSubstr;
using testing::MemoryShard;

constexpr std::int32_t kDimension = 40;
constexpr std::int64_t kRows = 3000;

// Rows around 100 centres, as passages lie around topics; every tenth row repeats the one before.
std::vector<float> clustered(std::uint64_t salt, std::int64_t rows) {
  std::mt19937_64 centre_random(rookery::testing::seed());
  const std::vector<float> centres = testing::random_vectors(centre_random, 100, kDimension);
  std::mt19937_64 random(rookery::testing::seed() + salt);
  std::vector<float> vectors = testing::random_vectors(random, rows, kDimension);
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto centre = static_cast<std::int64_t>(random() % 100);
    for (std::int32_t i = 0; i < kDimension; ++i) {
      auto& value = vectors[static_cast<std::size_t>(row * kDimension + i)];
      value = 0.5F * value + centres[static_cast<std::size_t>(centre * kDimension + i)];
    }
    if (row % 10 == 9) {
      std::copy_n(vectors.begin() + (row - 1) * kDimension, kDimension,
                  vectors.begin() + row * kDimension);
    }
  }
  return vectors;
}

std::string graph_file(const index_tools::SnapshotShard& shard, Metric metric,
                       const index_tools::HnswParameters& parameters) {
  const rookery::testing::TempFolder folder;
  index_tools::detail::GenerationFile file(folder.path(), "hnsw");
  index_tools::write_hnsw_graph(shard, to_string(metric), parameters, 2, file);
  file.finish();
  return base::read_file(folder / "hnsw");
}

std::string codes_file(const index_tools::SnapshotShard& shard) {
  const rookery::testing::TempFolder folder;
  index_tools::detail::GenerationFile file(folder.path(), "int8");
  index_tools::write_int8_codes(shard, file);
  file.finish();
  return base::read_file(folder / "int8");
}

// A shard with its graph; the graphs of a metric are built once for all tests.
std::shared_ptr<const MemoryShard> shard_with_graph(Metric metric, bool int8 = false) {
  static std::map<std::pair<Metric, bool>, std::shared_ptr<const MemoryShard>> shards;
  auto& shard = shards[{metric, int8}];
  if (shard) return shard;
  std::vector<float> vectors = clustered(1, kRows);
  if (metric == Metric::kCosine) index_tools::normalise_rows(vectors, kDimension);
  std::vector<std::int64_t> ids;
  for (std::int64_t row = 0; row < kRows; ++row) ids.push_back(row * 2 + 5);
  const auto made = std::make_shared<MemoryShard>(0, kDimension, ids, vectors);
  index_tools::HnswParameters parameters;
  parameters.m = 12;
  parameters.ef_construction = 60;
  parameters.ef_search = 48;
  parameters.serial = true;
  parameters.storage = int8 ? "int8" : "float32";
  made->set_file("hnsw", graph_file(*made, metric, parameters));
  if (int8) made->set_file("int8", codes_file(*made));
  shard = made;
  return shard;
}

HitRows search(const std::shared_ptr<const MemoryShard>& shard, Metric metric, SearchBatch batch,
               int threads = 1) {
  return make_hnsw_index(shard, metric, std::make_shared<SearchTeam>(threads))->search(batch);
}

// All rows of the set scored alone by law 1.
std::vector<Hit> oracle(const MemoryShard& shard, Metric metric, std::vector<float> query,
                        std::int32_t k, const RowSet* rows = nullptr) {
  if (metric == Metric::kCosine) index_tools::normalise_rows(query, kDimension);
  std::vector<Hit> hits;
  for (std::int64_t row = 0; row < shard.count(); ++row) {
    if (rows != nullptr && !rows->contains(row)) continue;
    const auto vector = shard.vectors().subspan(static_cast<std::size_t>(row * kDimension),
                                                static_cast<std::size_t>(kDimension));
    hits.push_back(
        {shard.ids()[static_cast<std::size_t>(row)], exact_score(metric, query, vector)});
  }
  std::sort(hits.begin(), hits.end(), better);
  hits.resize(std::min(hits.size(), static_cast<std::size_t>(k)));
  return hits;
}

std::vector<float> query_of(std::span<const float> queries, std::size_t at) {
  const auto begin = queries.begin() + static_cast<std::ptrdiff_t>(at) * kDimension;
  return {begin, begin + kDimension};
}

// The share of the oracle's hits that were found; every score must be law 1's for its row.
double recall(const MemoryShard& shard, Metric metric, const SearchBatch& batch,
              const HitRows& rows) {
  std::size_t found = 0, wanted = 0;
  for (std::size_t q = 0; q < rows.size(); ++q) {
    const auto query = query_of(batch.queries, q);
    const auto all =
        oracle(shard, metric, query, static_cast<std::int32_t>(kRows), batch.rows.get());
    std::map<std::int64_t, float> scores;
    for (const Hit& hit : all) scores[hit.id] = hit.score;
    EXPECT_TRUE(std::is_sorted(rows[q].begin(), rows[q].end(), better));
    std::set<std::int64_t> ids;
    for (const Hit& hit : rows[q]) {
      EXPECT_TRUE(ids.insert(hit.id).second) << "twice " << hit.id;
      EXPECT_TRUE(scores.contains(hit.id)) << "not allowed " << hit.id;
      EXPECT_EQ(std::bit_cast<std::uint32_t>(scores[hit.id]),
                std::bit_cast<std::uint32_t>(hit.score));
    }
    const std::size_t k = std::min(all.size(), static_cast<std::size_t>(batch.k));
    EXPECT_EQ(rows[q].size(), k);
    for (std::size_t i = 0; i < k; ++i) found += ids.contains(all[i].id) ? 1U : 0U;
    wanted += k;
  }
  return static_cast<double>(found) / static_cast<double>(wanted);
}

TEST(HnswSearchTest, FindsNearlyAllOfTheExactHitsWithLawOnesScores) {
  const auto queries = clustered(2, 50);
  for (const Metric metric : {Metric::kInnerProduct, Metric::kL2, Metric::kCosine}) {
    const auto shard = shard_with_graph(metric);
    SearchBatch batch;
    batch.queries = queries;
    batch.k = 10;
    EXPECT_GE(recall(*shard, metric, batch, search(shard, metric, batch)), 0.95)
        << to_string(metric);
    batch.tuning.ef_search = 400;
    EXPECT_GE(recall(*shard, metric, batch, search(shard, metric, batch)), 0.99)
        << to_string(metric);
  }
}

TEST(HnswSearchTest, TheResultDoesNotDependOnThreadsBatchesOrEarlierQueries) {
  const auto shard = shard_with_graph(Metric::kInnerProduct);
  const auto queries = clustered(3, 33);
  SearchBatch batch;
  batch.queries = queries;
  batch.k = 20;
  const HitRows expected = search(shard, Metric::kInnerProduct, batch);
  for (const int threads : {2, 3, 5}) {
    EXPECT_EQ(search(shard, Metric::kInnerProduct, batch, threads), expected);
  }
  const auto index = make_hnsw_index(shard, Metric::kInnerProduct, std::make_shared<SearchTeam>(1));
  for (std::size_t q = expected.size(); q-- > 0;) {
    const auto query = query_of(queries, q);
    SearchBatch alone = batch;
    alone.queries = query;
    EXPECT_EQ(index->search(alone).front(), expected[q]);
  }
}

TEST(HnswSearchTest, AWalkIsTheSameOnEveryInstructionSet) {
  for (const Metric metric : {Metric::kInnerProduct, Metric::kL2}) {
    const auto shard = shard_with_graph(metric);
    const auto graph = index_tools::HnswGraph::open(shard->file("hnsw"), kRows, "test");
    const auto queries = clustered(4, 20);
    for (std::size_t q = 0; q < 20; ++q) {
      const auto query = query_of(queries, q);
      std::vector<detail::RankedRow> expected;
      for (const InstructionSet set : usable_instruction_sets()) {
        detail::WalkScratch scratch;
        const RowScorer scorer(metric, *shard, query, set);
        EXPECT_EQ(walk_graph(graph, scorer, {}, scratch), detail::WalkEnd::kDone);
        if (set == InstructionSet::kPlain) expected = scratch.best;
        EXPECT_EQ(scratch.best, expected) << to_string(set);
      }
    }
  }
}

TEST(HnswSearchTest, FiltersKeepRecallWhetherManyOrFewRowsAreLeft) {
  const auto queries = clustered(5, 40);
  for (const Metric metric : {Metric::kInnerProduct, Metric::kL2}) {
    const auto shard = shard_with_graph(metric);
    for (const int percent : {90, 50, 10, 6, 1, 0}) {
      std::mt19937_64 random(rookery::testing::seed());
      auto rows = std::make_shared<RowSet>(kRows, false);
      for (std::int64_t row = 0; row < kRows; ++row) {
        if (random() % 100 < static_cast<std::uint64_t>(percent)) rows->insert(row);
      }
      if (percent == 0) rows->insert(1234);
      SearchBatch batch;
      batch.queries = queries;
      batch.k = 10;
      batch.rows = rows;
      const double least = scan_instead_of_walk(*rows, 48) ? 1.0 : 0.95;
      EXPECT_GE(recall(*shard, metric, batch, search(shard, metric, batch, 2)), least)
          << to_string(metric) << ", " << percent << " % allowed";
    }
  }
}

// Rows far from every query: a walk that only kept what it met first would come back empty.
TEST(HnswSearchTest, AFilterThatLeavesFarRowsOnlyStillFillsTheAnswer) {
  const auto shard = shard_with_graph(Metric::kL2);
  const auto queries = clustered(6, 10);
  for (std::size_t q = 0; q < 10; ++q) {
    const auto query = query_of(queries, q);
    const auto order = oracle(*shard, Metric::kL2, query, static_cast<std::int32_t>(kRows));
    auto rows = std::make_shared<RowSet>(kRows, false);
    for (std::size_t i = order.size() / 2; i < order.size(); ++i)
      rows->insert((order[i].id - 5) / 2);
    SearchBatch batch;
    batch.queries = query;
    batch.k = 10;
    batch.rows = rows;
    EXPECT_EQ(recall(*shard, Metric::kL2, batch, search(shard, Metric::kL2, batch)), 1.0);
  }
}

TEST(HnswSearchTest, EverythingIsGivenWhenKAsksForMoreThanThereIs) {
  const auto vectors = clustered(7, 30);
  std::vector<std::int64_t> ids(30);
  for (std::size_t i = 0; i < 30; ++i) ids[i] = static_cast<std::int64_t>(i);
  const auto shard = std::make_shared<MemoryShard>(0, kDimension, ids, vectors);
  index_tools::HnswParameters parameters;
  parameters.m = 4;
  shard->set_file("hnsw", graph_file(*shard, Metric::kL2, parameters));
  const auto queries = clustered(8, 5);
  SearchBatch batch;
  batch.queries = queries;
  batch.k = 1024;
  for (const auto& row : search(shard, Metric::kL2, batch)) {
    EXPECT_GE(row.size(), 25U);  // copies may be reachable from nowhere
    EXPECT_LE(row.size(), 30U);
  }
  const auto empty = std::make_shared<MemoryShard>(0, kDimension, std::vector<std::int64_t>{},
                                                   std::vector<float>{});
  empty->set_file("hnsw", graph_file(*empty, Metric::kL2, parameters));
  EXPECT_EQ(search(empty, Metric::kL2, batch), HitRows(5));
}

TEST(HnswSearchTest, EqualRowsComeByRisingIdAndZeroKeepsItsSign) {
  const auto shard = shard_with_graph(Metric::kL2);
  SearchBatch batch;
  const auto stored = shard->vectors().subspan(9 * kDimension, kDimension);
  batch.queries = stored;
  batch.k = 2;
  const auto rows = search(shard, Metric::kL2, batch);
  EXPECT_EQ(rows.front(), (std::vector<Hit>{{8 * 2 + 5, -0.0F}, {9 * 2 + 5, -0.0F}}));
  EXPECT_TRUE(std::signbit(rows.front().front().score));
}

TEST(HnswSearchTest, ADeadlineEndsTheSearchAndWrongArgumentsAreNamed) {
  const auto shard = shard_with_graph(Metric::kL2);
  const auto queries = clustered(9, 3);
  SearchBatch batch;
  batch.queries = queries;
  batch.deadline = std::chrono::steady_clock::now();
  const auto fault_of = [&](const SearchBatch& refused) {
    try {
      (void)search(shard, Metric::kL2, refused);
    } catch (const RetrievalError& error) {
      return std::pair(error.fault(), std::string(error.what()));
    }
    return std::pair(RetrievalFault::kInternal, std::string("(no error)"));
  };
  EXPECT_EQ(fault_of(batch).first, RetrievalFault::kDeadline);
  batch.deadline = std::chrono::steady_clock::time_point::max();
  batch.tuning.ef_search = -1;
  EXPECT_EQ(fault_of(batch).first, RetrievalFault::kInvalid);
  EXPECT_THAT(fault_of(batch).second, HasSubstr("ef_search"));
  batch.tuning.ef_search = 65'537;
  EXPECT_THAT(fault_of(batch).second, HasSubstr("[0, 65536]"));
  batch.tuning.ef_search = 65'536;
  EXPECT_EQ(fault_of(batch).second, "(no error)");
  batch.queries = std::span(queries).first(kDimension - 1);
  EXPECT_THAT(fault_of(batch).second, HasSubstr("[batch, 40]"));
}

// The yardstick is faiss's own walk over the same graph with as many candidates.
TEST(HnswSearchTest, FindsAsMuchAsFaissOverTheSameGraph) {
  const auto queries = clustered(13, 40);
  for (const Metric metric : {Metric::kInnerProduct, Metric::kL2}) {
    const auto shard = shard_with_graph(metric);
    const auto graph = index_tools::HnswGraph::open(shard->file("hnsw"), kRows, "test");
    const auto faiss = index_tools::faiss_bridge().open_hnsw(
        {shard->vectors(), kDimension, metric == Metric::kL2}, index_tools::to_faiss(graph));
    for (const std::int32_t ef : {16, 40, 100}) {
      SearchBatch batch;
      batch.queries = queries;
      batch.k = 10;
      batch.tuning.ef_search = ef;
      const double ours = recall(*shard, metric, batch, search(shard, metric, batch));
      HitRows theirs(40);
      const auto rows = faiss->search(queries, 10, ef, 1);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto row = static_cast<std::size_t>(rows[i]);
        const auto vector =
            shard->vectors().subspan(row * kDimension, static_cast<std::size_t>(kDimension));
        theirs[i / 10].push_back(
            {shard->ids()[row], exact_score(metric, query_of(queries, i / 10), vector)});
      }
      for (auto& row : theirs) std::sort(row.begin(), row.end(), better);
      // Ties at the edge of the beam may fall either way.
      EXPECT_NEAR(ours, recall(*shard, metric, batch, theirs), 0.01)
          << to_string(metric) << ", ef " << ef;
    }
  }
}

TEST(HnswSearchTest, OverInt8CodesTheScoresAreStillLawOnesAndRecallIsKept) {
  const auto queries = clustered(11, 50);
  for (const Metric metric : {Metric::kInnerProduct, Metric::kL2, Metric::kCosine}) {
    const auto shard = shard_with_graph(metric, true);
    SearchBatch batch;
    batch.queries = queries;
    batch.k = 10;
    const HitRows rows = search(shard, metric, batch);
    EXPECT_GE(recall(*shard, metric, batch, rows), 0.95) << to_string(metric);
    EXPECT_EQ(search(shard, metric, batch, 3), rows);
    // Re-scoring k rows only keeps the estimates' choice; it is a worse one, but as sound.
    batch.tuning.candidates = 10;
    EXPECT_GE(recall(*shard, metric, batch, search(shard, metric, batch)), 0.8)
        << to_string(metric);
    batch.tuning.candidates = 300;
    EXPECT_GE(recall(*shard, metric, batch, search(shard, metric, batch)), 0.99)
        << to_string(metric);
  }
}

TEST(HnswSearchTest, OverInt8CodesFiltersHoldToo) {
  const auto shard = shard_with_graph(Metric::kL2, true);
  const auto queries = clustered(12, 20);
  auto rows = std::make_shared<RowSet>(kRows, false);
  for (std::int64_t row = 0; row < kRows; row += 3) rows->insert(row);
  SearchBatch batch;
  batch.queries = queries;
  batch.rows = rows;
  EXPECT_GE(recall(*shard, Metric::kL2, batch, search(shard, Metric::kL2, batch)), 0.95);
}

TEST(HnswSearchTest, WithoutItsInt8FileAGraphOverCodesIsRefused) {
  const auto with = shard_with_graph(Metric::kL2, true);
  const auto bytes = with->file("hnsw");
  const auto without = std::make_shared<MemoryShard>(
      0, kDimension, std::vector<std::int64_t>(with->ids().begin(), with->ids().end()),
      std::vector<float>(with->vectors().begin(), with->vectors().end()));
  without->set_file("hnsw", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  EXPECT_THAT(error_text([&] {
                (void)make_hnsw_index(without, Metric::kL2, std::make_shared<SearchTeam>(1));
              }),
              HasSubstr("expected an int8 file"));
}

TEST(HnswSearchTest, AGraphOfAnotherShardIsRefused) {
  const auto whole = shard_with_graph(Metric::kL2);
  const auto other = std::make_shared<MemoryShard>(3, kDimension, std::vector<std::int64_t>{1, 2},
                                                   clustered(10, 2));
  const auto bytes = whole->file("hnsw");
  other->set_file("hnsw", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  EXPECT_THAT(error_text([&] {
                (void)make_hnsw_index(other, Metric::kL2, std::make_shared<SearchTeam>(1));
              }),
              HasSubstr("shard 3/hnsw: expected a graph of 2 rows, got one of 3000"));
}

TEST(GraphWalkTest, RanksFollowScoresThenRows) {
  const std::vector<float> scores = {-INFINITY, -3e38F, -1.0F, -1e-45F, 0.0F, 1e-45F, 2.0F, 3e38F};
  for (std::size_t i = 0; i < scores.size(); ++i) {
    EXPECT_EQ(detail::score_of(detail::ranked(scores[i], 7)), scores[i]);
    EXPECT_EQ(detail::row_of(detail::ranked(scores[i], 2'000'000'000)), 2'000'000'000);
    EXPECT_GT(detail::ranked(scores[i], 7), detail::ranked(scores[i], 8));
    if (i == 0) continue;
    EXPECT_GT(detail::ranked(scores[i], 9), detail::ranked(scores[i - 1], 3));
  }
  EXPECT_EQ(detail::ranked(-0.0F, 5), detail::ranked(0.0F, 5));
}

TEST(GraphWalkTest, MarksOfEarlierWalksAreForgottenEvenWhenTheyWrap) {
  detail::WalkScratch scratch;
  for (int walk = 0; walk < 70'000; ++walk) {
    scratch.begin(3);
    ASSERT_TRUE(scratch.visit(walk % 3)) << walk;
    ASSERT_FALSE(scratch.visit(walk % 3)) << walk;
  }
  scratch.begin(10);
  EXPECT_TRUE(scratch.visit(9));
}

}  // namespace
}  // namespace rookery::retriever_pool
