#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "index_tools/corpus.hpp"
#include "index_tools/question_file.hpp"

namespace rookery::index_tools {

/// Which sources make a question. The defaults were chosen on the English wiki corpus.
struct QuestionPairOptions {
  std::int32_t description_words_min = 3;
  std::int32_t description_words_max = 20;
  std::int32_t title_words_max = 6;
  std::int64_t sources_max = 0;  ///< only so many sources from the start of the corpus; 0: all
};

struct QuestionPairs {
  std::vector<Question> train, dev, test;  ///< in the order of the corpus
  std::int64_t sources = 0;                ///< looked at
  std::int64_t no_description = 0, too_short_or_long = 0, names_its_title = 0, shared = 0;
};

/// Turns short descriptions into questions whose answer is the title: `American computer scientist
/// (1944–2022)` → `Who or what is this: …?`. Left out: descriptions that are empty, too short or
/// long, that contain a word of the title, or that several sources share. `passage_id` is the
/// source id. The split is by a hash of the source id (80 % train, 10 % dev, 10 % test), so it is
/// the same on every machine and a source never changes sides when the corpus grows.
QuestionPairs derive_question_pairs(Corpus& corpus, const QuestionPairOptions& options = {});

}  // namespace rookery::index_tools
