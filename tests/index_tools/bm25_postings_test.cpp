#include "index_tools/bm25_postings.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "index_tools/detail/bm25_file.hpp"
#include "tests/index_tools/text_shard.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/seed.hpp"

namespace rookery::index_tools {
namespace {

using rookery::testing::error_text;
using testing::indexed_shards;
using testing::random_texts;
using testing::Text;
using testing::TextShard;

/// Rows and frequencies of a term, decoded one number at a time.
std::vector<std::pair<std::int64_t, std::uint32_t>> postings_of(const Bm25Postings& postings,
                                                                const std::string& term) {
  std::vector<std::pair<std::int64_t, std::uint32_t>> all;
  const auto found = postings.find(term);
  if (!found) return all;
  std::int64_t row = -1;
  for (std::size_t b = 0; b < found->blocks.size(); ++b) {
    const Bm25Block& block = found->blocks[b];
    const auto count =
        static_cast<std::int32_t>(std::min<std::int64_t>(128, found->count - std::ssize(all)));
    const std::byte* rows = postings.data() + block.offset;
    const std::byte* frequencies = rows + bm25_packed_bytes(count, block.row_bits);
    for (std::int32_t i = 0; i < count; ++i) {
      row += 1 + std::int64_t{bm25_packed_value(rows, block.row_bits, i)};
      all.emplace_back(row, 1 + bm25_packed_value(frequencies, block.frequency_bits, i));
    }
  }
  return all;
}

TEST(Bm25PostingsTest, HoldTitleAndTextOfEveryPassage) {
  const auto shards = indexed_shards(
      {{4, "The Owls", "An owl's owl."}, {5, "", ""}, {9, "Barn", "owls hunting, hunting"}}, 1,
      {1.5F, 0.75F});
  const auto postings = open_bm25_postings(shards[0]->file("bm25"), 3, "owls");
  EXPECT_EQ(postings->count(), 3);
  EXPECT_EQ(postings->parameters(), (Bm25Parameters{1.5F, 0.75F}));
  EXPECT_EQ(postings->corpus_documents(), 3);
  EXPECT_EQ(postings->corpus_mean_length(), 7.0 / 3);
  EXPECT_EQ(postings->terms(), 3);
  const auto lengths = postings->lengths();
  EXPECT_EQ(std::vector(lengths.begin(), lengths.end()), (std::vector<std::uint32_t>{3, 0, 4}));
  using List = std::vector<std::pair<std::int64_t, std::uint32_t>>;
  EXPECT_EQ(postings_of(*postings, "owl"), (List{{0, 3}, {2, 1}}));
  EXPECT_EQ(postings_of(*postings, "hunt"), (List{{2, 2}}));
  EXPECT_EQ(postings_of(*postings, "barn"), (List{{2, 1}}));
  EXPECT_FALSE(postings->find("the"));
}

TEST(Bm25PostingsTest, StatisticsAreThoseOfTheWholeCorpusInEveryShard) {
  std::mt19937_64 random(rookery::testing::seed());
  const auto texts = random_texts(random, 900, 200, 20);
  const auto whole = indexed_shards(texts, 1);
  const auto all = open_bm25_postings(whole[0]->file("bm25"), 900, "whole");
  std::map<std::string, std::int64_t> counted;
  for (const auto& shard : indexed_shards(texts, 4)) {
    const auto part = open_bm25_postings(shard->file("bm25"), shard->count(), "part");
    EXPECT_EQ(part->corpus_documents(), 900);
    EXPECT_EQ(part->corpus_mean_length(), all->corpus_mean_length());
    EXPECT_EQ(part->terms(), all->terms());
    for (int w = 0; w < 200; ++w) {
      const std::string term = "w" + std::to_string(w);
      const auto here = part->find(term);
      const auto there = all->find(term);
      ASSERT_EQ(here.has_value(), there.has_value());
      if (!here) continue;
      EXPECT_EQ(here->documents, there->documents);
      EXPECT_EQ(there->documents, there->count);
      counted[term] += here->count;
    }
  }
  for (const auto& [term, count] : counted) EXPECT_EQ(count, all->find(term)->count) << term;
}

TEST(Bm25PostingsTest, KeepGapsAndFrequenciesOfEveryWidth) {
  // One word in ever rarer rows, ever more often.
  std::vector<Text> texts;
  std::vector<std::pair<std::int64_t, std::uint32_t>> expected;
  std::int64_t next = 0;
  for (std::int64_t row = 0; row < 40'000; ++row) {
    Text text{row, "", ""};
    if (row == next) {
      const auto times = static_cast<std::uint32_t>(1 + row / 100);
      for (std::uint32_t n = 0; n < times; ++n) text.text += "z ";
      expected.emplace_back(row, times);
      next += 1 + row / 300 * (row % 2 + 1);
    }
    texts.push_back(text);
  }
  const auto shards = indexed_shards(texts, 1);
  const auto postings = open_bm25_postings(shards[0]->file("bm25"), 40'000, "z");
  ASSERT_GT(expected.size(), 500U);
  EXPECT_EQ(postings_of(*postings, "z"), expected);
}

TEST(Bm25PostingsTest, RefuseStatisticsOfAnotherCorpus) {
  const std::shared_ptr<const SnapshotShard> other =
      std::make_shared<TextShard>(0, std::vector<Text>{{1, "", "apples"}});
  const Bm25Statistics statistics = collect_bm25_statistics(std::span(&other, 1));
  TextShard shard(0, {{1, "", "pears"}});
  EXPECT_THROW(shard.index(statistics), std::invalid_argument);
}

TEST(Bm25PostingsTest, WeightsAreLucenesIdf) {
  for (const std::int64_t n : {1, 2, 10, 7359, 200'000, 21'000'000}) {
    for (const std::int64_t df : {std::int64_t{1}, n / 3 + 1, n / 2 + 1, n}) {
      if (df > n) continue;
      const auto documents = static_cast<double>(n);
      const auto frequency = static_cast<double>(df);
      const double idf = std::log1p((documents - frequency + 0.5) / (frequency + 0.5));
      EXPECT_NEAR(bm25_weight(n, df) / kBm25Scale, idf, 4e-16 * idf) << n << " " << df;
    }
  }
}

class DamagedBm25Test : public ::testing::Test {
 protected:
  DamagedBm25Test() {
    std::mt19937_64 random(rookery::testing::seed());
    shards_ = indexed_shards(random_texts(random, 400, 50, 20), 1);
    const auto file = shards_[0]->file("bm25");
    bytes_ = std::string(reinterpret_cast<const char*>(file.data()), file.size());
    std::memcpy(&header_, bytes_.data(), sizeof header_);
    layout_ = detail::Bm25Layout::of(header_);
  }
  template <typename T>
  void put(std::int64_t at, T value) {
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }
  template <typename T>
  [[nodiscard]] T get(std::int64_t at) const {
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }
  [[nodiscard]] std::string complaint(std::int64_t count = 400) {
    TextShard shard(0, {});
    shard.set_file(bytes_);
    return error_text([&] { (void)open_bm25_postings(shard.file("bm25"), count, "shard-0/bm25"); });
  }
  // The term with the most postings, and its first block.
  [[nodiscard]] std::int64_t longest() const {
    std::int64_t best = 0;
    for (std::int64_t t = 0; t < header_.terms; ++t) {
      if (record(t).postings > record(best).postings) best = t;
    }
    return best;
  }
  [[nodiscard]] detail::Bm25TermRecord record(std::int64_t t) const {
    return get<detail::Bm25TermRecord>(layout_.terms + t * 32);
  }
  [[nodiscard]] std::int64_t block_at(std::uint64_t block) const {
    return layout_.blocks + static_cast<std::int64_t>(block) * 16;
  }

  std::vector<std::shared_ptr<const SnapshotShard>> shards_;
  std::string bytes_;
  detail::Bm25Header header_{};
  detail::Bm25Layout layout_{};
};

TEST_F(DamagedBm25Test, IsRefusedByItsHeader) {
  EXPECT_EQ(complaint(), "(no error)");
  EXPECT_EQ(complaint(401),
            "shard-0/bm25: expected postings of 401 passages (at most 2147483647), got those of "
            "400; rebuild the index");
  const std::string sound = bytes_;
  bytes_.resize(100);
  EXPECT_EQ(complaint(),
            "shard-0/bm25: expected BM25 postings, got a file of 100 bytes; rebuild the index");
  bytes_ = sound.substr(0, sound.size() - 1);
  EXPECT_EQ(complaint(), "shard-0/bm25: expected a size that agrees with the header, got " +
                             std::to_string(bytes_.size()) + " bytes; rebuild the index");
  bytes_ = sound;
  bytes_[3] = 'x';
  EXPECT_EQ(complaint(),
            "shard-0/bm25: expected BM25 postings of version 1, got another header; "
            "rebuild the index");
  for (const std::int64_t number : {std::int64_t{-1}, std::int64_t{1} << 62, std::int64_t{7}}) {
    for (const std::int64_t field : {40, 48, 56, 64, 72, 80}) {
      bytes_ = sound;
      put(field, number);
      EXPECT_NE(complaint(), "(no error)") << field << " " << number;
    }
  }
  bytes_ = sound;
  put(32, std::nanf(""));
  EXPECT_NE(complaint().find("expected k1 in [0, 100]"), std::string::npos);
  bytes_ = sound;
  put(16, std::int64_t{399});
  EXPECT_NE(complaint().find("expected statistics of a corpus of at least 400 passages"),
            std::string::npos);
}

TEST_F(DamagedBm25Test, IsRefusedForAnUnsortedDictionary) {
  bytes_[static_cast<std::size_t>(layout_.texts)] = '~';
  EXPECT_NE(complaint().find("expected rising terms"), std::string::npos) << complaint();
}

TEST_F(DamagedBm25Test, IsRefusedForTextsAndBlocksBeyondTheFile) {
  const std::string sound = bytes_;
  put(layout_.terms + 32 + 16, std::uint64_t{1} << 40);
  EXPECT_NE(complaint().find("its text within"), std::string::npos) << complaint();
  bytes_ = sound;
  put(layout_.terms + 24, std::uint32_t{400'000'000});
  EXPECT_NE(complaint().find("postings of 400 passages"), std::string::npos) << complaint();
  bytes_ = sound;
  put(block_at(0), std::uint64_t{1} << 40);
  EXPECT_NE(complaint().find("its postings lie beyond the file"), std::string::npos) << complaint();
  bytes_ = sound;
  put(block_at(0) + 14, std::uint8_t{32});
  EXPECT_NE(complaint().find("at most 31 bits"), std::string::npos) << complaint();
}

TEST_F(DamagedBm25Test, IsRefusedForRowsThatAreNotThere) {
  const std::string sound = bytes_;
  const auto block = get<Bm25Block>(block_at(record(longest()).first_block));
  ASSERT_GT(block.row_bits, 0);
  for (std::int64_t i = 0; i < 16; ++i)
    put(layout_.data + static_cast<std::int64_t>(block.offset) + i, '\xFF');
  EXPECT_NE(complaint(), "(no error)");
  bytes_ = sound;
  put(block_at(record(longest()).first_block) + 8, block.last_row + 1);
  EXPECT_NE(complaint().find("expected to end with row"), std::string::npos) << complaint();
}

TEST_F(DamagedBm25Test, IsRefusedForABoundThatDoesNotHold) {
  const std::int64_t at = block_at(record(longest()).first_block) + 12;
  put(at, static_cast<std::uint16_t>(get<std::uint16_t>(at) - 1));
  EXPECT_NE(complaint().find("above the bound that it states"), std::string::npos) << complaint();
}

TEST_F(DamagedBm25Test, NeverReadsOutsideWhateverByteChanges) {
  std::mt19937_64 random(rookery::testing::seed());
  const std::string sound = bytes_;
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    bytes_ = sound;
    for (auto changes = random() % 3 + 1; changes > 0; --changes) {
      bytes_[random() % bytes_.size()] = static_cast<char>(random());
    }
    if (i % 10 == 0) bytes_.resize(random() % (bytes_.size() + 1));
    refused += complaint() == "(no error)" ? 0 : 1;
  }
  EXPECT_GT(refused, 1000);  // not all: a frequency may fall, a length rise
}

}  // namespace
}  // namespace rookery::index_tools
