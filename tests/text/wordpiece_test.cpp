#include "text/wordpiece.hpp"

#include "base/archive.hpp"
#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "tests/support/temp_folder.hpp"
#include "tests/text/wiki_passages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

namespace rookery::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// 32-bit FNV-1a over the ids as little-endian int32, as in record_wordpiece.py.
std::string fnv1a(const std::vector<TokenId>& ids) {
  std::uint32_t value = 0x811C9DC5;
  for (const TokenId id : ids) {
    for (int shift = 0; shift < 32; shift += 8) {
      value = (value ^ ((static_cast<std::uint32_t>(id) >> shift) & 0xFF)) * 0x01000193;
    }
  }
  char text[9];
  std::snprintf(text, sizeof text, "%08x", value);
  return text;
}

class MiniLmTokenizer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const auto archive = base::Archive::open(engine::resolve_model("minilm"));
    tokenizer_json = archive->read(archive->find("tokenizer.json"));
    vocabulary = archive->read(archive->find("vocab.txt"));
    tokenizer = WordPieceTokenizer::from_tokenizer_json(tokenizer_json);
    recorded = nlohmann::json::parse(
        base::read_file(rookery::testing::data_folder() / "minilm_wordpiece.json"));
  }
  static void TearDownTestSuite() { tokenizer.reset(); }

  static inline std::string tokenizer_json, vocabulary;
  static inline std::unique_ptr<WordPieceTokenizer> tokenizer;
  static inline nlohmann::json recorded;
};

TEST_F(MiniLmTokenizer, IdsOfTwelveHundredRealPassagesEqualTheReference) {
  const auto from_vocabulary = WordPieceTokenizer::from_vocabulary(vocabulary, {});
  std::size_t compared = 0;
  for (const auto& set : recorded["passages"]) {
    const auto sums = set["fnv1a"].get<std::vector<std::string>>();
    const auto language = set["language"].get<std::string>();
    const auto passages =
        rookery::testing::wiki_passages(language, set["step"].get<std::size_t>(), sums.size());
    ASSERT_EQ(passages.size(), sums.size());
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const auto ids = tokenizer->encode(passages[i]);
      EXPECT_EQ(fnv1a(ids), sums[i]) << language << " passage " << i << ": " << passages[i];
      EXPECT_EQ(from_vocabulary->encode(passages[i]), ids);
      ++compared;
    }
  }
  EXPECT_EQ(compared, 1200u);
  const auto firsts = recorded["first_passages"].get<std::vector<std::vector<TokenId>>>();
  const auto passages = rookery::testing::wiki_passages("en-us", 10, firsts.size());
  for (std::size_t i = 0; i < firsts.size(); ++i) {
    EXPECT_EQ(tokenizer->encode(passages[i]), firsts[i]);
  }
}

TEST_F(MiniLmTokenizer, AwkwardTextsEqualTheReferenceBothWays) {
  for (const auto& entry : recorded["texts"]) {
    const auto text = entry["text"].get<std::string>();
    const auto ids = entry["ids"].get<std::vector<TokenId>>();
    EXPECT_EQ(tokenizer->encode(text), ids) << text;
    EXPECT_EQ(tokenizer->decode(ids), entry["decoded"].get<std::string>());
  }
}

TEST_F(MiniLmTokenizer, SingleTextsAreFramedAndCutOnTheRight) {
  const auto passage = rookery::testing::wiki_passages("en-us", 10, 1).front();
  const auto cut = recorded["first_passage_cut"].get<std::vector<TokenId>>();
  EXPECT_EQ(tokenizer->encode_single(passage, cut.size()), cut);
  EXPECT_THAT(tokenizer->encode_single("", 256), ElementsAre(101, 102));
  EXPECT_THAT(tokenizer->encode_single("hello hello", 2), ElementsAre(101, 102));
  EXPECT_THROW((void)tokenizer->encode_single("hello", 1), std::invalid_argument);
}

TEST_F(MiniLmTokenizer, TextOfSpecialTokensStaysText) {
  const auto ids = tokenizer->encode("[SEP] [CLS][MASK]");
  for (const TokenId id : ids) {
    EXPECT_NE(id, tokenizer->special("[SEP]"));
    EXPECT_NE(id, tokenizer->special("[CLS]"));
    EXPECT_NE(id, tokenizer->special("[MASK]"));
  }
  EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{101, 7592, 102, 0}), "hello");
}

TEST_F(MiniLmTokenizer, BytesThatAreNoUtf8AreDropped) {
  const std::string broken = "he\xFFllo\xC3 wor\x80ld \xE2\x82";
  EXPECT_EQ(tokenizer->encode(broken), tokenizer->encode("hello world"));
}

TEST_F(MiniLmTokenizer, RefusesATruncatedTokenizerFileAndForeignModels) {
  const auto message = [](std::string_view json) -> std::string {
    try {
      (void)WordPieceTokenizer::from_tokenizer_json(json);
    } catch (const base::UserError& error) {
      return error.what();
    }
    return "nothing thrown";
  };
  EXPECT_THAT(message(std::string_view(tokenizer_json).substr(0, 40'000)),
              HasSubstr("tokenizer.json: expected a WordPiece tokenizer"));
  EXPECT_EQ(message(R"({"model": {"type": "BPE", "vocab": {}}})"),
            "tokenizer.json: model.type: expected WordPiece, got 'BPE'");
  EXPECT_EQ(message(R"({"model": {"type": "WordPiece", "vocab": {"a": 0, "b": 5}}})"),
            "tokenizer.json: model.vocab: expected the ids 0 to 1, each once, got 5 for 'b'");
}

constexpr auto kSmall = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\nun##\nA\nа\n##ble\r\n";

TEST(WordPiece, TakesTheLongestPieceAndGivesUpWholeWords) {
  const auto tokenizer = WordPieceTokenizer::from_vocabulary(kSmall, {});
  EXPECT_EQ(tokenizer->vocabulary_size(), 11);
  EXPECT_THAT(tokenizer->encode("unaffable"), ElementsAre(4, 5, 6));
  EXPECT_THAT(tokenizer->encode("unble"), ElementsAre(4, 10));
  EXPECT_THAT(tokenizer->encode("unaffablex un"), ElementsAre(1, 4));  // not un ##aff ##able [UNK]
  EXPECT_THAT(tokenizer->encode("##able"), ElementsAre(1, 1, 1));
}

TEST(WordPiece, CountsCharactersNotBytesForTheLongestWord) {
  const auto tokenizer = WordPieceTokenizer::from_vocabulary("[PAD]\n[UNK]\n[CLS]\n[SEP]\nа\n##а\n",
                                                             {.word_chars_max = 5});
  const std::string letter = "а";  // two bytes
  std::string word;
  for (int i = 0; i < 5; ++i) word += letter;
  EXPECT_EQ(tokenizer->encode(word).size(), 5u);
  EXPECT_THAT(tokenizer->encode(word + letter), ElementsAre(1));
}

TEST(WordPiece, CasedVocabulariesKeepCaseAndAccents) {
  const auto tokenizer = WordPieceTokenizer::from_vocabulary(
      "[PAD]\n[UNK]\n[CLS]\n[SEP]\nCafé\ncafe\n", {.lower_case = false});
  EXPECT_THAT(tokenizer->encode("Café cafe café"), ElementsAre(4, 5, 1));
}

TEST(WordPiece, NamesTheMissingSpecialToken) {
  try {
    (void)WordPieceTokenizer::from_vocabulary("[PAD]\n[UNK]\n[CLS]\nhello\n", {});
    FAIL() << "took a vocabulary without [SEP]";
  } catch (const base::UserError& error) {
    EXPECT_STREQ(error.what(),
                 "WordPiece vocabulary of 4 tokens: expected the token [SEP], found none; is this "
                 "the model's own vocab.txt?");
  }
}

}  // namespace
}  // namespace rookery::text
