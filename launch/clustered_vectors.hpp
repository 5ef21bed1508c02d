#pragma once

#include <cstdint>
#include <vector>

namespace rookery::launch {

/// Vectors that lie as embeddings of a corpus do: 2,000 centres in a space of 64 dimensions, a
/// noise of 0.6 around them, projected to `dimension`, a noise of 0.1 in every direction, length 1.
/// Row i is the same whatever else is drawn.
class ClusteredVectors {
 public:
  ClusteredVectors(std::int32_t dimension, std::uint64_t seed);
  /// Rows [begin, begin + count), `[count, dimension]`, on `threads` threads.
  [[nodiscard]] std::vector<float> rows(std::int64_t begin, std::int64_t count, int threads) const;
  [[nodiscard]] std::int32_t dimension() const { return dimension_; }

 private:
  void row(std::int64_t index, float* out) const;

  std::int32_t dimension_;
  std::uint64_t seed_;
  std::vector<float> centres_;     // [2000, 64]
  std::vector<float> projection_;  // [64, dimension]
};

}  // namespace rookery::launch
