#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::text {

/// SQuAD's normalisation: lower case, no ASCII punctuation, no articles (a, an, the), single
/// spaces. Source: specs/hf-rag.md 5.
std::string normalise_answer(std::string_view text);

/// 1 when the normalised texts are equal, else 0; the best over `answers`.
double exact_match(std::string_view prediction, std::span<const std::string> answers);

/// Token F1 (multiset overlap of normalised words), the best over `answers`.
double f1_score(std::string_view prediction, std::span<const std::string> answers);

/// DPR's test of whether a passage holds an answer: NFD, its simple tokenizer (runs of letters,
/// numbers and marks; single other characters), lower case, then a contiguous run of tokens.
bool contains_answer(std::string_view passage, std::span<const std::string> answers);

}  // namespace rookery::text
