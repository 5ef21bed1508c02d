#pragma once

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "index_tools/vector_math.hpp"
#include "memory_shard.hpp"
#include "retriever_pool/row_set.hpp"

namespace rookery::retriever_pool::testing {

/// A shard in memory whose vectors may be binary16 and which may have index files.
class DenseShard final : public index_tools::SnapshotShard {
 public:
  /// With `half`, vectors are rounded to binary16.
  DenseShard(std::int32_t dimension, std::vector<std::int64_t> ids, std::vector<float> vectors,
             bool half)
      : dimension_(dimension), ids_(std::move(ids)), half_(half) {
    if (!half) {
      vectors_ = std::move(vectors);
      return;
    }
    for (const float value : vectors) halves_.push_back(index_tools::to_half(value));
  }
  void add_file(const std::string& name, std::vector<std::byte> bytes) {
    files_[name] = std::move(bytes);
  }

  [[nodiscard]] std::int32_t shard() const override { return 0; }
  [[nodiscard]] std::int64_t count() const override { return std::ssize(ids_); }
  [[nodiscard]] std::int32_t dimension() const override { return dimension_; }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return ids_; }
  [[nodiscard]] index_tools::VectorType vector_type() const override {
    return half_ ? index_tools::VectorType::kFloat16 : index_tools::VectorType::kFloat32;
  }
  [[nodiscard]] std::span<const float> vectors() const override { return vectors_; }
  [[nodiscard]] std::span<const std::uint16_t> half_vectors() const override { return halves_; }
  [[nodiscard]] std::span<const std::byte> file(std::string_view name) const override {
    const auto found = files_.find(std::string(name));
    if (found == files_.end()) return {};
    return found->second;
  }
  [[nodiscard]] index_tools::PassageView passage(std::int64_t row) const override {
    return {ids_[static_cast<std::size_t>(row)], "", "", ""};
  }
  [[nodiscard]] std::optional<std::int64_t> row_of(std::int64_t id) const override {
    const auto found = std::lower_bound(ids_.begin(), ids_.end(), id);
    if (found == ids_.end() || *found != id) return std::nullopt;
    return found - ids_.begin();
  }

 private:
  std::int32_t dimension_;
  std::vector<std::int64_t> ids_;
  bool half_;
  std::vector<float> vectors_;
  std::vector<std::uint16_t> halves_;
  std::map<std::string, std::vector<std::byte>> files_;
};

/// The vectors of a shard as floats, `[count, dimension]`.
inline std::vector<float> float_vectors(const index_tools::SnapshotShard& shard) {
  const auto dimension = static_cast<std::size_t>(shard.dimension());
  std::vector<float> vectors(static_cast<std::size_t>(shard.count()) * dimension);
  for (std::int64_t row = 0; row < shard.count(); ++row) {
    const auto begin = static_cast<std::size_t>(row) * dimension;
    index_tools::copy_vector(shard, row, std::span(vectors).subspan(begin, dimension));
  }
  return vectors;
}

/// Law 1 written down once more, as simply as it can be.
inline float law_score(Metric metric, std::span<const float> q, std::span<const float> d) {
  float lanes[16] = {};
  const std::size_t padded = (q.size() + 15) / 16 * 16;
  for (std::size_t i = 0; i < padded; ++i) {
    const float a = i < q.size() ? q[i] : 0.0F;
    const float b = i < d.size() ? d[i] : 0.0F;
    lanes[i % 16] = metric == Metric::kL2 ? std::fma(a - b, a - b, lanes[i % 16])
                                          : std::fma(a, b, lanes[i % 16]);
  }
  float eight[8], four[4];
  for (int i = 0; i < 8; ++i) eight[i] = lanes[i] + lanes[i + 8];
  for (int i = 0; i < 4; ++i) four[i] = eight[i] + eight[i + 4];
  const float sum = (four[0] + four[2]) + (four[1] + four[3]);
  return metric == Metric::kL2 ? -sum : sum;
}

/// The best `k` of the rows of a shard for a query (normalised for cosine), every pair scored by
/// `law_score`; only rows of `rows`, where there are some.
inline std::vector<Hit> law_oracle(const index_tools::SnapshotShard& shard, Metric metric,
                                   std::span<const float> query, std::int32_t k,
                                   const RowSet* rows = nullptr) {
  const std::vector<float> vectors = float_vectors(shard);
  std::vector<Hit> hits;
  for (std::int64_t row = 0; row < shard.count(); ++row) {
    if (rows != nullptr && !rows->contains(row)) continue;
    const auto vector =
        std::span(vectors).subspan(static_cast<std::size_t>(row) * query.size(), query.size());
    hits.push_back({shard.ids()[static_cast<std::size_t>(row)], law_score(metric, query, vector)});
  }
  std::sort(hits.begin(), hits.end(), better);
  hits.resize(std::min(hits.size(), static_cast<std::size_t>(k)));
  return hits;
}

}  // namespace rookery::retriever_pool::testing
