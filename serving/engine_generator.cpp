#include "serving/engine_generator.hpp"

#include <stdexcept>
#include <string>

namespace rookery::serving {

EngineGenerator::EngineGenerator(engine::Decoder& decoder, std::size_t sequences_kept)
    : decoder_(decoder), slots_(sequences_kept) {
  for (std::size_t i = 0; i < sequences_kept; ++i) caches_.push_back(decoder.new_cache());
}

std::int32_t EngineGenerator::positions_max() const { return decoder_.config().positions; }

void EngineGenerator::forget() {
  slots_ = PrefixSlots(slots_.count());
  for (engine::KvCache& cache : caches_) cache.truncate(0);
}

Continuation EngineGenerator::continue_greedily(std::span<const text::TokenId> input,
                                                std::int32_t tokens_max) {
  if (input.empty() || tokens_max < 1 ||
      static_cast<std::int64_t>(input.size()) + tokens_max > positions_max()) {
    throw std::invalid_argument("continue_greedily: expected 1 to " +
                                std::to_string(positions_max()) + " tokens in all, got " +
                                std::to_string(input.size()) + " and " +
                                std::to_string(tokens_max) + " new ones");
  }
  const PrefixSlots::Choice choice = slots_.choose(input);
  engine::KvCache& cache = caches_[choice.slot];
  cache.truncate(choice.keep);

  Continuation out;
  std::vector<text::TokenId> fed(input.begin() + choice.keep, input.end());
  while (true) {
    const engine::DecoderInput pass{&cache, fed, 1};
    const std::vector<float> logits = decoder_.forward(std::span(&pass, 1));
    slots_.append(choice.slot, fed);
    out.evaluated += static_cast<std::int64_t>(fed.size());
    const text::TokenId next = engine::greedy_token(logits);
    if (next == decoder_.config().eos) {
      out.ended = true;
      return out;
    }
    out.tokens.push_back(next);
    if (static_cast<std::int32_t>(out.tokens.size()) == tokens_max) return out;
    fed.assign(1, next);
  }
}

}  // namespace rookery::serving
