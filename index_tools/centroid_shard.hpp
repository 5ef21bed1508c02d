#pragma once

#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

#include "index_tools/snapshot.hpp"

namespace rookery::index_tools {

/// The centroids of an ivfpq file as if they were a shard, id = row = list: a graph can be built
/// over them and walked. The centroids must outlive it.
class CentroidShard final : public SnapshotShard {
 public:
  CentroidShard(std::span<const float> centroids, std::int32_t dimension)
      : dimension_(dimension),
        centroids_(centroids),
        ids_(centroids.size() / static_cast<std::size_t>(dimension)) {
    std::iota(ids_.begin(), ids_.end(), std::int64_t{0});
  }
  [[nodiscard]] std::int32_t shard() const override { return 0; }
  [[nodiscard]] std::int64_t count() const override { return std::ssize(ids_); }
  [[nodiscard]] std::int32_t dimension() const override { return dimension_; }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return ids_; }
  [[nodiscard]] std::span<const float> vectors() const override { return centroids_; }
  [[nodiscard]] PassageView passage(std::int64_t row) const override { return {row, {}, {}, {}}; }
  [[nodiscard]] std::optional<std::int64_t> row_of(std::int64_t id) const override {
    return id >= 0 && id < count() ? std::optional(id) : std::nullopt;
  }

 private:
  std::int32_t dimension_;
  std::span<const float> centroids_;
  std::vector<std::int64_t> ids_;
};

}  // namespace rookery::index_tools
