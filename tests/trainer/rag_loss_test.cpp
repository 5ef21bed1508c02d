#include "trainer/rag_loss.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace rookery::trainer {
namespace {

// The weights-free fixture of specs/hf-rag.md 7.3; its numbers were computed in double by an
// independent script.
constexpr std::int64_t kB = 2, kK = 3, kT = 4, kV = 7, kPad = 1, kBos = 0;

torch::Tensor fixture_logits() {
  torch::Tensor logits = torch::empty({kB, kK, kT, kV}, torch::kFloat64);
  for (int b = 0; b < kB; ++b)
    for (int k = 0; k < kK; ++k)
      for (int t = 0; t < kT; ++t)
        for (int v = 0; v < kV; ++v)
          logits[b][k][t][v] = 2 * std::sin(0.7 * b + 1.3 * k + 0.5 * t + 0.9 * v + 0.1);
  return logits;
}

torch::Tensor fixture_scores() {
  return torch::tensor({{1.0, 0.5, -0.25}, {0.2, 0.0, 2.0}}, torch::kFloat64);
}

torch::Tensor fixture_labels() {
  return torch::tensor({{2, 0, 4, 5}, {2, 0, 6, 1}}, torch::kInt64);
}

RagLossOptions fixture_options(double smoothing, bool exclude_bos = false, bool reduce = false) {
  return {.label_smoothing = smoothing,
          .exclude_bos = exclude_bos,
          .reduce = reduce,
          .pad = kPad,
          .bos = kBos};
}

struct FixtureCase {
  const char* name;
  RagMethod method;
  double smoothing;
  bool exclude_bos;
  double row0, row1, sum;
};

class RagLossFixture : public ::testing::TestWithParam<FixtureCase> {};

TEST_P(RagLossFixture, GivesTheRecordedLosses) {
  const FixtureCase& c = GetParam();
  const auto loss = rag_loss(c.method, fixture_logits(), fixture_labels(), fixture_scores(),
                             fixture_options(c.smoothing, c.exclude_bos));
  EXPECT_NEAR(loss[0].item<double>(), c.row0, 1e-6);
  EXPECT_NEAR(loss[1].item<double>(), c.row1, 1e-6);
  const auto sum = rag_loss(c.method, fixture_logits(), fixture_labels(), fixture_scores(),
                            fixture_options(c.smoothing, c.exclude_bos, true));
  EXPECT_EQ(sum.dim(), 0);
  EXPECT_NEAR(sum.item<double>(), c.sum, 2e-6);
}

INSTANTIATE_TEST_SUITE_P(
    AllCases, RagLossFixture,
    ::testing::Values(
        FixtureCase{"Sequence", RagMethod::kSequence, 0, false, 6.222848, 3.751721, 9.974569},
        FixtureCase{"SequenceWithoutBos", RagMethod::kSequence, 0, true, 4.459171, 2.065210,
                    6.524381},
        FixtureCase{"SequenceSmoothed", RagMethod::kSequence, 0.1, false, 6.494450, 3.956558,
                    10.451008},
        FixtureCase{"SequenceSmoothedWithoutBos", RagMethod::kSequence, 0.1, true, 4.907141,
                    2.438698, 7.345839},
        FixtureCase{"Token", RagMethod::kToken, 0, false, 6.898756, 4.379877, 11.278633},
        FixtureCase{"TokenSmoothed", RagMethod::kToken, 0.1, false, 6.874942, 4.396281, 11.271224}),
    [](const auto& test_case) { return std::string(test_case.param.name); });

struct GradientCase {
  const char* name;
  RagMethod method;
  double smoothing;
  std::vector<double> expected;  ///< `[B, K]`
};

class RagLossGradient : public ::testing::TestWithParam<GradientCase> {};

TEST_P(RagLossGradient, ReachesTheDocumentScoresAsRecorded) {
  const GradientCase& c = GetParam();
  torch::Tensor scores = fixture_scores().requires_grad_(true);
  rag_loss(c.method, fixture_logits(), fixture_labels(), scores,
           fixture_options(c.smoothing, false, true))
      .backward();
  const torch::Tensor gradient = scores.grad().flatten();
  for (int i = 0; i < kB * kK; ++i) {
    EXPECT_NEAR(gradient[i].item<double>(), c.expected[static_cast<std::size_t>(i)], 1e-6) << i;
  }
  // Only the relative score of the retrieved documents is learnt: zero sum over k.
  EXPECT_NEAR(scores.grad().sum(1).abs().max().item<double>(), 0, 1e-12);
}

INSTANTIATE_TEST_SUITE_P(
    AllCases, RagLossGradient,
    ::testing::Values(GradientCase{"Sequence",
                                   RagMethod::kSequence,
                                   0,
                                   {.524280, .102445, -.626725, -.073081, -.596496, .669578}},
                      GradientCase{"Token",
                                   RagMethod::kToken,
                                   0,
                                   {1.158858, -.338928, -.819930, -.225226, -.531127, .756353}},
                      GradientCase{"SequenceSmoothed",
                                   RagMethod::kSequence,
                                   0.1,
                                   {.427528, .121405, -.548933, -.053064, -.526442, .579506}},
                      GradientCase{"TokenSmoothed",
                                   RagMethod::kToken,
                                   0.1,
                                   {1.059778, -.288268, -.771511, -.233204, -.480361, .713565}}),
    [](const auto& test_case) { return std::string(test_case.param.name); });

TEST(RagLoss, GradientOfTheLogitsEqualsCentralDifferences) {
  for (const RagMethod method : {RagMethod::kSequence, RagMethod::kToken}) {
    torch::Tensor logits = fixture_logits().requires_grad_(true);
    const auto loss_at = [&](const torch::Tensor& at) {
      return rag_loss(method, at, fixture_labels(), fixture_scores(),
                      fixture_options(0.1, false, true));
    };
    loss_at(logits).backward();
    constexpr double kStep = 1e-5;
    for (const std::int64_t i : {0L, 17L, 55L, 90L, 120L, 167L}) {
      torch::Tensor up = fixture_logits(), down = fixture_logits();
      up.view(-1)[i] += kStep;
      down.view(-1)[i] -= kStep;
      const double slope = (loss_at(up) - loss_at(down)).item<double>() / (2 * kStep);
      EXPECT_NEAR(logits.grad().view(-1)[i].item<double>(), slope, 1e-8) << i;
    }
  }
}

TEST(RagLoss, LosesThePriorWhereTheSecondLabelIsAPad) {
  const auto labels = torch::tensor({{2, 4, 1, 1}, {2, 4, 1, 1}}, torch::kInt64);
  const auto loss = [&](const torch::Tensor& scores) {
    return rag_loss(RagMethod::kSequence, fixture_logits(), labels, scores, fixture_options(0));
  };
  // Shifted targets are 4, pad, pad, pad: position 1 is masked and takes the prior with it.
  EXPECT_TRUE(torch::equal(loss(fixture_scores()), loss(fixture_scores() * 5)));
}

TEST(RagLoss, RefusesShapesThatDisagree) {
  EXPECT_THAT(
      [] {
        (void)rag_loss(RagMethod::kToken, fixture_logits(), fixture_labels(),
                       torch::zeros({kB, kK + 1}, torch::kFloat64), fixture_options(0));
      },
      ::testing::ThrowsMessage<std::invalid_argument>(::testing::HasSubstr(
          "expected logits [B, K, T, V], labels [B, T] and scores [B, K], got [2, 3, 4, 7], [2, 4] "
          "and [2, 4]")));
  EXPECT_THROW((void)rag_method("rag"), std::invalid_argument);
}

TEST(AnswerLoss, IsTheSameFunctionAsTheEncoderDecodersLoss) {
  // The decoder-only form scores targets in place; HF's shifts labels by one. The same targets,
  // the last position being HF's pad.
  const auto targets = fixture_labels().slice(1, 1);
  const auto mask = targets != kPad;
  for (const RagMethod method : {RagMethod::kSequence, RagMethod::kToken}) {
    for (const double smoothing : {0.0, 0.1}) {
      const auto ours = answer_loss(method, fixture_logits().slice(2, 0, kT - 1), targets, mask,
                                    fixture_scores(), smoothing);
      const auto theirs = rag_loss(method, fixture_logits(), fixture_labels(), fixture_scores(),
                                   fixture_options(smoothing));
      EXPECT_LT((ours - theirs).abs().max().item<double>(), 1e-12);
    }
  }
}

TEST(AnswerLoss, EqualsTheClosedFormByANaiveLoop) {
  const auto logits = fixture_logits();
  const auto targets = torch::tensor({{3, 5, 0, 2}, {6, 0, 0, 0}}, torch::kInt64);
  const auto mask = torch::tensor({{1, 1, 1, 1}, {1, 0, 0, 0}}).to(torch::kBool);
  const auto scores = fixture_scores();
  const auto loss = answer_loss(RagMethod::kSequence, logits, targets, mask, scores, 0);
  for (int b = 0; b < kB; ++b) {
    double norm = 0, total = 0;
    for (int k = 0; k < kK; ++k) norm += std::exp(scores[b][k].item<double>());
    for (int k = 0; k < kK; ++k) {
      double probability = std::exp(scores[b][k].item<double>()) / norm;
      for (int t = 0; t < kT; ++t) {
        if (!mask[b][t].item<bool>()) continue;
        double sum = 0;
        for (int v = 0; v < kV; ++v) sum += std::exp(logits[b][k][t][v].item<double>());
        probability *=
            std::exp(logits[b][k][t][targets[b][t].item<std::int64_t>()].item<double>()) / sum;
      }
      total += probability;
    }
    EXPECT_NEAR(loss[b].item<double>(), -std::log(total), 1e-12);
  }
}

TEST(AnswerLoss, IgnoresWhateverStandsBehindAnAnswersEnd) {
  torch::Tensor logits = fixture_logits();
  const auto targets = torch::tensor({{3, 5, 0, 2}, {6, 0, 0, 0}}, torch::kInt64);
  const auto mask = torch::tensor({{1, 1, 1, 1}, {1, 0, 0, 0}}).to(torch::kBool);
  const auto clean = answer_loss(RagMethod::kToken, logits, targets, mask, fixture_scores(), 0);
  logits.index_put_({1, torch::indexing::Slice(), torch::indexing::Slice(1)},
                    std::numeric_limits<double>::quiet_NaN());
  const auto dirty = answer_loss(RagMethod::kToken, logits, targets, mask, fixture_scores(), 0);
  EXPECT_TRUE(torch::equal(clean, dirty));
}

}  // namespace
}  // namespace rookery::trainer
