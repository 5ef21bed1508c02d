#pragma once

#include <cstdint>
#include <numeric>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "index_tools/snapshot.hpp"

namespace rookery::launch::detail {

/// A shard of random vectors in memory, for benchmarks of the pool. Its passages are empty.
class VectorShard final : public index_tools::SnapshotShard {
 public:
  VectorShard(std::int64_t rows, std::int32_t dimension, std::uint64_t seed)
      : dimension_(dimension), ids_(static_cast<std::size_t>(rows)), random_(seed) {
    std::iota(ids_.begin(), ids_.end(), std::int64_t{0});
    vectors_ = drawn(rows);
  }
  /// Further vectors of the same kind, `[rows, dimension]`.
  std::vector<float> drawn(std::int64_t rows) {
    std::vector<float> values(static_cast<std::size_t>(rows * dimension_));
    for (float& value : values) {
      value = static_cast<float>(static_cast<double>(random_() >> 40U) * 0x1p-24 - 0.5);
    }
    return values;
  }
  [[nodiscard]] std::int32_t shard() const override { return 0; }
  [[nodiscard]] std::int64_t count() const override { return std::ssize(ids_); }
  [[nodiscard]] std::int32_t dimension() const override { return dimension_; }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return ids_; }
  [[nodiscard]] std::span<const float> vectors() const override { return vectors_; }
  [[nodiscard]] index_tools::PassageView passage(std::int64_t row) const override {
    return {row, {}, {}, {}, {}};
  }
  [[nodiscard]] std::optional<std::int64_t> row_of(std::int64_t id) const override { return id; }

 private:
  std::int32_t dimension_;
  std::vector<std::int64_t> ids_;
  std::mt19937_64 random_;
  std::vector<float> vectors_;
};

}  // namespace rookery::launch::detail
