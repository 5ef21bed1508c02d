#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/detail/aligned.hpp"
#include "engine/weights.hpp"
#include "text/byte_bpe.hpp"

namespace rookery::engine {

/// The shape of a Llama-type decoder (SmolLM2), from `config.json` or GGUF's metadata.
struct DecoderConfig {
  std::int32_t vocabulary = 0, hidden = 0, layers = 0, heads = 0, kv_heads = 0, intermediate = 0,
               positions = 0;
  float rope_theta = 10'000.0F, rms_norm_eps = 1e-5F;
  bool tied_embeddings = true;
  text::TokenId bos = -1, eos = -1;  ///< -1: the model has none
  /// Reads and checks `config.json`. Throws `UserError` naming the key for a model that is no plain
  /// Llama (biases, scaled rotary positions, another activation).
  static DecoderConfig from_checkpoint(const Checkpoint& checkpoint);
  [[nodiscard]] std::int32_t head_size() const { return hidden / heads; }
};

struct DecoderOptions {
  int threads = 0;  ///< 0: all usable cores
};

/// Keys and values of one sequence. Owned by the caller, made by `Decoder::new_cache`; one thread
/// at a time.
class KvCache {
 public:
  KvCache(std::int32_t layers, std::int32_t row_floats, std::int32_t positions_max);
  [[nodiscard]] std::int32_t length() const { return length_; }
  [[nodiscard]] std::int32_t positions_max() const { return positions_max_; }
  /// Forgets the positions from `length` on, keeping their memory; throws `std::invalid_argument`
  /// when it is negative or longer than the cache.
  void truncate(std::int32_t length);

 private:
  friend class LlamaDecoder;
  void reserve(std::int32_t positions);
  std::int32_t layers_, row_floats_, positions_max_, length_ = 0, reserved_ = 0;
  /// One per layer, in blocks of 32 positions: keys `[blocks, row_floats, 32]`, values
  /// `[positions, row_floats]`. They grow by doubling.
  std::vector<detail::AlignedFloats> keys_, values_;
};

/// One sequence's share of a forward pass: its next tokens, appended behind what its cache holds.
struct DecoderInput {
  KvCache* cache = nullptr;
  std::span<const text::TokenId> tokens;
  std::int32_t logit_rows =
      1;  ///< logits of the last so many tokens are wanted; 0 fills the cache only
};

/// A Llama-type decoder on the CPU in fixed order: the logits of a position have the same bytes in
/// any batch, chunk and thread count (law 4). One thread at a time calls `forward`.
class Decoder {
 public:
  virtual ~Decoder() = default;
  [[nodiscard]] virtual const DecoderConfig& config() const = 0;
  [[nodiscard]] virtual const text::ByteBpeTokenizer& tokenizer() const = 0;
  [[nodiscard]] virtual const std::string& model_hash() const = 0;
  [[nodiscard]] virtual KvCache new_cache() const = 0;
  /// Runs all inputs in one pass. Returns `[sum of logit_rows, vocabulary]`, in the order of the
  /// inputs. Throws `std::invalid_argument`, before any work, for an id outside the vocabulary,
  /// more tokens than positions, more logit rows than tokens, a cache of another model or the same
  /// cache twice.
  [[nodiscard]] virtual std::vector<float> forward(std::span<const DecoderInput> inputs) = 0;
};

std::unique_ptr<Decoder> open_decoder(const std::filesystem::path& path, DecoderOptions options);
std::unique_ptr<Decoder> make_decoder(const Checkpoint& checkpoint, DecoderOptions options);

/// The best token of one row of logits; the lowest id among equals. Throws `std::runtime_error` for
/// an empty row and for NaN, whose place in an order would be chance.
text::TokenId greedy_token(std::span<const float> logits);

/// Continues greedily behind what `cache` holds plus `prompt`, until `eos` or `tokens_max`. The EOS
/// is not returned.
std::vector<text::TokenId> generate_greedily(Decoder& decoder, KvCache& cache,
                                             std::span<const text::TokenId> prompt,
                                             std::int32_t tokens_max);

}  // namespace rookery::engine
