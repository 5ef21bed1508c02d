#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/thread_team.hpp"
#include "engine/decoder.hpp"
#include "engine/detail/aligned.hpp"
#include "engine/detail/attention.hpp"
#include "engine/detail/rope.hpp"
#include "engine/linear.hpp"

namespace rookery::engine {

/// Llama with RMSNorm, rotary positions, grouped heads and SwiGLU (SmolLM2), in float32. q, k and v
/// are one packed matrix, gate and up another. Callers use it as a `Decoder`.
class LlamaDecoder final : public Decoder {
 public:
  /// Packs the tensors of `checkpoint`; it may be dropped afterwards.
  LlamaDecoder(const Checkpoint& checkpoint, const DecoderOptions& options);

  [[nodiscard]] const DecoderConfig& config() const override { return config_; }
  [[nodiscard]] const text::ByteBpeTokenizer& tokenizer() const override { return tokenizer_; }
  [[nodiscard]] const std::string& model_hash() const override { return model_hash_; }
  [[nodiscard]] KvCache new_cache() const override;
  [[nodiscard]] std::vector<float> forward(std::span<const DecoderInput> inputs) override;

 private:
  struct Layer {
    std::vector<float> attention_norm, feed_norm;
    PackedMatrix query_key_value, attention_out, gate_up, down;
  };
  /// Consecutive tokens of one input that go through the layers together.
  struct Chunk {
    KvCache* cache;
    std::span<const text::TokenId> tokens;
    std::int32_t first_position;
    std::int32_t first_row;   ///< in the pass
    std::int32_t logit_rows;  ///< of the last tokens
  };
  /// Activations of one pass, `[rows, …]`; kept between calls.
  struct Activations {
    detail::AlignedFloats state, normed, query_key_value, attention, delta, gate_up, gated;
  };

  void read_head(const Checkpoint& checkpoint);
  [[nodiscard]] Layer read_layer(const Checkpoint& checkpoint, std::int32_t index) const;
  void check(std::span<const DecoderInput> inputs) const;
  /// Runs the chunks through all layers and appends the logits that they want to `logits`.
  void run_pass(std::span<const Chunk> chunks, std::int32_t rows, std::vector<float>& logits);
  void embed(const Chunk& chunk);
  void attention(const Layer& layer, std::size_t layer_index, std::span<const Chunk> chunks,
                 std::int32_t rows);
  void feed_forward(const Layer& layer, std::int32_t rows);
  void normalise(const std::vector<float>& weight, const float* add, std::int32_t rows);
  /// Calls `each(row)` for all rows, on the team where they are many.
  template <typename Each>
  void for_rows(std::int32_t rows, const Each& each);

  DecoderConfig config_;
  text::ByteBpeTokenizer tokenizer_;
  std::string model_hash_;
  detail::HeadLayout heads_;
  detail::RopeTable rope_;
  base::ThreadTeam team_;
  std::vector<Layer> layers_;
  std::vector<float> last_norm_;
  PackedMatrix head_;
  std::vector<float> embeddings_;  ///< `[vocabulary, hidden]`; empty when tied: `head_` has them
  Activations activations_;
  std::vector<detail::AlignedFloats> scratch_;  ///< one a thread
};

}  // namespace rookery::engine
