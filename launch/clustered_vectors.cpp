#include "launch/clustered_vectors.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include "base/thread_team.hpp"

namespace rookery::launch {
namespace {

constexpr std::size_t kCentres = 2000, kLatent = 64;
constexpr float kLatentNoise = 0.6F, kNoise = 0.1F;

}  // namespace

ClusteredVectors::ClusteredVectors(std::int32_t dimension, std::uint64_t seed)
    : dimension_(dimension),
      seed_(seed),
      centres_(kCentres * kLatent),
      projection_(kLatent * static_cast<std::size_t>(dimension)) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  for (float& x : centres_) x = normal(random);
  const float scale = 1 / std::sqrt(static_cast<float>(kLatent));
  for (float& x : projection_) x = scale * normal(random);
}

std::vector<float> ClusteredVectors::rows(std::int64_t begin, std::int64_t count,
                                          int threads) const {
  std::vector<float> vectors(static_cast<std::size_t>(count * dimension_));
  base::ThreadTeam team(threads);
  const int parts = threads * 8;
  team.run(parts, [&](int part) {
    for (std::int64_t i = count * part / parts; i < count * (part + 1) / parts; ++i) {
      row(begin + i, vectors.data() + i * dimension_);
    }
  });
  return vectors;
}

void ClusteredVectors::row(std::int64_t index, float* out) const {
  std::mt19937_64 random((seed_ << 40) ^ (static_cast<std::uint64_t>(index) * 2 + 1));
  std::normal_distribution<float> normal;
  const float* centre = centres_.data() + random() % kCentres * kLatent;
  const auto width = static_cast<std::size_t>(dimension_);
  for (std::size_t d = 0; d < width; ++d) out[d] = kNoise * normal(random);
  for (std::size_t l = 0; l < kLatent; ++l) {
    const float x = centre[l] + kLatentNoise * normal(random);
    const float* direction = projection_.data() + l * width;
    for (std::size_t d = 0; d < width; ++d) out[d] += x * direction[d];
  }
  double squares = 0;
  for (std::size_t d = 0; d < width; ++d) {
    squares += static_cast<double>(out[d]) * static_cast<double>(out[d]);
  }
  const auto scale = static_cast<float>(1 / std::sqrt(squares));
  for (std::size_t d = 0; d < width; ++d) out[d] *= scale;
}

}  // namespace rookery::launch
