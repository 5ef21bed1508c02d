#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/serving/toy_models.hpp"

namespace rookery::serving::testing {

struct OracleAnswer {
  std::vector<text::TokenId> tokens;
  bool ended = false;
  std::vector<std::pair<std::int32_t, std::int64_t>> trace;  ///< position, document id (-1: none)
};

/// Naive iterative RaLM, written down straight from specs/ralmspec.md 1.0: retrieve, read the
/// document, generate a stride, again.
inline OracleAnswer serve_naively(Generator& generator, const std::string& question,
                                  const ScriptedRetriever::Row& row, HashEncoder& encoder,
                                  std::int32_t stride, std::int32_t tokens_max) {
  const ByteTokenizer tokenizer;
  OracleAnswer out;
  const std::vector<text::TokenId> asked = tokenizer.encode(question);
  while (!out.ended && static_cast<std::int32_t>(out.tokens.size()) < tokens_max) {
    std::vector<text::TokenId> all = asked;
    all.insert(all.end(), out.tokens.begin(), out.tokens.end());
    std::vector<text::TokenId> window(all.end() - std::min<std::ptrdiff_t>(32, std::ssize(all)),
                                      all.end());
    const std::vector<std::string> query = {tokenizer.decode(window)};
    const auto found = row(encoder.encode(query), 1);
    std::vector<text::TokenId> input;
    if (!found.empty()) {
      input = tokenizer.encode(found[0].title + "\n" + found[0].text);
      if (input.size() > 256) input.resize(256);
    }
    out.trace.emplace_back(static_cast<std::int32_t>(out.tokens.size()),
                           found.empty() ? -1 : found[0].id);
    input.insert(input.end(), all.begin(), all.end());
    const auto wanted = std::min(stride, tokens_max - static_cast<std::int32_t>(out.tokens.size()));
    const Continuation next = generator.continue_greedily(input, wanted);
    out.tokens.insert(out.tokens.end(), next.tokens.begin(), next.tokens.end());
    out.ended = next.ended;
  }
  return out;
}

}  // namespace rookery::serving::testing
