#include "index_tools/question_file.hpp"

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "tests/support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rookery::index_tools {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

class QuestionFileTest : public ::testing::Test {
 protected:
  std::vector<Question> read(const std::string& text, const QuestionFileOptions& options = {}) {
    base::write_file_atomically(folder_ / "q.jsonl", text);
    return read_questions(folder_ / "q.jsonl", options);
  }
  std::string complaint(const std::string& text) {
    try {
      read(text);
    } catch (const base::UserError& error) {
      return error.what();
    }
    return "accepted";
  }
  rookery::testing::TempFolder folder_;
};

TEST_F(QuestionFileTest, ReadsAllFields) {
  const auto questions =
      read(R"({"id": "x", "question": "Who?", "answers": ["A", "B"], "passage_id": "p"})"
           "\n\n"
           R"({"question": "Where?", "answers": ["C"], "passage_id": 7, "extra": {}})");
  ASSERT_EQ(questions.size(), 2u);
  EXPECT_EQ(questions[0].id, "x");
  EXPECT_EQ(questions[0].answers, (std::vector<std::string>{"A", "B"}));
  EXPECT_EQ(questions[0].passage_id, "p");
  EXPECT_EQ(questions[1].id, "1");
  EXPECT_EQ(questions[1].passage_id, "7");
}

TEST_F(QuestionFileTest, ComesBackAsItWasWritten) {
  const std::vector<Question> before{{"1", "Wer war \"Größe\"?\n", {"A", "é"}, ""},
                                     {"2", "Q", {"A"}, "p"}};
  write_questions(folder_ / "w.jsonl", before);
  const auto after = read_questions(folder_ / "w.jsonl");
  ASSERT_EQ(after.size(), 2u);
  EXPECT_EQ(after[0].question, before[0].question);
  EXPECT_EQ(after[0].answers, before[0].answers);
  EXPECT_EQ(after[0].passage_id, "");
  EXPECT_EQ(after[1].passage_id, "p");
}

TEST_F(QuestionFileTest, StopsAtTheLimit) {
  const std::string line = "{\"question\": \"Q\", \"answers\": [\"A\"]}\n";
  EXPECT_EQ(read(line + line + "broken", {.limit = 2}).size(), 2u);
}

TEST_F(QuestionFileTest, NamesTheFirstBrokenLine) {
  const std::string good = "{\"question\": \"Q\", \"answers\": [\"A\"]}\n";
  EXPECT_THAT(complaint(good + "{\"question\": \"Q\", \"ans"),
              HasSubstr("q.jsonl:2: expected a JSON object, got text that breaks off"));
  EXPECT_THAT(complaint(good + "\n{\"answers\": [\"A\"]}"),
              EndsWith("q.jsonl:3: question: expected a string, got none"));
  EXPECT_THAT(complaint("{\"question\": \" \", \"answers\": [\"A\"]}"),
              HasSubstr("q.jsonl:1: question: expected a question"));
  EXPECT_THAT(complaint("{\"question\": \"Q\", \"answers\": \"A\"}"),
              EndsWith("q.jsonl:1: answers: expected a list of strings, got \"A\""));
  EXPECT_THAT(complaint("{\"question\": \"Q\", \"answers\": [1]}"),
              EndsWith("answers: expected a list of strings, got [1]"));
  EXPECT_THAT(complaint("{\"question\": \"Q\"}"),
              HasSubstr("answers: expected a list of at least one answer"));
  EXPECT_THAT(complaint("{\"question\": \"Q\xFF\", \"answers\": [\"A\"]}"),
              HasSubstr("q.jsonl:1: expected UTF-8"));
  EXPECT_THAT(complaint("\n"), HasSubstr("expected at least one question, found none"));
  EXPECT_THROW(read_questions(folder_ / "none.jsonl"), base::UserError);
}

TEST_F(QuestionFileTest, TakesPromptsWithoutAnswersWhenToldSo) {
  EXPECT_EQ(read("{\"question\": \"Tell me.\"}", {.answers_required = false}).size(), 1u);
}

}  // namespace
}  // namespace rookery::index_tools
