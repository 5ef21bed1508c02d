#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "models/torch_headers.hpp"

namespace rookery::trainer {

// Legend: B questions, K documents of each, T positions, V vocabulary.

enum class RagMethod { kSequence, kToken };
/// "rag_sequence" or "rag_token"; anything else throws `std::invalid_argument`.
RagMethod rag_method(const std::string& name);

struct RagLossOptions {
  double label_smoothing = 0;       ///< [0, 1)
  bool exclude_bos = false;         ///< RAG-Sequence: position 0 does not count if it is BOS
  bool reduce = false;              ///< sum over the batch instead of one loss a question
  std::int64_t pad = 0;             ///< the only label that is masked
  std::optional<std::int64_t> bos;  ///< for `exclude_bos`
};

/// The loss of an encoder-decoder as in HF: `labels_BT` are fed unshifted, so position t is scored
/// against label t+1 (a pad behind the last), and RAG-Sequence adds the document prior at position
/// 1 only, hence loses it where that label is a pad. Returns `[B]`, or a scalar with `reduce`.
/// Throws `std::invalid_argument` when the shapes disagree. Source: specs/hf-rag.md 1.6–1.8.
torch::Tensor rag_loss(RagMethod method, const torch::Tensor& logits_BKTV,
                       const torch::Tensor& labels_BT, const torch::Tensor& scores_BK,
                       const RagLossOptions& options);

/// The loss of a decoder-only generator: `logits_BKTV` predict `targets_BT` position by position
/// (the prompt is cut away already), `mask_BT` is true where a target counts. Always with the
/// prior: RAG-Sequence is −logsumexp_k(log softmax(scores)_k + Σ_t log p(y_t | k)), the closed
/// form of the above; RAG-Token marginalises every token. Returns `[B]`.
torch::Tensor answer_loss(RagMethod method, const torch::Tensor& logits_BKTV,
                          const torch::Tensor& targets_BT, const torch::Tensor& mask_BT,
                          const torch::Tensor& scores_BK, double label_smoothing);

}  // namespace rookery::trainer
