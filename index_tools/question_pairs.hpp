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
  /// What the text must support of the description; 1 would single out one source if words were
  /// independent. On the wiki corpus 0.9 leaves 7,370 questions, of which MiniLM finds 81 % among
  /// the first five; 0.7 leaves 7,880 and 79 %.
  double support_min = 0.9;
  std::int64_t sources_max = 0;  ///< only so many sources from the start of the corpus; 0: all
};

struct QuestionPairs {
  std::vector<Question> train, dev, test;  ///< in the order of the corpus
  std::int64_t sources = 0;                ///< looked at
  std::int64_t no_description = 0, too_short_or_long = 0, names_its_title = 0, shared = 0,
               unsupported = 0;
};

/// Turns short descriptions into questions whose answer is the title: `American computer scientist
/// (1944–2022)` asks for `Carl Hewitt`. The description stands as it is: MiniLM found the article
/// among the first five for 72 % of 800 bare descriptions of the wiki corpus, for 64 to 70 % in
/// frames such as `Which article is about: …?`. Left out: descriptions that are empty, too short or
/// long, that contain the title, that several sources share, or that their own text hardly
/// supports: the words of the description that title and text repeat must carry `support_min` times
/// ln(N) nats, each counted as ln(N / sources that have the word), N being the number of sources.
/// `passage_id` is the source id. The split is by a hash of the source id (80 % train, 10 % dev,
/// 10 % test), so it is the same on every machine and a source never changes sides when the corpus
/// grows. Reads the corpus twice. Errors are those of `Corpus`.
QuestionPairs derive_question_pairs(Corpus& corpus, const QuestionPairOptions& options = {});

}  // namespace rookery::index_tools
