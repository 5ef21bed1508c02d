#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/text_encoder.hpp"

namespace rookery::testing {

/// Vectors from a hash of the text, so that equal texts get equal vectors whatever else is in the
/// call. `before_encode` runs in front of each call, with the number of calls before it.
class FakeEncoder final : public engine::TextEncoder {
 public:
  explicit FakeEncoder(std::int32_t dimension = 12) {
    identity_.name = "fake";
    identity_.model_hash = std::string(64, 'a');
    identity_.dimension = dimension;
    identity_.pooling = "mean";
    identity_.normalised = false;
  }
  [[nodiscard]] const engine::EncoderIdentity& identity() const override { return identity_; }
  [[nodiscard]] engine::EncoderIdentity& identity() { return identity_; }

  [[nodiscard]] std::vector<float> encode(std::span<const std::string> texts) override {
    if (before_encode) before_encode(calls);
    ++calls;
    texts_encoded += static_cast<std::int64_t>(texts.size());
    std::vector<float> vectors;
    for (const std::string& text : texts) {
      std::uint64_t state = 0xcbf29ce484222325ULL;
      for (const char c : text) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
      for (std::int32_t element = 0; element < identity_.dimension; ++element) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        vectors.push_back(static_cast<float>(state >> 40) / 16777216.0F - 0.5F);
      }
      if (text.find("POISON") != std::string::npos) vectors.back() = poison;
    }
    return vectors;
  }

  std::function<void(int)> before_encode;
  float poison = 0;  ///< the last element of texts that hold the word POISON
  int calls = 0;
  std::int64_t texts_encoded = 0;

 private:
  engine::EncoderIdentity identity_;
};

}  // namespace rookery::testing
