#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>

#include "base/error.hpp"
#include "engine/decoder.hpp"
#include "engine/text_encoder.hpp"
#include "models/bert_encoder.hpp"
#include "models/llama_decoder.hpp"
#include "tests/trainer/tiny_models.hpp"
#include "text/wordpiece.hpp"

namespace rookery::models {
namespace {

using Rows = std::vector<std::vector<text::TokenId>>;

/// The largest difference between the libtorch decoder and the engine's over all positions.
float largest_difference(const engine::Checkpoint& checkpoint, const Rows& rows) {
  const torch::NoGradGuard no_gradients;
  LlamaDecoder ours(checkpoint);
  const auto reference = engine::make_decoder(checkpoint, {.threads = 2});
  const torch::Tensor logits = ours.logits(ours.hidden(make_token_batch(rows)));
  float largest = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    auto cache = reference->new_cache();
    const auto length = static_cast<std::int32_t>(rows[r].size());
    const engine::DecoderInput input{.cache = &cache, .tokens = rows[r], .logit_rows = length};
    std::vector<float> expected = reference->forward({&input, 1});
    const torch::Tensor wanted =
        torch::from_blob(expected.data(), {length, reference->config().vocabulary});
    const torch::Tensor got = logits[static_cast<std::int64_t>(r)].slice(0, 0, length);
    largest = std::max(largest, (got - wanted).abs().max().item<float>());
  }
  return largest;
}

float largest_difference(const engine::Checkpoint& checkpoint,
                         const std::vector<std::string>& texts) {
  const torch::NoGradGuard no_gradients;
  BertEncoder ours(checkpoint);
  const auto list = checkpoint.files.at("vocab.txt");
  const auto tokenizer = text::WordPieceTokenizer::from_vocabulary(list, {});
  Rows rows;
  for (const auto& text : texts) rows.push_back(tokenizer->encode_single(text, 32));
  const torch::Tensor vectors = ours.forward(make_token_batch(rows));
  std::vector<float> expected =
      engine::make_text_encoder(checkpoint, {.threads = 2})->encode(texts);
  return (vectors - torch::from_blob(expected.data(), vectors.sizes())).abs().max().item<float>();
}

TEST(LlamaDecoder, EqualsTheEngineOnATinyModel) {
  EXPECT_LT(largest_difference(testing::tiny_generator(),
                               Rows{{5, 9, 200, 31, 7, 64}, {77}, {256, 1, 2}}),
            1e-4F);
}

TEST(LlamaDecoder, EqualsTheEngineOnSmolLm2) {
  const auto checkpoint = engine::load_checkpoint(engine::resolve_model("smollm2-135m"));
  const auto tokens =
      engine::make_decoder(checkpoint, {.threads = 2})
          ->tokenizer()
          .encode("Title: Rook\nThe rook is a bird of the crow family.\nQuestion: what is it?");
  EXPECT_LT(largest_difference(checkpoint, Rows{tokens, {tokens.begin(), tokens.begin() + 5}}),
            // Logits are around 20; both sum 576 to 1,536 products in float, in different orders.
            1e-3F);
}

TEST(LlamaDecoder, GivesARowTheSameLogitsWhateverIsBesideIt) {
  const torch::NoGradGuard no_gradients;
  LlamaDecoder decoder(testing::tiny_generator());
  const Rows alone{{5, 9, 200}};
  const Rows padded{{5, 9, 200}, {1, 2, 3, 4, 5, 6, 7, 8}};
  const auto a = decoder.hidden(make_token_batch(alone))[0];
  const auto b = decoder.hidden(make_token_batch(padded))[0].slice(0, 0, 3);
  EXPECT_LT((a - b).abs().max().item<float>(), 1e-6F);
}

TEST(LlamaDecoder, TrainsTheLastLayersOnly) {
  LlamaDecoder decoder(testing::tiny_generator());
  decoder.train_last_layers(1);
  for (const auto& parameter : decoder.parameters().trained()) {
    EXPECT_TRUE(parameter.name.starts_with("model.layers.2.") ||
                parameter.name == "model.norm.weight")
        << parameter.name;
  }
  EXPECT_EQ(decoder.parameters().trained().size(), 10u);
  decoder.train_last_layers(0);
  EXPECT_TRUE(decoder.parameters().trained().empty());
  decoder.train_last_layers(-1);
  EXPECT_EQ(decoder.parameters().trained().size(), decoder.parameters().all().size());
}

TEST(LlamaDecoder, RefusesRowsLongerThanItsPositions) {
  LlamaDecoder decoder(testing::tiny_generator());
  const Rows rows{std::vector<text::TokenId>(129, 3)};
  EXPECT_THAT([&] { (void)decoder.hidden(make_token_batch(rows)); },
              ::testing::ThrowsMessage<std::invalid_argument>(
                  ::testing::HasSubstr("expected rows of at most 128 tokens, got 129")));
}

TEST(BertEncoder, EqualsTheEngineOnATinyModel) {
  EXPECT_LT(largest_difference(testing::tiny_encoder(), {"which a", "z", "which way now"}), 1e-5F);
}

TEST(BertEncoder, EqualsTheEngineOnMiniLm) {
  const auto checkpoint = engine::load_checkpoint(engine::resolve_model("minilm"));
  EXPECT_LT(largest_difference(checkpoint, {"who proposed the actor model", "a rook",
                                            "Crows are "
                                            "birds of the genus Corvus, broadly speaking."}),
            1e-5F);
}

TEST(ParameterSet, CopiesBackWhatItTookAndKeepsTheRest) {
  const auto checkpoint = testing::tiny_encoder();
  BertEncoder encoder(checkpoint);
  engine::Checkpoint copy;
  copy.tensors["pooler.dense.bias"] = checkpoint.tensors.at("pooler.dense.bias");
  encoder.parameters().copy_to(copy);
  EXPECT_EQ(copy.tensors.size(), checkpoint.tensors.size() - 1);
  for (const auto& [name, tensor] : copy.tensors) {
    EXPECT_EQ(tensor.values, checkpoint.tensors.at(name).values) << name;
    EXPECT_EQ(tensor.shape, checkpoint.tensors.at(name).shape) << name;
  }
}

TEST(ParameterSet, NamesATensorOfTheWrongShape) {
  auto checkpoint = testing::tiny_generator();
  checkpoint.tensors["model.norm.weight"] = {{3}, {1, 2, 3}};
  EXPECT_THAT([&] { LlamaDecoder{checkpoint}; },
              ::testing::ThrowsMessage<base::UserError>(::testing::HasSubstr("model.norm.weight")));
}

TEST(TokenBatch, RefusesEmptyRows) {
  EXPECT_THROW((void)make_token_batch({}), std::invalid_argument);
  const Rows rows{{1}, {}};
  EXPECT_THROW((void)make_token_batch(rows), std::invalid_argument);
}

}  // namespace
}  // namespace rookery::models
