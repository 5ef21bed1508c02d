#include "launch/retrieval_recall.hpp"

#include <algorithm>

#include "text/answers.hpp"

namespace rookery::launch {
namespace {

using retriever_pool::Document;

// The rank of the first document that fits, from 1; 0 for none.
template <typename Predicate>
std::int64_t first_rank(std::span<const Document> row, Predicate&& fits) {
  const auto found = std::find_if(row.begin(), row.end(), fits);
  return found == row.end() ? 0 : found - row.begin() + 1;
}

}  // namespace

void count_recall(std::span<const index_tools::Question> questions,
                  std::span<const std::vector<Document>> rows, std::span<const std::int32_t> ks,
                  RecallCounts& counts) {
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const index_tools::Question& question = questions[i];
    std::int64_t answer_rank = 0;
    if (!question.answers.empty()) {
      ++counts.questions;
      answer_rank = first_rank(rows[i], [&](const Document& d) {
        return text::contains_answer(d.text, question.answers);
      });
    }
    std::int64_t passage_rank = 0;
    if (!question.passage_id.empty()) {
      ++counts.with_passage;
      passage_rank = first_rank(rows[i], [&](const Document& d) {
        return d.source_id == question.passage_id || std::to_string(d.id) == question.passage_id;
      });
    }
    for (const std::int32_t k : ks) {
      counts.by_answer[k] += answer_rank > 0 && answer_rank <= k;
      counts.by_passage_id[k] += passage_rank > 0 && passage_rank <= k;
    }
  }
}

}  // namespace rookery::launch
