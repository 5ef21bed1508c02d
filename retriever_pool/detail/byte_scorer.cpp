#include "retriever_pool/detail/byte_scorer.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace rookery::retriever_pool::detail {
namespace {

auto kernel_for(InstructionSet instructions) {
  switch (instructions) {
    case InstructionSet::kAvx512:
      return cpu_has_vnni() ? byte_dots_vnni : byte_dots_avx2;
    case InstructionSet::kAvx2:
      return byte_dots_avx2;
    case InstructionSet::kPlain:
      break;
  }
  return byte_dots_plain;
}

}  // namespace

bool cpu_has_vnni() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vnni");
}

ByteScorer::ByteScorer(Metric metric, const index_tools::Int8Codes& codes,
                       std::span<const float> query, InstructionSet instructions)
    : codes_(codes), l2_(metric == Metric::kL2), kernel_(kernel_for(instructions)) {
  const auto stride = static_cast<std::size_t>(codes.stride);
  query_storage_.resize(stride + 63);
  const auto address = reinterpret_cast<std::uintptr_t>(query_storage_.data());
  std::int8_t* aligned = query_storage_.data() + (64 - address % 64) % 64;
  query_ = aligned;
  float largest = 0;
  for (const float value : query) largest = std::max(largest, std::fabs(value));
  query_scale_ = largest / 127.0F;
  if (!(query_scale_ > 0)) return;  // a query of zeros, or so tiny that no step is left
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < query.size(); ++i) {
    const float steps = std::clamp(std::nearbyint(query[i] / query_scale_), -127.0F, 127.0F);
    aligned[i] = static_cast<std::int8_t>(steps);
    sum += aligned[i];
  }
  offset_ = 128 * sum;
}

void ByteScorer::score(std::span<const std::int32_t> rows, float* scores) const {
  constexpr std::size_t kBlock = 128;
  std::int32_t dots[kBlock];
  for (std::size_t begin = 0; begin < rows.size(); begin += kBlock) {
    const auto block = rows.subspan(begin, std::min(kBlock, rows.size() - begin));
    kernel_({codes_.codes, codes_.stride, block.data(), static_cast<std::int64_t>(block.size()),
             query_, offset_, dots});
    for (std::size_t i = 0; i < block.size(); ++i) {
      const auto row = static_cast<std::size_t>(block[i]);
      const float product = codes_.scales[row] * (query_scale_ * static_cast<float>(dots[i]));
      // ‖q‖² is the same for all rows and left out.
      scores[begin + i] = l2_ ? 2.0F * product - codes_.norms[row] * codes_.norms[row] : product;
    }
  }
}

}  // namespace rookery::retriever_pool::detail
