#include "retriever_pool/bm25_search.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/atomic_file.hpp"
#include "retriever_pool/detail/bm25_scan.hpp"
#include "retriever_pool/hit_merge.hpp"
#include "retriever_pool/shard_index.hpp"
#include "tests/index_tools/text_shard.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_folder.hpp"
#include "text/english_analyzer.hpp"

namespace rookery::retriever_pool {
namespace {

using index_tools::Bm25Parameters;
using index_tools::testing::indexed_shards;
using index_tools::testing::random_texts;
using index_tools::testing::Text;
using index_tools::testing::TextShard;

/// Scores every passage by itself, from the texts alone.
class NaiveBm25 {
 public:
  NaiveBm25(std::vector<Text> texts, const Bm25Parameters& parameters)
      : texts_(std::move(texts)), parameters_(parameters) {
    for (const Text& text : texts_) {
      auto& counts = counts_.emplace_back();
      for (const std::string& part : {text.title, text.text}) {
        for (const std::string_view term : analyzer_.analyse(part)) ++counts[std::string(term)];
      }
      std::uint32_t length = 0;
      for (const auto& [term, count] : counts) {
        ++frequency_[term];
        length += count;
      }
      lengths_.push_back(length);
      tokens_ += length;
    }
  }

  [[nodiscard]] std::vector<Hit> search(const std::string& query, std::int32_t k,
                                        const RowSet* rows = nullptr) {
    std::vector<std::string> terms;
    for (const std::string_view term : analyzer_.analyse(query)) terms.emplace_back(term);
    const auto n = std::ssize(texts_);
    const auto formula = index_tools::Bm25Formula::of(
        parameters_, static_cast<double>(tokens_) / static_cast<double>(n));
    std::vector<Hit> hits;
    for (std::size_t row = 0; row < texts_.size(); ++row) {
      if (rows != nullptr && !rows->contains(static_cast<std::int64_t>(row))) continue;
      std::int64_t shares = 0;
      for (const std::string& term : terms) {
        const auto found = counts_[row].find(term);
        if (found == counts_[row].end()) continue;
        shares += index_tools::bm25_share(index_tools::bm25_weight(n, frequency_[term]),
                                          formula.ratio(found->second, lengths_[row]));
      }
      if (shares > 0) hits.push_back({texts_[row].id, index_tools::bm25_score_of(shares)});
    }
    std::sort(hits.begin(), hits.end(), better);
    hits.resize(std::min(hits.size(), static_cast<std::size_t>(k)));
    return hits;
  }

  /// The formula as it stands in books.
  [[nodiscard]] double score(const std::string& query, std::size_t row) {
    const auto n = static_cast<double>(texts_.size());
    const double mean = static_cast<double>(tokens_) / n;
    double score = 0;
    for (const std::string_view term : analyzer_.analyse(query)) {
      const auto found = counts_[row].find(std::string(term));
      if (found == counts_[row].end()) continue;
      const auto df = static_cast<double>(frequency_[std::string(term)]);
      const auto tf = static_cast<double>(found->second);
      const auto k1 = static_cast<double>(parameters_.k1);
      const auto b = static_cast<double>(parameters_.b);
      score += std::log(1 + (n - df + 0.5) / (df + 0.5)) * tf /
               (tf + k1 * (1 - b + b * lengths_[row] / mean));
    }
    return score;
  }

 private:
  std::vector<Text> texts_;
  Bm25Parameters parameters_;
  text::EnglishAnalyzer analyzer_;
  std::vector<std::map<std::string, std::uint32_t>> counts_;
  std::map<std::string, std::int64_t> frequency_;
  std::vector<std::uint32_t> lengths_;
  std::int64_t tokens_ = 0;
};

std::string random_query(std::mt19937_64& random, std::int32_t vocabulary, int words) {
  std::string query;
  for (int n = 0; n < words; ++n) {
    // Common words, rare ones, and now and then one that no passage has.
    const auto common = random() % 12;
    const auto any = random() % static_cast<std::uint64_t>(vocabulary + 3);
    query += "w" + std::to_string(random() % 2 == 0 ? common : any) + " ";
  }
  return query;
}

std::string show(const std::vector<Hit>& hits) {
  std::string text;
  for (const Hit& hit : hits)
    text += std::to_string(hit.id) + ":" + std::to_string(hit.score) + " ";
  return text;
}

std::vector<Hit> hits_of(const ShardIndex& index, const std::string& query, std::int32_t k,
                         std::shared_ptr<const RowSet> rows = nullptr) {
  const std::vector<std::string> texts = {query};
  SearchBatch batch;
  batch.texts = texts;
  batch.k = k;
  batch.rows = std::move(rows);
  return index.search(batch).front();
}

TEST(Bm25SearchTest, EqualsTheNaiveLoopBitForBit) {
  std::mt19937_64 random(rookery::testing::seed());
  const auto team = std::make_shared<SearchTeam>(1);
  struct Shape {
    std::int64_t rows;
    std::int32_t vocabulary, words;
    Bm25Parameters parameters;
  };
  for (const Shape& shape :
       {Shape{9000, 4000, 40, {}}, Shape{5000, 60, 12, {1.2F, 0.75F}}, Shape{300, 30, 60, {0, 0}},
        Shape{2500, 500, 5, {100, 1}}, Shape{1, 5, 9, {}}}) {
    const auto texts = random_texts(random, shape.rows, shape.vocabulary, shape.words);
    NaiveBm25 naive(texts, shape.parameters);
    const auto index = make_bm25_index(indexed_shards(texts, 1, shape.parameters).front(), team);
    for (int i = 0; i < 60; ++i) {
      const int words = i % 10 == 0 ? 120 : static_cast<int>(random() % 8) + 1;
      const std::string query = random_query(random, shape.vocabulary, words);
      const std::int32_t k = std::array{1, 5, 100, 1024}[static_cast<std::size_t>(i % 4)];
      const auto expected = naive.search(query, k);
      const auto found = hits_of(*index, query, k);
      ASSERT_EQ(found, expected) << query << "\nk " << k << "\n"
                                 << show(found) << "\n"
                                 << show(expected);
    }
  }
}

TEST(Bm25SearchTest, RowsAFewUnitsOfAFloatApartKeepTheirOrder) {
  // One word each, and lengths that hardly count: what prunes too much loses a better row.
  std::mt19937_64 random(rookery::testing::seed());
  std::vector<Text> texts;
  for (std::int64_t row = 0; row < 20'000; ++row) {
    texts.push_back({row, "owl", ""});
    for (auto n = random() % 40; n > 0; --n) texts.back().text += "f ";
  }
  for (const float b : {1e-5F, 1e-6F, 2e-7F}) {
    NaiveBm25 naive(texts, {0.9F, b});
    const auto index = make_bm25_index(indexed_shards(texts, 1, {0.9F, b}).front(),
                                       std::make_shared<SearchTeam>(1));
    for (const std::int32_t k : {100, 700, 1024}) {
      ASSERT_EQ(hits_of(*index, "owl", k), naive.search("owl", k)) << b << " " << k;
    }
  }
}

TEST(Bm25SearchTest, RowsThatReachTheKnownImpactExactlyAreFound) {
  // With k1 1 and b 0 one occurrence gives the ratio 1/2, which the known impacts hold exactly.
  std::vector<Text> texts;
  for (std::int64_t row = 0; row < 3000; ++row)
    texts.push_back({row, row % 2 == 0 ? "owl" : "f", ""});
  NaiveBm25 naive(texts, {1, 0});
  const auto index =
      make_bm25_index(indexed_shards(texts, 1, {1, 0}).front(), std::make_shared<SearchTeam>(1));
  for (const std::int32_t k : {1, 8, 9, 128, 1000, 1024}) {
    ASSERT_EQ(hits_of(*index, "owl", k), naive.search("owl", k)) << k;
  }
}

TEST(Bm25SearchTest, ScoresAreThoseOfTheFormula) {
  std::mt19937_64 random(rookery::testing::seed());
  const auto texts = random_texts(random, 700, 300, 30);
  const auto shards = indexed_shards(texts, 1);
  const auto index = make_bm25_index(shards.front(), std::make_shared<SearchTeam>(1));
  NaiveBm25 naive(texts, {});
  for (int i = 0; i < 50; ++i) {
    const std::string query = random_query(random, 300, 6);
    for (const Hit& hit : hits_of(*index, query, 20)) {
      const double expected =
          naive.score(query, static_cast<std::size_t>(*shards.front()->row_of(hit.id)));
      EXPECT_NEAR(static_cast<double>(hit.score), expected, 1e-7 * expected + 1e-11);
    }
  }
}

TEST(Bm25SearchTest, AgreesWithTheRecordedNumbersOfBm25s) {
  const auto record =
      nlohmann::json::parse(base::read_file(rookery::testing::data_folder() / "bm25.json"));
  text::EnglishAnalyzer analyzer;
  const auto analysed = [&](const std::string& text) {
    std::string terms;
    for (const std::string_view term : analyzer.analyse(text)) {
      terms += (terms.empty() ? "" : " ") + std::string(term);
    }
    return terms;
  };
  std::vector<Text> texts;
  for (const auto& passage : record.at("passages")) {
    texts.push_back({std::ssize(texts), passage.at("title"), passage.at("text")});
    EXPECT_EQ(analysed(texts.back().title + " " + texts.back().text), passage.at("terms"));
  }
  const auto team = std::make_shared<SearchTeam>(1);
  for (const auto& run : record.at("runs")) {
    const Bm25Parameters parameters{run.at("k1").get<float>(), run.at("b").get<float>()};
    const auto index = make_bm25_index(indexed_shards(texts, 1, parameters).front(), team);
    for (std::size_t q = 0; q < record.at("queries").size(); ++q) {
      const auto& query = record.at("queries")[q];
      EXPECT_EQ(analysed(query.at("text")), query.at("terms"));
      std::map<std::int64_t, double> found;
      for (const Hit& hit : hits_of(*index, query.at("text"), 10)) {
        found[hit.id] = static_cast<double>(hit.score);
      }
      for (std::int64_t id = 0; id < std::ssize(texts); ++id) {
        const double expected = run.at("scores")[q][static_cast<std::size_t>(id)];
        EXPECT_NEAR(found[id], expected, 1e-6 * expected) << query << " passage " << id;
      }
    }
  }
}

TEST(Bm25SearchTest, EveryInstructionSetGivesTheSameBits) {
  std::mt19937_64 random(rookery::testing::seed());
  // Gaps and frequencies of many widths, blocks that are full and that are not.
  auto texts = random_texts(random, 7000, 900, 30);
  for (std::size_t n = 0; n < texts.size(); n += 97) {
    for (std::size_t times = n / 10; times > 0; --times) texts[n].text += " w7";
  }
  const auto shards = indexed_shards(texts, 1);
  const auto postings =
      index_tools::open_bm25_postings(shards.front()->file("bm25"), shards.front()->count(), "x");
  detail::Bm25Scan plain(*postings, InstructionSet::kPlain);
  for (const InstructionSet set : usable_instruction_sets()) {
    detail::Bm25Scan scan(*postings, set);
    for (int i = 0; i < 100; ++i) {
      const std::string query =
          random_query(random, 900, i % 10 == 0 ? 300 : 4) + (i % 3 == 0 ? " w7 w7 w7" : "");
      std::vector<detail::Bm25Hit> expected;
      std::vector<detail::Bm25Hit> found;
      ASSERT_TRUE(plain.search({query, 200}, expected));
      ASSERT_TRUE(scan.search({query, 200}, found));
      ASSERT_EQ(found.size(), expected.size()) << to_string(set);
      for (std::size_t h = 0; h < found.size(); ++h) {
        ASSERT_EQ(found[h].row, expected[h].row) << to_string(set) << " " << query;
        ASSERT_EQ(std::bit_cast<std::uint32_t>(found[h].score),
                  std::bit_cast<std::uint32_t>(expected[h].score));
      }
    }
  }
}

TEST(Bm25SearchTest, ShardedScoresEqualUnsharded) {
  std::mt19937_64 random(rookery::testing::seed());
  const auto texts = random_texts(random, 3000, 400, 25);
  const auto team = std::make_shared<SearchTeam>(2);
  const auto whole = make_bm25_index(indexed_shards(texts, 1).front(), team);
  for (const std::int32_t count : {2, 5}) {
    std::vector<std::unique_ptr<ShardIndex>> parts;
    for (const auto& shard : indexed_shards(texts, count)) {
      parts.push_back(make_bm25_index(shard, team));
    }
    for (int i = 0; i < 60; ++i) {
      const std::string query = random_query(random, 400, 5);
      std::vector<std::vector<Hit>> found;
      for (const auto& part : parts) found.push_back(hits_of(*part, query, 10));
      const std::vector<std::span<const Hit>> lists(found.begin(), found.end());
      std::vector<Hit> merged;
      for (const MergedHit& hit : merge_hits(lists, 10)) merged.push_back(hit.hit);
      ASSERT_EQ(merged, hits_of(*whole, query, 10)) << query;
    }
  }
}

TEST(Bm25SearchTest, FindsOnlyRowsOfTheFilter) {
  std::mt19937_64 random(rookery::testing::seed());
  const auto texts = random_texts(random, 6000, 300, 25);
  NaiveBm25 naive(texts, {});
  const auto index =
      make_bm25_index(indexed_shards(texts, 1).front(), std::make_shared<SearchTeam>(1));
  for (const std::uint64_t one_in : {1U, 2U, 50U, 5000U}) {
    const auto rows = std::make_shared<RowSet>(std::ssize(texts), false);
    for (std::int64_t row = 0; row < std::ssize(texts); ++row) {
      if (random() % one_in == 0) rows->insert(row);
    }
    for (int i = 0; i < 30; ++i) {
      const std::string query = random_query(random, 300, 4);
      ASSERT_EQ(hits_of(*index, query, 20, rows), naive.search(query, 20, rows.get())) << query;
    }
  }
}

TEST(Bm25SearchTest, OnePairScoresTheSameBitsAsASearch) {
  std::mt19937_64 random(rookery::testing::seed());
  const auto texts = random_texts(random, 500, 200, 30);
  const auto shards = indexed_shards(texts, 3);
  const auto team = std::make_shared<SearchTeam>(1);
  const auto statistics =
      index_tools::open_bm25_postings(shards[1]->file("bm25"), shards[1]->count(), "another shard");
  const auto index = make_bm25_index(shards[0], team);
  for (int i = 0; i < 40; ++i) {
    const std::string query = random_query(random, 200, 5);
    for (const Hit& hit : hits_of(*index, query, 50)) {
      const auto passage = shards[0]->passage(*shards[0]->row_of(hit.id));
      EXPECT_EQ(bm25_score(*statistics, query, passage.title, passage.text), hit.score);
    }
  }
  EXPECT_EQ(bm25_score(*statistics, "w0 nothing", "other", "words"), 0);
}

TEST(Bm25SearchTest, ABatchAnswersAsItsQueriesDo) {
  std::mt19937_64 random(rookery::testing::seed());
  const auto texts = random_texts(random, 2500, 200, 20);
  const auto index =
      make_bm25_index(indexed_shards(texts, 1).front(), std::make_shared<SearchTeam>(3));
  std::vector<std::string> queries;
  for (int i = 0; i < 50; ++i) queries.push_back(random_query(random, 200, i % 9));
  SearchBatch batch;
  batch.texts = queries;
  const HitRows rows = index->search(batch);
  ASSERT_EQ(rows.size(), queries.size());
  for (std::size_t q = 0; q < queries.size(); ++q) {
    EXPECT_EQ(rows[q], hits_of(*index, queries[q], batch.k));
  }
  EXPECT_TRUE(rows.front().empty()) << "a query without terms finds nothing";
}

TEST(Bm25SearchTest, RefusesWhatIsNoQueryAndWhatIsTooLate) {
  const auto index = make_bm25_index(indexed_shards({{1, "a title", "words"}}, 1).front(),
                                     std::make_shared<SearchTeam>(1));
  const auto fault = [&](const std::vector<std::string>& texts, std::int32_t k,
                         std::chrono::steady_clock::time_point deadline) {
    SearchBatch batch;
    batch.texts = texts;
    batch.k = k;
    batch.deadline = deadline;
    try {
      (void)index->search(batch);
    } catch (const RetrievalError& error) {
      return std::to_string(static_cast<int>(error.fault())) + " " + error.what();
    }
    return std::string("none");
  };
  const auto never = std::chrono::steady_clock::time_point::max();
  EXPECT_EQ(fault({}, 5, never), "0 texts: expected at least one query, got an empty batch");
  EXPECT_EQ(fault({"a"}, 0, never), "0 k: expected a number of documents in [1, 1024], got 0");
  EXPECT_EQ(fault({"a", std::string(70'000, 'x')}, 5, never),
            "0 query 1: expected at most 65536 bytes, got 70000");
  EXPECT_EQ(fault(std::vector<std::string>(1025, "x"), 5, never),
            "0 texts: expected at most 1024 in a batch, got 1025; split the batch");
  EXPECT_EQ(fault({"words"}, 5, never), "none");
  EXPECT_EQ(fault({"words"}, 5, std::chrono::steady_clock::time_point::min()),
            "2 the deadline passed during the search of shard 0");
  EXPECT_EQ(rookery::testing::error_text([] {
              (void)make_bm25_index(std::make_shared<TextShard>(4, std::vector<Text>{{1, "", "x"}}),
                                    std::make_shared<SearchTeam>(1));
            }),
            "shard 4: bm25: expected the file of a BM25 index, found none; add one");
}

}  // namespace
}  // namespace rookery::retriever_pool
