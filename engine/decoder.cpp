#include "engine/decoder.hpp"

#include <cmath>
#include <stdexcept>

#include "engine/llama_decoder.hpp"

namespace rookery::engine {

std::unique_ptr<Decoder> open_decoder(const std::filesystem::path& path, DecoderOptions options) {
  return make_decoder(load_checkpoint(path), options);
}

std::unique_ptr<Decoder> make_decoder(const Checkpoint& checkpoint, DecoderOptions options) {
  return std::make_unique<LlamaDecoder>(checkpoint, options);
}

text::TokenId greedy_token(std::span<const float> logits) {
  if (logits.empty()) throw std::runtime_error("greedy_token: expected logits, got none");
  std::size_t best = 0;
  for (std::size_t id = 0; id < logits.size(); ++id) {
    if (std::isnan(logits[id])) {
      throw std::runtime_error("greedy_token: the logit of token " + std::to_string(id) +
                               " is not a number: are the model's weights damaged?");
    }
    if (logits[id] > logits[best]) best = id;
  }
  return static_cast<text::TokenId>(best);
}

std::vector<text::TokenId> generate_greedily(Decoder& decoder, KvCache& cache,
                                             std::span<const text::TokenId> prompt,
                                             std::int32_t tokens_max) {
  if (prompt.empty()) throw std::invalid_argument("generate_greedily: expected a prompt, got none");
  std::vector<text::TokenId> generated;
  std::vector<text::TokenId> next(prompt.begin(), prompt.end());
  while (static_cast<std::int32_t>(generated.size()) < tokens_max) {
    const DecoderInput input{&cache, next, 1};
    const auto token = greedy_token(decoder.forward(std::span(&input, 1)));
    if (token == decoder.config().eos) break;
    generated.push_back(token);
    next = {token};
  }
  return generated;
}

}  // namespace rookery::engine
