#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "index_tools/question_file.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::launch {

/// How many questions found what they wanted among their first k documents, for several k.
struct RecallCounts {
  std::int64_t questions = 0;                                     ///< that have answers
  std::int64_t with_passage = 0;                                  ///< that name a passage
  std::map<std::int32_t, std::int64_t> by_answer, by_passage_id;  ///< k → questions
};

/// Adds one batch: `rows[i]` are the documents of `questions[i]`, best first. An answer is found
/// where `text::contains_answer` finds it in a document's text; a passage where the document's id
/// or source id is the one that the question names. Ks beyond a row look at the whole row.
void count_recall(std::span<const index_tools::Question> questions,
                  std::span<const std::vector<retriever_pool::Document>> rows,
                  std::span<const std::int32_t> ks, RecallCounts& counts);

}  // namespace rookery::launch
