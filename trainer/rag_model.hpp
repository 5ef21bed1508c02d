#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/weights.hpp"
#include "index_tools/question_file.hpp"
#include "models/bert_encoder.hpp"
#include "models/llama_decoder.hpp"
#include "retriever_pool/retriever.hpp"
#include "text/byte_bpe.hpp"
#include "text/wordpiece.hpp"
#include "trainer/rag_loss.hpp"
#include "trainer/train_options.hpp"

namespace rookery::trainer {

/// What one batch cost, in milliseconds, and its size.
struct BatchFigures {
  double encode_ms = 0, retrieval_ms = 0, forward_ms = 0;
  std::int64_t tokens = 0;
  std::string generation;  ///< of the index that answered
};

/// A question encoder and a generator with what belongs to them, trained together: the gradient
/// reaches the encoder through the document scores, `score_scale` times the inner product with the
/// stored vectors, which stay as they are (specs/hf-rag.md 1.4).
class RagModel {
 public:
  /// Copies the weights; `options` says what of them is trained.
  RagModel(const engine::Checkpoint& question_encoder, const engine::Checkpoint& generator,
           const TrainOptions& options);

  /// The mean loss of these questions, with the first answer of each as the target. `[]`, with
  /// gradients. Retrieval errors pass through; an index with fewer documents than wanted throws
  /// `UserError`.
  [[nodiscard]] torch::Tensor loss(const std::vector<index_tools::Question>& questions,
                                   retriever_pool::Retriever& retriever, BatchFigures& figures);

  [[nodiscard]] models::BertEncoder& encoder() { return encoder_; }
  [[nodiscard]] models::LlamaDecoder& generator() { return generator_; }
  /// Both as checkpoints with the files they came with; the encoder's `rookery.json` names
  /// `trained_against`, the hash of the encoder whose vectors it searches.
  [[nodiscard]] engine::Checkpoint encoder_checkpoint(const std::string& trained_against) const;
  [[nodiscard]] engine::Checkpoint generator_checkpoint() const;

 private:
  struct Retrieved {
    torch::Tensor scores_BK;
    std::vector<std::vector<retriever_pool::Document>> rows;
  };
  Retrieved retrieve(const std::vector<index_tools::Question>& questions,
                     retriever_pool::Retriever& retriever, BatchFigures& figures);

  TrainOptions options_;
  RagMethod method_;
  engine::Checkpoint encoder_files_, generator_files_;  ///< without the tensors the models hold
  models::BertEncoder encoder_;
  models::LlamaDecoder generator_;
  std::unique_ptr<text::WordPieceTokenizer> encoder_tokenizer_;
  std::unique_ptr<text::ByteBpeTokenizer> generator_tokenizer_;
  PromptFormat format_;
};

}  // namespace rookery::trainer
