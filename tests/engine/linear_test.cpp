#include "engine/linear.hpp"

#include "engine/detail/kernels.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace rookery::engine {
namespace {

using detail::InstructionSet;

std::vector<float> random_floats(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(generator);
  return values;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

/// The definition itself: one accumulator, k rising, one rounding a step.
std::vector<float> fused_reference(std::span<const float> weights, std::span<const float> x,
                                   std::span<const float> bias, std::size_t rows,
                                   std::size_t outputs, std::size_t inputs) {
  std::vector<float> y(rows * outputs);
  for (std::size_t m = 0; m < rows; ++m) {
    for (std::size_t n = 0; n < outputs; ++n) {
      float sum = 0.0F;
      for (std::size_t k = 0; k < inputs; ++k) {
        sum = std::fma(x[m * inputs + k], weights[n * inputs + k], sum);
      }
      y[m * outputs + n] = bias.empty() ? sum : sum + bias[n];
    }
  }
  return y;
}

std::vector<InstructionSet> usable_sets() {
  std::vector<InstructionSet> sets;
  for (const auto set : {InstructionSet::kPlain, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (detail::supported(set)) sets.push_back(set);
  }
  return sets;
}

class LinearShapes : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(LinearShapes, BitsAreThoseOfTheDefinitionForAnyRowsAndThreads) {
  const auto [outputs, inputs] = GetParam();
  constexpr int kRows = 40;
  const auto size = [](int n) { return static_cast<std::size_t>(n); };
  const auto weights = random_floats(size(outputs) * size(inputs), 1);
  const auto x = random_floats(size(kRows) * size(inputs), 2);
  const auto bias = random_floats(size(outputs), 3);
  const PackedMatrix packed(weights, outputs, inputs);
  const auto expected = fused_reference(weights, x, bias, size(kRows), size(outputs), size(inputs));

  for (int threads = 1; threads <= 3; ++threads) {
    base::ThreadTeam team(threads);
    for (int rows = 1; rows <= kRows; ++rows) {
      std::vector<float> y(size(rows) * size(outputs) + 1, 77.0F);
      multiply(team, packed, x.data(), rows, bias, y.data());
      ASSERT_TRUE(same_bits(std::span(y).first(y.size() - 1),
                            std::span(expected).first(size(rows) * size(outputs))))
          << rows << " rows, " << threads << " threads";
      ASSERT_EQ(y.back(), 77.0F) << "wrote behind the end with " << rows << " rows";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(OddSizesAndTails, LinearShapes,
                         testing::Values(std::tuple{1, 1}, std::tuple{5, 3}, std::tuple{16, 16},
                                         std::tuple{31, 64}, std::tuple{33, 17},
                                         std::tuple{128, 96}, std::tuple{200, 51},
                                         std::tuple{577, 129}));

TEST(Linear, EveryInstructionSetGivesTheSameBits) {
  constexpr std::size_t kOutputs = 145;
  constexpr std::size_t kInputs = 67;
  constexpr std::size_t kRows = 27;
  const auto weights = random_floats(kOutputs * kInputs, 4);
  const auto bias = random_floats(kOutputs, 6);
  const auto x = random_floats(kRows * kInputs, 5);
  const PackedMatrix packed(weights, kOutputs, kInputs);
  const auto expected = fused_reference(weights, x, bias, kRows, kOutputs, kInputs);

  for (const auto set : usable_sets()) {
    for (std::size_t rows = 1; rows <= kRows; ++rows) {
      std::vector<float> y(rows * kOutputs);
      detail::Product product;
      product.x = x.data();
      product.x_stride = kInputs;
      product.rows = static_cast<std::int32_t>(rows);
      product.weights = packed.data();
      product.panel_stride = kInputs * detail::kPanelColumns;
      product.inputs = kInputs;
      product.columns = kOutputs;
      product.bias = bias.data();
      product.y = y.data();
      product.y_stride = kOutputs;
      detail::kernels(set).multiply(product);
      ASSERT_TRUE(same_bits(y, std::span(expected).first(y.size())))
          << detail::to_string(set) << ", " << rows << " rows";
    }
  }
}

TEST(Linear, StaysWithinTheRoundingBoundOfADoubleOracle) {
  constexpr std::size_t kOutputs = 70;
  constexpr std::size_t kInputs = 576;
  constexpr std::size_t kRows = 13;
  const auto weights = random_floats(kOutputs * kInputs, 7);
  const auto x = random_floats(kRows * kInputs, 8);
  const PackedMatrix packed(weights, kOutputs, kInputs);
  base::ThreadTeam team(2);
  std::vector<float> y(kRows * kOutputs);

  multiply(team, packed, x.data(), kRows, {}, y.data());

  for (std::size_t m = 0; m < kRows; ++m) {
    for (std::size_t n = 0; n < kOutputs; ++n) {
      double sum = 0.0;
      double magnitude = 0.0;
      for (std::size_t k = 0; k < kInputs; ++k) {
        const double term =
            static_cast<double>(x[m * kInputs + k]) * static_cast<double>(weights[n * kInputs + k]);
        sum += term;
        magnitude += std::abs(term);
      }
      // One rounding of at most 2^-24 of the running sum in each of the steps.
      const double bound = static_cast<double>(kInputs) * std::ldexp(magnitude, -24);
      EXPECT_NEAR(static_cast<double>(y[m * kOutputs + n]), sum, bound);
    }
  }
}

TEST(Linear, ManyRowsPassTheBlockBorderUnchanged) {
  constexpr std::size_t kOutputs = 37;
  constexpr std::size_t kInputs = 1536;  // 65,536 / 1536: blocks of 36 rows
  constexpr std::size_t kRows = 101;
  const auto weights = random_floats(kOutputs * kInputs, 9);
  const auto x = random_floats(kRows * kInputs, 10);
  const PackedMatrix packed(weights, kOutputs, kInputs);
  base::ThreadTeam team(2);
  std::vector<float> y(kRows * kOutputs);
  multiply(team, packed, x.data(), kRows, {}, y.data());
  EXPECT_TRUE(same_bits(y, fused_reference(weights, x, {}, kRows, kOutputs, kInputs)));
}

TEST(Linear, AMovedMatrixStaysUsable) {
  const std::vector<float> weights{1.0F, 2.0F, 3.0F, 4.0F};
  PackedMatrix first(weights, 2, 2);
  const PackedMatrix second = std::move(first);
  base::ThreadTeam team(1);
  const std::vector<float> x{10.0F, 1.0F};
  std::vector<float> y(2);
  multiply(team, second, x.data(), 1, {}, y.data());
  EXPECT_EQ(y, (std::vector<float>{12.0F, 34.0F}));
}

TEST(Linear, RefusesSizesThatDoNotFit) {
  const std::vector<float> weights(6);
  try {
    const PackedMatrix packed(weights, 2, 4);
    FAIL() << "took 6 floats for [2, 4]";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "PackedMatrix: expected weights of [2, 4], got 6 floats");
  }
  const PackedMatrix packed(weights, 2, 3);
  base::ThreadTeam team(1);
  std::vector<float> y(2);
  EXPECT_THROW(multiply(team, packed, weights.data(), 1, std::vector<float>(3), y.data()),
               std::invalid_argument);
}

}  // namespace
}  // namespace rookery::engine
