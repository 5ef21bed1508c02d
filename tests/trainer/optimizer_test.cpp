#include "trainer/optimizer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"

namespace rookery::trainer {
namespace {

using models::NamedParameter;

std::vector<NamedParameter> parameters() {
  torch::manual_seed(3);
  return {{"layer.weight", torch::randn({3, 4}).requires_grad_(true)},
          {"layer.bias", torch::randn({3}).requires_grad_(true)}};
}

torch::Tensor loss_of(const std::vector<NamedParameter>& p, int step) {
  const torch::Tensor x = torch::linspace(-1, 1 + step, 8).view({2, 4});
  return (torch::linear(x, p[0].value, p[1].value) - 0.3).pow(2).sum();
}

TEST(AdamW, MovesAsTorchsOwn) {
  auto ours = parameters(), theirs = parameters();
  AdamW optimizer({{ours, 0.05}}, {.weight_decay = 0.1, .clip_norm = 0});
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(std::vector<torch::Tensor>{theirs[0].value},
                      std::make_unique<torch::optim::AdamWOptions>(
                          torch::optim::AdamWOptions(0.05).weight_decay(0.1)));
  groups.emplace_back(std::vector<torch::Tensor>{theirs[1].value},
                      std::make_unique<torch::optim::AdamWOptions>(
                          torch::optim::AdamWOptions(0.05).weight_decay(0)));
  torch::optim::AdamW reference(groups, torch::optim::AdamWOptions(0.05));
  for (int step = 0; step < 5; ++step) {
    optimizer.zero_gradients();
    loss_of(ours, step).backward();
    optimizer.step(1, optimizer.gradient_norm());
    reference.zero_grad();
    loss_of(theirs, step).backward();
    reference.step();
  }
  for (std::size_t i = 0; i < 2; ++i) {
    // Float rounding only: the two order their operations differently.
    EXPECT_LT((ours[i].value - theirs[i].value).abs().max().item<float>(), 2e-6F);
  }
}

TEST(AdamW, ClipsTheNormOverAllGradientsAndLeavesUnusedParametersAlone) {
  auto all = parameters();
  all.push_back({"unused.weight", torch::ones({2}).requires_grad_(true)});
  AdamW optimizer({{all, 0.1}}, {.weight_decay = 0.5, .clip_norm = 1});
  loss_of(all, 0).backward();
  const double norm = optimizer.gradient_norm();
  const double expected = std::sqrt(all[0].value.grad().pow(2).sum().item<double>() +
                                    all[1].value.grad().pow(2).sum().item<double>());
  EXPECT_NEAR(norm, expected, 1e-5);
  ASSERT_GT(norm, 1);
  optimizer.step(1, norm);
  EXPECT_NEAR(optimizer.gradient_norm(), 1, 1e-5);
  EXPECT_TRUE(torch::equal(all[2].value, torch::ones({2})));
}

TEST(AdamW, GoesOnFromItsSavedStateWithTheSameBits) {
  auto whole = parameters(), parts = parameters();
  AdamW first({{whole, 0.1}}, {});
  auto second = std::make_unique<AdamW>(std::vector<ParameterGroup>{{parts, 0.1}}, AdamWOptions{});
  for (int step = 0; step < 4; ++step) {
    first.zero_gradients();
    loss_of(whole, step).backward();
    first.step(0.5, first.gradient_norm());
    if (step == 2) {
      const engine::Checkpoint state = second->state();
      second = std::make_unique<AdamW>(std::vector<ParameterGroup>{{parts, 0.1}}, AdamWOptions{});
      second->load_state(state);
    }
    second->zero_gradients();
    loss_of(parts, step).backward();
    second->step(0.5, second->gradient_norm());
  }
  EXPECT_TRUE(torch::equal(whole[0].value, parts[0].value));
  EXPECT_TRUE(torch::equal(whole[1].value, parts[1].value));
}

TEST(AdamW, RefusesTheStateOfOtherParameters) {
  auto all = parameters();
  const engine::Checkpoint state = AdamW({{all, 0.1}}, {}).state();
  all.pop_back();
  AdamW other({{all, 0.1}}, {});
  EXPECT_THAT([&] { other.load_state(state); },
              ::testing::ThrowsMessage<base::UserError>(::testing::HasSubstr(
                  "expected the state of 1 trained tensors, got 2; resume with the options")));
}

TEST(LinearSchedule, RisesThenFallsToZero) {
  EXPECT_DOUBLE_EQ(linear_schedule(0, 0, 4), 1);
  EXPECT_DOUBLE_EQ(linear_schedule(3, 0, 4), 0.25);
  EXPECT_DOUBLE_EQ(linear_schedule(4, 0, 4), 0);
  EXPECT_DOUBLE_EQ(linear_schedule(0, 3, 11), 0.25);
  EXPECT_DOUBLE_EQ(linear_schedule(2, 3, 11), 0.75);
  EXPECT_DOUBLE_EQ(linear_schedule(3, 3, 11), 1);
  EXPECT_DOUBLE_EQ(linear_schedule(7, 3, 11), 0.5);
}

}  // namespace
}  // namespace rookery::trainer
