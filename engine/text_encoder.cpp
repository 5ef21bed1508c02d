#include "engine/text_encoder.hpp"

#include "engine/bert_encoder.hpp"

namespace rookery::engine {

std::unique_ptr<TextEncoder> make_text_encoder(const Checkpoint& checkpoint,
                                               EncoderOptions options) {
  return std::make_unique<BertEncoder>(checkpoint, options);
}

std::unique_ptr<TextEncoder> open_text_encoder(const std::filesystem::path& path,
                                               EncoderOptions options) {
  return make_text_encoder(load_checkpoint(path), options);
}

std::string passage_text(std::string_view title, std::string_view text) {
  std::string joined(title);
  if (!title.empty()) joined += ". ";
  joined += text;
  return joined;
}

}  // namespace rookery::engine
