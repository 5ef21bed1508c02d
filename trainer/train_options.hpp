#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/option_reader.hpp"
#include "retriever_pool/client_settings.hpp"
#include "retriever_pool/index_options.hpp"
#include "trainer/prompt.hpp"

namespace rookery::trainer {

/// The section `train`. The defaults are tuned for SmolLM2-135M and MiniLM on two CPU ranks with
/// one thread each.
struct TrainOptions {
  std::string method = "rag_sequence";      ///< or rag_token
  std::string question_encoder = "minilm";  ///< name, folder, wheel or checkpoint
  std::string generator = "smollm2-135m";   ///< name, folder, GGUF or checkpoint
  std::filesystem::path train, dev, test;   ///< `questions.train`, …: JSON lines
  std::int32_t documents = 3;               ///< passages per question, [1, 64]
  std::int32_t batch_size = 4;              ///< questions per rank and step, [1, 1024]
  double learning_rate = 1.0e-4;            ///< of the generator, [0, 1]
  double encoder_learning_rate = 1.0e-5;    ///< of the question encoder, [0, 1]
  std::int32_t warmup_steps = 2;            ///< the rate rises linearly, then falls to 0
  double weight_decay = 0.0;                ///< decoupled, not on norms and biases
  double clip_norm = 1.0;                   ///< over all gradients together; 0: off
  double label_smoothing = 0.0;             ///< [0, 1), specs/hf-rag.md 1.6
  double dropout = 0.0;                     ///< [0, 0.9]
  std::int64_t seed = 1;
  std::int32_t steps = 16;    ///< optimizer steps; 0: `epochs` decide
  std::int32_t epochs = 1;    ///< passes over `questions.train`
  double score_scale = 20.0;  ///< times the document scores; 1 for DPR
  bool train_encoder = true;
  std::int32_t generator_layers =
      30;                ///< last layers to train, no embeddings; -1: everything, 0: none
  PromptOptions prompt;  ///< `passage_tokens`, `question_tokens`, …
  std::filesystem::path checkpoint = "checkpoints/rag";  ///< folder of the last checkpoint
  std::int32_t checkpoint_every_steps = 0;               ///< 0: at the end only
  /// Of matrix products in training: bfloat16 rounds their inputs and doubles their speed on CPUs
  /// that have it; sums, weights and optimizer stay float32.
  std::string precision = "float32";
  std::int32_t threads = 1;                  ///< per rank, [1, 256]
  std::int32_t nproc = 1;                    ///< ranks on this host, [1, 64]
  std::string pool = "embedded";             ///< or colony, a colony's name, `tcp://host:port`
  std::filesystem::path index;               ///< the snapshot, from section `index`
  retriever_pool::IndexOptions search = {};  ///< how an embedded pool searches it, from `index` too
  retriever_pool::ClientSettings client = {};  ///< how a colony is asked, from `pool.client`
  std::chrono::milliseconds retrieval_deadline{5'000};  ///< of one call
  std::chrono::milliseconds retrieval_wait{45'000};     ///< for a pool that is away, over all tries
  std::chrono::milliseconds group_timeout{60'000};      ///< a silent rank ends the others

  /// Reads the section `train`; the snapshot comes from `index`.
  static TrainOptions from_options(base::OptionReader reader);
  /// Checks across fields. Throws `UserError`.
  void validate() const;
};

}  // namespace rookery::trainer
