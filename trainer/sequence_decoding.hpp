#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/decoder.hpp"
#include "trainer/prompt.hpp"

namespace rookery::trainer {

/// One question with the documents that were retrieved for it.
struct DecodingTask {
  std::vector<std::vector<text::TokenId>> prompts;  ///< one per document, at least one
  std::vector<float> scores;                        ///< of the documents, raw
};

struct DecodedAnswer {
  std::vector<text::TokenId> tokens;  ///< with the token that ended it, if one did
  double log_probability = 0;         ///< marginal over the documents
  std::int32_t candidates = 0;        ///< different ones that were compared
};

/// RAG-Sequence decoding over all documents ("thorough" in HF): a greedy candidate under every
/// document, duplicates dropped, every candidate scored under every document, the best marginal
/// log Σ_k softmax(scale · s)_k · p(candidate | document k) wins; the earlier candidate among
/// equals. Prompts are run once: their keys and values serve all candidates. Tasks share forward
/// passes, which cannot change results (law 4). Source: Lewis et al. 2020; specs/hf-rag.md 2.1.
class SequenceDecoder {
 public:
  /// Both outlive this object. One thread at a time.
  SequenceDecoder(engine::Decoder& decoder, const PromptFormat& format, double score_scale);
  [[nodiscard]] std::vector<DecodedAnswer> decode(const std::vector<DecodingTask>& tasks);

 private:
  struct Row;
  void run_prompts(const std::vector<DecodingTask>& tasks, std::vector<Row>& rows);
  void extend_greedily(std::vector<Row>& rows);
  void score(const std::vector<std::vector<std::vector<text::TokenId>>>& candidates,
             std::size_t number, std::vector<Row>& rows);

  engine::Decoder& decoder_;
  const PromptFormat& format_;
  double score_scale_;
  std::vector<engine::KvCache> caches_;  ///< kept between calls
};

/// log(softmax(scale · scores)).
std::vector<double> log_prior(const std::vector<float>& scores, double scale);

}  // namespace rookery::trainer
