#include "index_tools/question_pairs.hpp"

#include "base/atomic_file.hpp"
#include "engine/weights.hpp"
#include "tests/support/temp_folder.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>
#include <set>

namespace rookery::index_tools {
namespace {

class QuestionPairsTest : public ::testing::Test {
 protected:
  /// A source whose text supports all of its description, unless it is given another.
  void add(const std::string& id, const std::string& title, const std::string& description,
           const std::string& text = "") {
    const nlohmann::json line{{"id", id},
                              {"title", title},
                              {"text", text.empty() ? "It is " + description : text},
                              {"description", description}};
    lines_ += line.dump() + "\n";
  }
  QuestionPairs derive() {
    base::write_file_atomically(folder_ / "c.jsonl", lines_);
    const auto corpus = open_corpus(folder_ / "c.jsonl", {});
    return derive_question_pairs(*corpus);
  }
  static std::vector<Question> all(const QuestionPairs& pairs) {
    std::vector<Question> questions = pairs.train;
    questions.insert(questions.end(), pairs.dev.begin(), pairs.dev.end());
    questions.insert(questions.end(), pairs.test.begin(), pairs.test.end());
    return questions;
  }

  rookery::testing::TempFolder folder_;
  std::string lines_;
};

TEST_F(QuestionPairsTest, AsksForTheTitleByTheDescription) {
  add("4711", "Carl Hewitt", "American computer scientist (1944–2022)");
  const auto questions = all(derive());
  ASSERT_EQ(questions.size(), 1u);
  EXPECT_NE(questions[0].question.find("American computer scientist (1944–2022)"),
            std::string::npos);
  EXPECT_EQ(questions[0].answers, std::vector<std::string>{"Carl Hewitt"});
  EXPECT_EQ(questions[0].passage_id, "4711");
}

TEST_F(QuestionPairsTest, LeavesOutWhatHasNoFairAnswer) {
  add("1", "Rook", "");
  add("2", "Owl", "bird");
  add("3", "Tower of Pisa", "Leaning tower of Pisa, a building");
  add("4", "Sparrow", "Small brown bird species");
  add("5", "Wren", "small brown bird species.");
  add("6", "A very long title that no one would ever answer", "Something quite odd here");
  add("7", "Magpie", "Black and white thief of the garden");
  add("8", "Crane", "Tall wader with red crown", "Cranes are found on five continents.");
  const QuestionPairs pairs = derive();
  ASSERT_EQ(all(pairs).size(), 1u);
  EXPECT_EQ(all(pairs)[0].passage_id, "7");
  EXPECT_EQ(pairs.sources, 8);
  EXPECT_EQ(pairs.unsupported, 1);
  EXPECT_EQ(pairs.no_description, 1);
  EXPECT_EQ(pairs.too_short_or_long, 2);
  EXPECT_EQ(pairs.names_its_title, 1);
  EXPECT_EQ(pairs.shared, 2);
}

TEST_F(QuestionPairsTest, ASourceNeverChangesSidesWhenTheCorpusGrows) {
  const auto sides = [&] {
    std::map<std::string, int> side;
    const QuestionPairs pairs = derive();
    for (const auto& question : pairs.train) side[question.passage_id] = 0;
    for (const auto& question : pairs.dev) side[question.passage_id] = 1;
    for (const auto& question : pairs.test) side[question.passage_id] = 2;
    return side;
  };
  for (int source = 0; source < 400; ++source) {
    add(std::to_string(source), "Title", "the thing numbered " + std::to_string(source));
  }
  const auto before = sides();
  for (int source = 400; source < 800; ++source) {
    add(std::to_string(source), "Title", "the thing numbered " + std::to_string(source));
  }
  const auto after = sides();
  ASSERT_EQ(before.size(), 400u);
  for (const auto& [source, side] : before) EXPECT_EQ(after.at(source), side);
}

TEST(WikiQuestionPairs, AreManyDisjointAndTheSameEveryTime) {
  const auto corpus = open_corpus(engine::resolve_model("wiki"), {});
  const QuestionPairs pairs = derive_question_pairs(*corpus);
  const std::size_t total = pairs.train.size() + pairs.dev.size() + pairs.test.size();
  EXPECT_GE(total, 7'000u);
  EXPECT_LE(total, 9'000u);
  EXPECT_NEAR(static_cast<double>(pairs.train.size()) / static_cast<double>(total), 0.8, 0.02);
  EXPECT_NEAR(static_cast<double>(pairs.test.size()) / static_cast<double>(total), 0.1, 0.02);

  std::set<std::string> sources, questions;
  for (const auto* part : {&pairs.train, &pairs.dev, &pairs.test}) {
    for (const Question& question : *part) {
      EXPECT_TRUE(sources.insert(question.passage_id).second);
      EXPECT_TRUE(questions.insert(question.question).second);
    }
  }
  const QuestionPairs again = derive_question_pairs(*corpus);
  ASSERT_EQ(again.test.size(), pairs.test.size());
  for (std::size_t index = 0; index < pairs.test.size(); ++index) {
    EXPECT_EQ(again.test[index].question, pairs.test[index].question);
  }
}

}  // namespace
}  // namespace rookery::index_tools
