// One suite for every implementation of `Retriever` (the embedded pool and the client of servers
// over TCP) and every kind of index.
#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>

#include "index_files.hpp"
#include "retriever_pool/embedded_pool.hpp"
#include "retriever_pool/hit_merge.hpp"
#include "retriever_pool/shard_indexes.hpp"
#include "test_colony.hpp"

namespace rookery::retriever_pool {
namespace {

using index_tools::IndexKind;
using testing::Corpus;
using testing::TestColony;

constexpr std::int32_t kDimension = 24;

using Shards = std::vector<std::shared_ptr<const index_tools::SnapshotShard>>;

struct Setting {
  bool embedded;
  std::int32_t shards, replicas;
  std::string metric;
  IndexKind kind = IndexKind::kExact;
};

Corpus make_corpus(const std::string& metric) {
  Corpus corpus(21, 1200, kDimension);
  if (metric == "cosine") (void)index_tools::normalise_rows(corpus.vectors, kDimension);
  return corpus;
}

/// A batch of questions, as vectors or as texts.
struct Questions {
  std::vector<float> vectors;
  std::vector<std::string> texts;
};

/// Asks a pool of 1200 passages with a kNN datastore's values, and says what it should answer.
class RetrieverContractTest : public ::testing::TestWithParam<Setting> {
 protected:
  RetrieverContractTest() { open({}); }

  /// All pools have the kind as their default, and `filter` for every query.
  void open(const PassageFilter& filter) {
    const Setting& setting = GetParam();
    parts = indexed(setting.shards);
    IndexDescription index = testing::describe(corpus, setting.shards, "7f3a", setting.metric);
    retriever.reset();
    colony.reset();
    if (setting.embedded) {
      EmbeddedPoolOptions options;
      options.threads = 2;
      options.kind = setting.kind;
      options.filter = filter;
      retriever = make_embedded_pool(parts, index, options);
    } else {
      QueryServerOptions options;
      options.kind = setting.kind;
      options.filter = filter;
      index.kinds = testing::kinds_of(setting.kind);
      index.default_kind = setting.kind;
      colony = std::make_unique<TestColony>(parts, index, setting.replicas, options);
      retriever = colony->client();
    }
  }

  /// Built once and kept: training and graphs cost more than all the tests.
  [[nodiscard]] Shards indexed(std::int32_t shards) const {
    static std::map<std::tuple<std::string, IndexKind, std::int32_t>, Shards> built;
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    Shards& made = built[{GetParam().metric, GetParam().kind, shards}];
    if (made.empty()) {
      made = testing::indexed_shards(corpus, shards, GetParam().metric, GetParam().kind);
    }
    return made;
  }

  [[nodiscard]] Metric metric() const { return parse_metric(GetParam().metric); }
  [[nodiscard]] bool sparse() const { return GetParam().kind == IndexKind::kBm25; }
  [[nodiscard]] bool approximate() const {
    return GetParam().kind == IndexKind::kHnsw || GetParam().kind == IndexKind::kIvfPq;
  }

  [[nodiscard]] Questions questions(std::uint64_t seed, std::int64_t count) const {
    std::mt19937_64 random(seed);
    Questions made;
    made.vectors = testing::random_vectors(random, count, kDimension);
    for (std::int64_t i = 0; i < count; ++i) {
      made.texts.push_back(testing::text_of(static_cast<std::int64_t>(random() % 3600)).substr(20));
    }
    return made;
  }
  /// Of the questions from `begin` on, in the form that the kind takes.
  [[nodiscard]] RetrievalRequest ask(const Questions& from, std::size_t begin,
                                     std::size_t count) const {
    RetrievalRequest request;
    if (sparse()) {
      request.texts = std::span(from.texts).subspan(begin, count);
    } else {
      request.queries = std::span(from.vectors).subspan(begin * kDimension, count * kDimension);
    }
    request.deadline = std::chrono::seconds(20);
    return request;
  }

  /// Exact kinds: every passage that `left` leaves, scored alone; bm25: the unsharded index;
  /// approximate kinds: the merge of what the shards' own files give, searched alone.
  [[nodiscard]] HitRows expected(
      const RetrievalRequest& request,
      const std::function<bool(const index_tools::PassageView&)>& left = {}) const {
    if (!sparse() && !approximate()) {
      HitRows rows;
      const auto whole = corpus.split(1).front();
      for (std::size_t at = 0; at < request.queries.size(); at += kDimension) {
        rows.push_back(corpus.oracle(
            request.queries.subspan(at, kDimension), request.k, metric(),
            [&](std::int64_t id) { return !left || left(whole->passage(*whole->row_of(id))); }));
      }
      return rows;
    }
    const auto shards = sparse() ? indexed(1) : parts;
    std::vector<HitRows> found;
    for (const auto& shard : shards) {
      SearchBatch batch;
      batch.queries = request.queries;
      batch.texts = request.texts;
      batch.k = request.k;
      batch.tuning = request.tuning;
      if (left) {
        RowSet rows(shard->count(), false);
        for (std::int64_t row = 0; row < shard->count(); ++row) {
          if (left(shard->passage(row))) rows.insert(row);
        }
        batch.rows = std::make_shared<const RowSet>(rows);
      }
      ShardIndexesOptions options;
      options.metric = GetParam().metric;
      const ShardIndexes indexes(shard, std::make_shared<SearchTeam>(1), options);
      found.push_back(indexes.index(GetParam().kind).search(batch));
    }
    HitRows rows(found.front().size());
    for (std::size_t q = 0; q < rows.size(); ++q) {
      std::vector<std::span<const Hit>> sources;
      for (const HitRows& shard : found) sources.emplace_back(shard[q]);
      for (const MergedHit& merged : merge_hits(sources, request.k)) rows[q].push_back(merged.hit);
    }
    return rows;
  }

  static void expect_rows(const RetrievalAnswer& answer, const HitRows& expected) {
    ASSERT_EQ(answer.rows.size(), expected.size());
    for (std::size_t q = 0; q < expected.size(); ++q) {
      const auto got = testing::hits_of(answer.rows[q]);
      ASSERT_EQ(got.size(), expected[q].size()) << "query " << q;
      for (std::size_t i = 0; i < got.size(); ++i) {
        ASSERT_EQ(got[i].id, expected[q][i].id) << "query " << q << ", hit " << i;
        ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i].score),
                  std::bit_cast<std::uint32_t>(expected[q][i].score));
      }
    }
  }

  void expect_invalid(const RetrievalRequest& request, const std::string& text) const {
    try {
      (void)retriever->retrieve(request);
      ADD_FAILURE() << "accepted; expected: " << text;
    } catch (const RetrievalError& error) {
      EXPECT_EQ(error.fault(), RetrievalFault::kInvalid);
      EXPECT_EQ(error.what(), text);
    }
  }

  Corpus corpus = make_corpus(GetParam().metric);
  Shards parts;
  std::unique_ptr<TestColony> colony;
  std::unique_ptr<Retriever> retriever;
};

TEST_P(RetrieverContractTest, AnswersEqualTheOraclesBits) {
  const Questions asked = questions(22, 9);
  for (const std::int32_t k : {1, 5, 40, 1024}) {
    for (const std::size_t batch : {1U, 9U}) {
      RetrievalRequest request = ask(asked, 0, batch);
      request.k = k;
      const RetrievalAnswer answer = retriever->retrieve(request);
      expect_rows(answer, expected(request));
      EXPECT_EQ(answer.generation, "7f3a");
      EXPECT_EQ(answer.shards_wanted, GetParam().shards);
      EXPECT_EQ(answer.shards_answered, answer.shards_wanted);
      EXPECT_GE(answer.attempts, GetParam().shards);
      EXPECT_GE(answer.total_time, answer.search_time);
    }
  }
}

TEST_P(RetrieverContractTest, ARequestThatNamesItsKindGetsTheSame) {
  const Questions asked = questions(23, 3);
  RetrievalRequest request = ask(asked, 0, 3);
  request.kind = GetParam().kind;
  expect_rows(retriever->retrieve(request), expected(request));
}

TEST_P(RetrieverContractTest, TuningReachesEveryShard) {
  const Questions asked = questions(24, 5);
  for (const SearchTuning tuning : {SearchTuning{1, 1, 1}, SearchTuning{200, 4, 300}}) {
    RetrievalRequest request = ask(asked, 0, 5);
    request.tuning = tuning;
    expect_rows(retriever->retrieve(request), expected(request));
  }
}

TEST_P(RetrieverContractTest, FiltersByIdTitleAndTopicHoldInEveryShard) {
  const Questions asked = questions(25, 4);
  const auto check = [&](const PassageFilter& filter, const auto& left) {
    RetrievalRequest request = ask(asked, 0, 4);
    request.k = 30;
    request.filter = filter;
    expect_rows(retriever->retrieve(request), expected(request, left));
  };
  RetrievalRequest open_request = ask(asked, 0, 4);
  const auto found = retriever->retrieve(open_request);
  PassageFilter filter;
  std::vector<std::string> titles;
  for (const Document& document : found.rows.front()) {
    filter.deny_ids.push_back(document.id);
    titles.push_back(document.title);
  }
  const auto among = [](const auto& list, const auto& value) {
    return std::find(list.begin(), list.end(), value) != list.end();
  };
  check(filter, [&](const auto& passage) { return !among(filter.deny_ids, passage.id); });
  PassageFilter allow_ids;
  for (std::size_t row = 0; row < corpus.ids.size(); row += 3) {
    allow_ids.allow_ids.push_back(corpus.ids[row]);
  }
  check(allow_ids, [&](const auto& passage) { return among(allow_ids.allow_ids, passage.id); });
  PassageFilter deny_titles;
  deny_titles.deny_titles = titles;
  check(deny_titles, [&](const auto& passage) { return !among(titles, passage.title); });
  PassageFilter allow_titles;
  allow_titles.allow_titles = titles;
  check(allow_titles, [&](const auto& passage) { return among(titles, passage.title); });
  PassageFilter topics;
  topics.allow_topics = {"topic 1", "topic 3"};
  topics.deny_titles = titles;
  check(topics, [&](const auto& passage) {
    return (passage.topic == "topic 1" || passage.topic == "topic 3") &&
           !among(titles, passage.title);
  });
  PassageFilter deny_topics;
  deny_topics.deny_topics = {"", "topic 2"};
  check(deny_topics,
        [&](const auto& passage) { return passage.topic != "" && passage.topic != "topic 2"; });
  PassageFilter nothing;
  nothing.allow_topics = {"no such topic"};
  check(nothing, [](const auto&) { return false; });
}

TEST_P(RetrieverContractTest, ThePoolsOwnFilterHoldsForEveryQuery) {
  PassageFilter own;
  own.deny_topics = {"topic 1"};
  open(own);
  const Questions asked = questions(26, 3);
  RetrievalRequest request = ask(asked, 0, 3);
  request.k = 25;
  expect_rows(retriever->retrieve(request),
              expected(request, [](const auto& passage) { return passage.topic != "topic 1"; }));
  request.filter.allow_topics = {"topic 1", "topic 2"};
  expect_rows(retriever->retrieve(request),
              expected(request, [](const auto& passage) { return passage.topic == "topic 2"; }));
  RetrievalRequest look_up;
  std::vector<std::int64_t> ids;
  for (const std::int64_t id : corpus.ids) {
    if (ids.size() < 50) ids.push_back(id);
  }
  look_up.ids = ids;
  const auto answer = retriever->retrieve(look_up);
  const auto whole = corpus.split(1).front();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(answer.rows[i].empty(), whole->passage(*whole->row_of(ids[i])).topic == "topic 1");
  }
}

TEST_P(RetrieverContractTest, LooksPassagesUpByIdOverAllShards) {
  RetrievalRequest request;
  const std::vector<std::int64_t> ids = {
      corpus.ids[7],    -5,           corpus.ids[0], corpus.ids[7], 1'000'000'000'000,
      corpus.ids[1199], corpus.ids[8]};
  request.ids = ids;
  request.k = -3;  // ignored
  request.want_vectors = true;
  const auto answer = retriever->retrieve(request);
  ASSERT_EQ(answer.rows.size(), ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] == -5 || ids[i] == 1'000'000'000'000) {
      EXPECT_TRUE(answer.rows[i].empty());
      continue;
    }
    ASSERT_EQ(answer.rows[i].size(), 1U);
    const Document& document = answer.rows[i].front();
    EXPECT_EQ(document.id, ids[i]);
    EXPECT_EQ(document.score, 0.0F);
    EXPECT_EQ(document.text, testing::text_of(ids[i]));
    EXPECT_EQ(document.value, testing::value_of(ids[i]));
    const auto row = static_cast<std::size_t>(
        std::find(corpus.ids.begin(), corpus.ids.end(), ids[i]) - corpus.ids.begin());
    const auto vector = std::span(corpus.vectors).subspan(row * kDimension, kDimension);
    if (!sparse()) {
      EXPECT_TRUE(
          std::equal(vector.begin(), vector.end(), document.vector.begin(), document.vector.end()));
    }
  }
  EXPECT_EQ(answer.shards_answered, GetParam().shards);
}

TEST_P(RetrieverContractTest, BringsPassagesVectorsAndValues) {
  const Questions asked = questions(27, 1);
  RetrievalRequest request = ask(asked, 0, 1);
  request.want_vectors = true;
  const auto full = retriever->retrieve(request);
  ASSERT_EQ(full.rows.front().size(), 5U);
  for (const Document& document : full.rows.front()) {
    const std::string id = std::to_string(document.id);
    EXPECT_EQ(document.text, testing::text_of(document.id));
    EXPECT_EQ(document.source_id, "source-" + std::to_string(document.id / 2));
    EXPECT_EQ(document.title, document.id % 3 == 0 ? "" : "Title " + id);
    EXPECT_EQ(document.value, testing::value_of(document.id));
    if (sparse()) continue;
    ASSERT_EQ(document.vector.size(), static_cast<std::size_t>(kDimension));
    std::vector<float> query(request.queries.begin(), request.queries.end());
    if (metric() == Metric::kCosine) (void)index_tools::normalise_rows(query, kDimension);
    EXPECT_EQ(exact_score(metric(), query, document.vector), document.score);
  }
  request.want_vectors = false;
  request.want_passages = false;
  const auto bare = retriever->retrieve(request);
  for (const Document& document : bare.rows.front()) {
    EXPECT_TRUE(document.text.empty() && document.source_id.empty() && document.vector.empty());
    EXPECT_EQ(document.value, testing::value_of(document.id));
  }
}

TEST_P(RetrieverContractTest, DescribesTheIndex) {
  const IndexDescription index = retriever->description();
  EXPECT_EQ(index.dimension, kDimension);
  EXPECT_EQ(index.shards, GetParam().shards);
  EXPECT_EQ(index.passages, 1200);
  EXPECT_EQ(index.metric, GetParam().metric);
  EXPECT_EQ(index.kinds, testing::kinds_of(GetParam().kind));
  EXPECT_EQ(index.default_kind, GetParam().kind);
}

TEST_P(RetrieverContractTest, RefusesKsOutsideTheirRange) {
  const Questions asked = questions(28, 1);
  for (const std::int32_t k : {0, -1, 1025, 10000}) {
    RetrievalRequest request = ask(asked, 0, 1);
    request.k = k;
    expect_invalid(request,
                   "k: expected a number of documents in [1, 1024], got " + std::to_string(k));
  }
}

TEST_P(RetrieverContractTest, RefusesVectorsThatAreNoQuery) {
  std::vector<float> queries(48, 1.0F);
  RetrievalRequest request;
  request.kind = IndexKind::kExact;
  expect_invalid(request, "queries: expected at least one query, got an empty batch");
  request.queries = std::span(queries).first(47);
  expect_invalid(request, "queries: expected [batch, 24], got 47 floats");
  request.queries = queries;
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 3e38F}) {
    queries[30] = bad;
    expect_invalid(
        request, "query 1 holds NaN or infinity, or is longer than 1e18: expected finite numbers");
  }
  std::fill(queries.begin() + 24, queries.end(), -0.0F);
  if (metric() == Metric::kCosine) {
    expect_invalid(
        request,
        "query 1 is zero and has no direction: expected a vector that is not (metric cosine)");
  } else {
    EXPECT_EQ(retriever->retrieve(request).rows.size(), 2U);
  }
  const std::vector<float> many(1025 * 24, 1.0F);
  request.queries = many;
  expect_invalid(request, "queries: expected at most 1024 in a batch, got 1025; split the batch");
}

TEST_P(RetrieverContractTest, RefusesRequestsThatAskForTwoThingsOrForWhatIsNotThere) {
  const std::vector<float> queries(24, 1.0F);
  const std::vector<std::string> texts = {"actor"};
  const std::vector<std::int64_t> ids = {1};
  RetrievalRequest request;
  request.queries = queries;
  request.texts = texts;
  expect_invalid(request, "request: expected one of queries, texts and ids, got 2");
  request.ids = ids;
  expect_invalid(request, "request: expected one of queries, texts and ids, got 3");
  request = {};
  request.texts = texts;
  request.kind = IndexKind::kExact;
  expect_invalid(request, "texts: expected query vectors for exact, got texts; bm25 takes them");
  const std::string there = kind_names(testing::kinds_of(GetParam().kind));
  request.kind = {};
  if (!sparse()) {
    expect_invalid(request, "kind: expected one that this pool has (" + there + "), got bm25");
  } else {
    request = {};
    request.queries = queries;
    expect_invalid(request,
                   "queries: expected texts for bm25, got vectors; this pool has exact, bm25");
  }
}

TEST_P(RetrieverContractTest, RefusesNumbersAndListsBeyondTheirLimits) {
  const Questions asked = questions(29, 1);
  RetrievalRequest request = ask(asked, 0, 1);
  request.tuning.ef_search = -1;
  expect_invalid(request, "ef_search: expected a number in [0, 65536], got -1");
  request.tuning = {0, 1 << 21, 0};
  expect_invalid(request, "nprobe: expected a number in [0, 1048576], got 2097152");
  request.tuning = {0, 0, -7};
  expect_invalid(request, "candidates: expected a number in [0, 1048576], got -7");
  request.tuning = {};
  request.filter.deny_ids.resize((1 << 20) + 1);
  expect_invalid(request, "filter: expected at most 1048576 entries in all lists, got 1048577");
  const std::vector<std::int64_t> ids(1025, 1);
  request = {};
  request.ids = ids;
  expect_invalid(request, "ids: expected at most 1024 in a batch, got 1025; split the batch");
  if (!sparse()) return;
  const std::vector<std::string> many(1025, "a");
  request = {};
  request.texts = many;
  expect_invalid(request, "texts: expected at most 1024 in a batch, got 1025; split the batch");
  const std::vector<std::string> long_text = {"a", std::string((64 << 10) + 1, 'a')};
  request.texts = long_text;
  expect_invalid(request, "text 1: expected at most 65536 bytes, got 65537");
}

TEST_P(RetrieverContractTest, SubnormalQueriesKeepTheirBits) {
  if (sparse()) return;  // asked with texts
  std::vector<float> query(24, std::numeric_limits<float>::denorm_min());
  query[3] = -std::numeric_limits<float>::min() / 2;
  RetrievalRequest request;
  request.queries = query;
  request.deadline = std::chrono::seconds(20);
  expect_rows(retriever->retrieve(request), expected(request));
}

TEST_P(RetrieverContractTest, ADeadlineThatHasPassedIsAnError) {
  const Questions asked = questions(30, 1024);
  RetrievalRequest request = ask(asked, 0, 1024);
  request.deadline = std::chrono::milliseconds(0);
  try {
    (void)retriever->retrieve(request);
    FAIL() << "an answer came after its deadline";
  } catch (const RetrievalError& error) {
    EXPECT_NE(error.fault(), RetrievalFault::kInvalid);
    EXPECT_NE(error.fault(), RetrievalFault::kInternal);
  }
}

TEST_P(RetrieverContractTest, ManyThreadsAskAtOnceForDifferentThings) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<std::uint64_t>(t));
      const Questions asked = questions(static_cast<std::uint64_t>(t), 30);
      for (std::size_t i = 0; i < 30; ++i) {
        RetrievalRequest request = ask(asked, i, 1);
        request.k = 1 + static_cast<std::int32_t>(random() % 20);
        std::function<bool(const index_tools::PassageView&)> left;
        if (random() % 3 == 0) {
          const std::string topic = "topic " + std::to_string(random() % 2);
          request.filter.deny_topics = {topic};
          left = [topic](const auto& passage) { return passage.topic != topic; };
        }
        const auto answer = retriever->retrieve(request);
        wrong += testing::hits_of(answer.rows.front()) != expected(request, left).front();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (const IndexKind kind : testing::kinds_in_test()) {
    for (const std::string metric : {"inner_product", "l2", "cosine"}) {
      if (kind == IndexKind::kBm25 && metric != "inner_product") continue;  // it has none
      all.push_back({true, 3, 1, metric, kind});
      all.push_back({false, 2, 2, metric, kind});
      if (metric != "inner_product") continue;
      all.push_back({true, 1, 1, metric, kind});
      all.push_back({false, 1, 1, metric, kind});
      all.push_back({false, 3, 1, metric, kind});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Pools, RetrieverContractTest, ::testing::ValuesIn(settings()),
                         [](const auto& test) {
                           std::string metric = test.param.metric;
                           std::erase(metric, '_');
                           return index_tools::to_string(test.param.kind) + "_" + metric +
                                  (test.param.embedded ? "_embedded" : "_tcp") +
                                  std::to_string(test.param.shards) + "x" +
                                  std::to_string(test.param.replicas);
                         });

}  // namespace
}  // namespace rookery::retriever_pool
