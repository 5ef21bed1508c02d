#include "index_tools/question_pairs.hpp"

#include "base/checksum.hpp"
#include "index_tools/split.hpp"
#include "text/answers.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>

namespace rookery::index_tools {
namespace {

struct Candidate {
  std::string source_id, title, description;
  std::string key;                     ///< the description as it is compared with others
  std::vector<std::string> supported;  ///< its words that title or text have too, each once
};

using WordCounts = std::unordered_map<std::string, std::int64_t>;

std::vector<std::string> words_of(const std::string& normalised) {
  std::vector<std::string> words;
  for (const std::string_view word : split_words(normalised, 1)) words.emplace_back(word);
  return words;
}

std::set<std::string> words_of(const SourceText& source) {
  const std::vector<std::string> words =
      words_of(text::normalise_answer(source.title + " " + source.text));
  return {words.begin(), words.end()};
}

std::vector<std::string> supported_words(const std::string& description, const SourceText& source) {
  const std::set<std::string> in_source = words_of(source);
  std::vector<std::string> supported;
  for (const std::string& word : words_of(description)) {
    const bool seen = std::find(supported.begin(), supported.end(), word) != supported.end();
    if (!seen && in_source.contains(word)) supported.push_back(word);
  }
  return supported;
}

/// In how many sources each word that supports a candidate occurs.
WordCounts count_sources(Corpus& corpus, const std::vector<Candidate>& candidates,
                         std::int64_t sources) {
  WordCounts counts;
  for (const Candidate& candidate : candidates) {
    for (const std::string& word : candidate.supported) counts.emplace(word, 0);
  }
  corpus.rewind();
  while (corpus.sources() < sources) {
    const std::optional<SourceText> source = corpus.next();
    if (!source) break;
    for (const std::string& word : words_of(*source)) {
      if (const auto found = counts.find(word); found != counts.end()) ++found->second;
    }
  }
  return counts;
}

bool is_supported(const Candidate& candidate, const WordCounts& counts, std::int64_t sources,
                  double support_min) {
  double information = 0;
  for (const std::string& word : candidate.supported) {
    information += std::log(static_cast<double>(sources) / static_cast<double>(counts.at(word)));
  }
  return information >= support_min * std::log(static_cast<double>(sources));
}

/// Whether the words of `part` stand in `text` in a row; both normalised.
bool contains_words(const std::string& text, const std::string& part) {
  return !part.empty() && (" " + text + " ").find(" " + part + " ") != std::string::npos;
}

/// 0 to 9, by the source id alone.
int split_of(const std::string& source_id) {
  const std::string text = "rookery question split 1\n" + source_id;
  const std::string digest = base::sha256_hex(std::as_bytes(std::span(text)));
  return static_cast<int>(std::stoul(digest.substr(0, 8), nullptr, 16) % 10);
}

Question make_question(const Candidate& candidate) {
  return {"description-" + candidate.source_id,
          candidate.description,
          {candidate.title},
          candidate.source_id};
}

}  // namespace

QuestionPairs derive_question_pairs(Corpus& corpus, const QuestionPairOptions& options) {
  corpus.rewind();
  QuestionPairs pairs;
  std::vector<Candidate> candidates;
  std::unordered_map<std::string, int> uses;
  while (options.sources_max == 0 || corpus.sources() < options.sources_max) {
    const std::optional<SourceText> source = corpus.next();
    if (!source) break;
    const std::string key = text::normalise_answer(source->description);
    const std::string title = text::normalise_answer(source->title);
    if (key.empty() || title.empty()) {
      ++pairs.no_description;
      continue;
    }
    ++uses[key];
    const std::int64_t words = count_words(source->description);
    if (words < options.description_words_min || words > options.description_words_max ||
        count_words(source->title) > options.title_words_max) {
      ++pairs.too_short_or_long;
    } else if (contains_words(key, title)) {
      ++pairs.names_its_title;
    } else {
      candidates.push_back({source->source_id, source->title, source->description, key,
                            supported_words(key, *source)});
    }
  }
  pairs.sources = corpus.sources();
  const WordCounts counts = count_sources(corpus, candidates, pairs.sources);
  for (const Candidate& candidate : candidates) {
    if (uses[candidate.key] > 1) {
      ++pairs.shared;
      continue;
    }
    if (!is_supported(candidate, counts, pairs.sources, options.support_min)) {
      ++pairs.unsupported;
      continue;
    }
    const int split = split_of(candidate.source_id);
    std::vector<Question>& part = split < 8 ? pairs.train : split == 8 ? pairs.dev : pairs.test;
    part.push_back(make_question(candidate));
  }
  return pairs;
}

}  // namespace rookery::index_tools
