#include "trainer/sequence_decoding.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/trainer/tiny_models.hpp"

namespace rookery::trainer {
namespace {

using Tokens = std::vector<text::TokenId>;

class SequenceDecoderTest : public ::testing::Test {
 protected:
  /// log p(tokens | prompt) by one plain forward pass, in double.
  double log_probability(const Tokens& prompt, const Tokens& tokens) {
    Tokens all = prompt;
    all.insert(all.end(), tokens.begin(), tokens.end() - 1);
    auto cache = decoder_->new_cache();
    const auto rows = static_cast<std::int32_t>(tokens.size());
    const engine::DecoderInput input{.cache = &cache, .tokens = all, .logit_rows = rows};
    const auto logits = decoder_->forward({&input, 1});
    const auto vocabulary = static_cast<std::size_t>(decoder_->config().vocabulary);
    double result = 0;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      double sum = 0;
      for (std::size_t v = 0; v < vocabulary; ++v) {
        sum += std::exp(static_cast<double>(logits[t * vocabulary + v]));
      }
      result += static_cast<double>(logits[t * vocabulary + static_cast<std::size_t>(tokens[t])]) -
                std::log(sum);
    }
    return result;
  }

  Tokens greedy(const Tokens& prompt) {
    Tokens all = prompt, answer;
    do {
      auto cache = decoder_->new_cache();
      const engine::DecoderInput input{.cache = &cache, .tokens = all, .logit_rows = 1};
      answer.push_back(engine::greedy_token(decoder_->forward({&input, 1})));
      all.push_back(answer.back());
    } while (!format_.ends(answer.back()) && answer.size() < 5);
    return answer;
  }

  std::unique_ptr<engine::Decoder> decoder_ =
      engine::make_decoder(testing::tiny_generator(), {.threads = 1});
  PromptFormat format_{decoder_->tokenizer(), decoder_->config().eos, {.answer_tokens = 4}};
  std::vector<DecodingTask> tasks_{{{{1, 2, 3}, {40, 50}, {7}}, {0.3F, 0.1F, -0.2F}},
                                   {{{9, 8, 7, 6}, {200}}, {0.5F, 0.6F}}};
};

TEST_F(SequenceDecoderTest, PicksTheBestMarginalOfAllCandidatesUnderAllDocuments) {
  SequenceDecoder sequences(*decoder_, format_, 20);
  const auto answers = sequences.decode(tasks_);
  ASSERT_EQ(answers.size(), 2u);
  for (std::size_t t = 0; t < tasks_.size(); ++t) {
    const auto prior = log_prior(tasks_[t].scores, 20);
    double best = -INFINITY;
    Tokens best_tokens;
    for (const auto& prompt : tasks_[t].prompts) {
      const Tokens candidate = greedy(prompt);
      double sum = 0;
      for (std::size_t k = 0; k < prior.size(); ++k) {
        sum += std::exp(prior[k] + log_probability(tasks_[t].prompts[k], candidate));
      }
      if (std::log(sum) > best) {
        best = std::log(sum);
        best_tokens = candidate;
      }
    }
    EXPECT_EQ(answers[t].tokens, best_tokens);
    EXPECT_NEAR(answers[t].log_probability, best, 1e-4);
  }
}

TEST_F(SequenceDecoderTest, AnswersAloneAsInCompanyAndAfterOtherTasks) {
  SequenceDecoder together(*decoder_, format_, 20), alone(*decoder_, format_, 20);
  const auto both = together.decode(tasks_);
  for (std::size_t t : {1u, 0u}) {
    const auto one = alone.decode({tasks_[t]});
    EXPECT_EQ(one[0].tokens, both[t].tokens);
    EXPECT_EQ(one[0].log_probability, both[t].log_probability);
  }
}

TEST_F(SequenceDecoderTest, CountsDifferentCandidatesOnce) {
  SequenceDecoder sequences(*decoder_, format_, 20);
  const auto answers = sequences.decode({{{{1, 2, 3}, {1, 2, 3}}, {0.3F, 0.3F}}});
  EXPECT_EQ(answers[0].candidates, 1);
}

TEST_F(SequenceDecoderTest, RefusesScoresThatDoNotMatchThePrompts) {
  SequenceDecoder sequences(*decoder_, format_, 20);
  EXPECT_THROW((void)sequences.decode({{{{1}}, {}}}), std::invalid_argument);
  EXPECT_THROW((void)sequences.decode({{{}, {}}}), std::invalid_argument);
}

TEST(LogPrior, IsASoftmax) {
  const auto prior = log_prior({1, 0}, 2);
  EXPECT_NEAR(std::exp(prior[0]), 1 / (1 + std::exp(-2.0)), 1e-12);
  EXPECT_NEAR(std::exp(prior[0]) + std::exp(prior[1]), 1, 1e-12);
}

}  // namespace
}  // namespace rookery::trainer
