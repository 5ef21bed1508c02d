#include "engine/detail/kernels.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

namespace rookery::engine::detail {
namespace {

std::vector<float> random_floats(std::size_t count, float bound, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-bound, bound);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(generator);
  return values;
}

/// Runs `run` with every table that this CPU supports; all must leave the plain table's bytes.
void expect_same_bits(const std::function<std::vector<float>(const Kernels&)>& run) {
  const auto expected = run(kernels(InstructionSet::kPlain));
  for (const auto set : {InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (!supported(set)) continue;
    const auto got = run(kernels(set));
    ASSERT_EQ(got.size(), expected.size());
    EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)), 0)
        << to_string(set);
  }
}

TEST(Kernels, EveryFunctionHasTheSameBitsInAllInstructionSets) {
  for (const std::int32_t count : {1, 7, 15, 16, 17, 31, 32, 33, 84, 129, 384}) {
    SCOPED_TRACE(count);
    const auto size = static_cast<std::size_t>(count);
    const auto a = random_floats(size, 9.0F, 1);
    const auto b = random_floats(size, 2.0F, 2);
    const auto c = random_floats(size, 2.0F, 3);
    expect_same_bits([&](const Kernels& table) {
      return std::vector<float>{table.dot(a.data(), b.data(), count)};
    });
    expect_same_bits([&](const Kernels& table) {
      auto y = a;
      table.add_scaled(y.data(), b.data(), 0.37F, count);
      return y;
    });
    expect_same_bits([&](const Kernels& table) {
      auto y = a;
      table.softmax(y.data(), count, 0.177F);
      return y;
    });
    expect_same_bits([&](const Kernels& table) {
      auto y = a;
      table.gelu(y.data(), size);
      return y;
    });
    expect_same_bits([&](const Kernels& table) {
      auto y = a;
      table.silu_multiply(y.data(), b.data(), size);
      return y;
    });
    expect_same_bits([&](const Kernels& table) {
      auto y = a;
      table.add_layer_norm(y.data(), c.data(), b.data(), c.data(), 1e-12F, count);
      return y;
    });
    expect_same_bits([&](const Kernels& table) {
      auto y = a;
      table.rms_norm(a.data(), b.data(), 1e-5F, count, y.data());
      return y;
    });
  }
}

TEST(Kernels, GeluIsWithinThreeTenMillionthsOfTheErfForm) {
  std::vector<float> x;
  for (float value = -12.0F; value <= 12.0F; value += 0.0037F) x.push_back(value);
  x.insert(x.end(), {-1e30F, -100.0F, -0.0F, 0.0F, 1e-30F, 100.0F, 1e30F});
  auto y = x;
  kernels().gelu(y.data(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto value = static_cast<double>(x[i]);
    const double expected = value < -100.0 ? 0.0 : 0.5 * value * std::erfc(-value / std::sqrt(2.0));
    // 1e-7 of erfc, scaled by |x|, and one rounding of the result. In the tail erfc ends at
    // 3e-12; what is off there is 1e-10 of x.
    const double bound = std::abs(value) < 6.0
                             ? 3e-7 * std::max(1.0, std::abs(value))
                             : 1.3e-7 * std::abs(expected) + 1e-10 * std::abs(value);
    EXPECT_NEAR(static_cast<double>(y[i]), expected, bound) << "x = " << x[i];
  }
}

TEST(Kernels, SiluAndTheExponentialInItAreAccurateAtBothEnds) {
  std::vector<float> x;
  for (float value = -86.0F; value <= 86.0F; value += 0.013F) x.push_back(value);
  x.insert(x.end(), {-1000.0F, 1000.0F});
  auto y = x;
  const std::vector<float> ones(x.size(), 1.0F);
  kernels().silu_multiply(y.data(), ones.data(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto value = static_cast<double>(x[i]);
    const double expected = value / (1.0 + std::exp(-value));
    EXPECT_NEAR(static_cast<double>(y[i]), expected, 4e-7 * std::abs(expected) + 1e-34)
        << "x = " << x[i];
  }
}

TEST(Kernels, SoftmaxSumsToOneAndMatchesDoubles) {
  for (const std::int32_t count : {1, 5, 16, 77, 256}) {
    const auto x = random_floats(static_cast<std::size_t>(count), 30.0F, 4);
    auto y = x;
    kernels().softmax(y.data(), count, 0.5F);
    double top = -1e30;
    for (const float value : x) top = std::max(top, 0.5 * static_cast<double>(value));
    double sum = 0.0;
    for (const float value : x) sum += std::exp(0.5 * static_cast<double>(value) - top);
    double total = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = std::exp(0.5 * static_cast<double>(x[i]) - top) / sum;
      EXPECT_NEAR(static_cast<double>(y[i]), expected, 3e-6 * expected + 1e-30);
      total += static_cast<double>(y[i]);
    }
    EXPECT_NEAR(total, 1.0, 1e-6);
  }
}

TEST(Kernels, SoftmaxOfAVeryLowRowStillSumsToOne) {
  std::vector<float> row(20, -1e30F);
  kernels().softmax(row.data(), 20, 1.0F);
  for (const float value : row) EXPECT_FLOAT_EQ(value, 0.05F);
}

TEST(Kernels, LayerNormMatchesDoubles) {
  for (const std::int32_t count : {3, 16, 50, 384}) {
    const auto size = static_cast<std::size_t>(count);
    const auto x = random_floats(size, 3.0F, 5);
    const auto residual = random_floats(size, 3.0F, 6);
    const auto weight = random_floats(size, 2.0F, 7);
    const auto bias = random_floats(size, 1.0F, 8);
    auto y = x;
    kernels().add_layer_norm(y.data(), residual.data(), weight.data(), bias.data(), 1e-5F, count);
    double mean = 0.0;
    double variance = 0.0;
    std::vector<double> sums(size);
    for (std::size_t i = 0; i < size; ++i) {
      sums[i] = static_cast<double>(x[i]) + static_cast<double>(residual[i]);
      mean += sums[i] / count;
    }
    for (const double value : sums) variance += (value - mean) * (value - mean) / count;
    for (std::size_t i = 0; i < size; ++i) {
      const double expected =
          (sums[i] - mean) / std::sqrt(variance + 1e-5) * static_cast<double>(weight[i]) +
          static_cast<double>(bias[i]);
      EXPECT_NEAR(static_cast<double>(y[i]), expected, 5e-6);
    }
  }
}

}  // namespace
}  // namespace rookery::engine::detail
