#pragma once

#include <memory>

#include "engine/decoder.hpp"
#include "engine/text_encoder.hpp"
#include "serving/answerer.hpp"
#include "serving/engine_generator.hpp"
#include "serving/serve_options.hpp"

namespace rookery::serving {

/// The models of one serving worker, loaded from what the options name.
class ServingModels {
 public:
  /// Loads the generator, and the query encoder unless the workload is none. Throws `UserError`
  /// naming the file when one is missing or damaged.
  explicit ServingModels(const ServeOptions& options);
  /// An answerer over `retriever` (null with workload none), which must outlive it, as must this.
  /// `cut_prompts`: see `AnswererOptions`.
  [[nodiscard]] std::unique_ptr<Answerer> make_answerer(retriever_pool::Retriever* retriever,
                                                        bool cut_prompts = false);
  [[nodiscard]] Generator& generator() { return *generator_; }
  [[nodiscard]] const text::Tokenizer& tokenizer() const { return decoder_->tokenizer(); }

 private:
  ServeOptions options_;
  std::unique_ptr<engine::Decoder> decoder_;
  std::unique_ptr<EngineGenerator> generator_;
  std::unique_ptr<engine::TextEncoder> encoder_;
};

/// One question as `options` want it asked: as the user's turn of a conversation with `chat`, else
/// as a text to continue.
Question make_question(const ServeOptions& options, const std::string& text);

}  // namespace rookery::serving
