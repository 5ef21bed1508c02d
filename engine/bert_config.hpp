#pragma once

#include <cstdint>
#include <string>

#include "engine/weights.hpp"

namespace rookery::engine {

/// The shape of a BERT-type encoder, from `config.json` and the sentence-transformers files beside
/// it.
struct BertConfig {
  std::int32_t vocabulary = 0, hidden = 0, layers = 0, heads = 0, intermediate = 0, positions = 0,
               token_types = 0;
  float layer_norm_eps = 1e-12F;
  std::string pooling = "mean";
  bool normalised = true;
  std::int32_t tokens_max = 256;  ///< sentence_bert_config's max_seq_length
  /// Throws `UserError` naming file and key.
  static BertConfig from_checkpoint(const Checkpoint& checkpoint);
};

}  // namespace rookery::engine
