#include "retriever_pool/row_scorer.hpp"

#include <stdexcept>
#include <string>

#include "retriever_pool/detail/scan_support.hpp"

namespace rookery::retriever_pool {

struct RowScorer::Impl {
  detail::AlignedArray<float> query;
  const void* rows = nullptr;
  std::int64_t row_bytes = 0;
  std::int32_t dimension = 0;
  detail::RowScoringFunction kernel = nullptr;
};

RowScorer::RowScorer(Metric metric, const index_tools::SnapshotShard& shard,
                     std::span<const float> query, InstructionSet instructions)
    : impl_(std::make_unique<Impl>()) {
  const std::int32_t dimension = shard.dimension();
  if (dimension < 1 || std::ssize(query) != dimension) {
    throw std::invalid_argument("RowScorer: expected a query of " + std::to_string(dimension) +
                                " floats, got " + std::to_string(query.size()));
  }
  const bool half = shard.vector_type() == index_tools::VectorType::kFloat16;
  impl_->query = detail::aligned_zeros<float>(detail::padded_dimension(dimension));
  detail::pack_queries(query.data(), 1, 1, dimension, impl_->query.get());
  impl_->rows = half ? static_cast<const void*>(shard.half_vectors().data())
                     : static_cast<const void*>(shard.vectors().data());
  impl_->row_bytes = std::int64_t{dimension} * (half ? 2 : 4);
  impl_->dimension = dimension;
  impl_->kernel = detail::kernels_for(instructions, {detail::is_l2(metric), half}).score;
}

RowScorer::~RowScorer() = default;

void RowScorer::score(std::span<const std::int32_t> rows, float* scores) const {
  const detail::FixedFloatMode mode;
  impl_->kernel(
      {impl_->rows, rows.data(), std::ssize(rows), impl_->dimension, impl_->query.get(), scores});
}

float RowScorer::score(std::int64_t row) const {
  const detail::FixedFloatMode mode;
  const auto* bytes = static_cast<const std::byte*>(impl_->rows) + row * impl_->row_bytes;
  const std::int32_t first = 0;
  float result = 0;
  impl_->kernel({bytes, &first, 1, impl_->dimension, impl_->query.get(), &result});
  return result;
}

}  // namespace rookery::retriever_pool
