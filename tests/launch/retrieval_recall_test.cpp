#include "launch/retrieval_recall.hpp"

#include <gtest/gtest.h>

namespace rookery::launch {
namespace {

using index_tools::Question;
using retriever_pool::Document;

Document document(std::int64_t id, const std::string& source, const std::string& text) {
  Document d;
  d.id = id;
  d.source_id = source;
  d.text = text;
  return d;
}

TEST(RetrievalRecallTest, CountsAnswersAndPassagesAmongTheFirstK) {
  const std::vector<Question> questions = {
      {"0", "who?", {"Carl Hewitt"}, "hewitt"},  // answer at rank 2, passage at rank 3
      {"1", "when?", {"1973"}, "17"},            // named by passage id, rank 1; no answer
      {"2", "where?", {"MIT"}, ""}};             // names no passage; "admit" is no answer
  const std::vector<std::vector<Document>> rows = {
      {document(1, "a", "Actors are primitives."), document(2, "b", "CARL HEWITT's model."),
       document(3, "hewitt", "Born in 1944.")},
      {document(17, "x", "In the seventies.")},
      {document(5, "y", "They admit it.")}};
  const std::vector<std::int32_t> ks = {1, 2, 20};
  RecallCounts counts;
  count_recall(questions, rows, ks, counts);
  EXPECT_EQ(counts.questions, 3);
  EXPECT_EQ(counts.with_passage, 2);
  EXPECT_EQ(counts.by_answer, (std::map<std::int32_t, std::int64_t>{{1, 0}, {2, 1}, {20, 1}}));
  EXPECT_EQ(counts.by_passage_id, (std::map<std::int32_t, std::int64_t>{{1, 1}, {2, 1}, {20, 2}}));
}

TEST(RetrievalRecallTest, BatchesAddUp) {
  const std::vector<Question> questions = {{"0", "q", {"x"}, "s"}};
  const std::vector<std::vector<Document>> rows = {{document(1, "s", "x")}};
  const std::vector<std::int32_t> ks = {5};
  RecallCounts counts;
  count_recall(questions, rows, ks, counts);
  count_recall(questions, rows, ks, counts);
  EXPECT_EQ(counts.questions, 2);
  EXPECT_EQ(counts.by_answer.at(5), 2);
}

}  // namespace
}  // namespace rookery::launch
