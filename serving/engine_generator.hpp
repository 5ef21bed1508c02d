#pragma once

#include <memory>
#include <vector>

#include "engine/decoder.hpp"
#include "serving/generator.hpp"
#include "serving/prefix_slots.hpp"

namespace rookery::serving {

/// `engine`'s decoder as a `Generator`, with the KV of the last few sequences kept. Since the
/// engine's logits do not depend on how a sequence was cut into passes, what is reused never shows.
class EngineGenerator final : public Generator {
 public:
  /// `decoder` outlives this. Memory: `sequences_kept` KV caches.
  explicit EngineGenerator(engine::Decoder& decoder, std::size_t sequences_kept = 2);
  [[nodiscard]] Continuation continue_greedily(std::span<const text::TokenId> input,
                                               std::int32_t tokens_max) override;
  [[nodiscard]] std::int32_t positions_max() const override;
  void forget() override;

 private:
  engine::Decoder& decoder_;
  PrefixSlots slots_;
  std::vector<engine::KvCache> caches_;  ///< one a slot
};

}  // namespace rookery::serving
