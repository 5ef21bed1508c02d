#include "index_tools/bm25_block.hpp"
#include "index_tools/bm25_formula.hpp"
#include "retriever_pool/detail/bm25_kernel.hpp"

namespace rookery::retriever_pool::detail {
namespace {

void decode_rows(const Bm25BlockJob& job, std::int32_t* rows) {
  const auto* stream = reinterpret_cast<const std::byte*>(job.rows);
  std::int32_t row = job.row_before;
  for (std::int32_t i = 0; i < job.count; ++i) {
    row += 1 + static_cast<std::int32_t>(index_tools::bm25_packed_value(stream, job.row_bits, i));
    rows[i] = row;
  }
}

void score_rows(const Bm25BlockJob& job, const std::int32_t* rows, std::int64_t* shares) {
  const auto* stream = reinterpret_cast<const std::byte*>(job.frequencies);
  const index_tools::Bm25Formula formula{job.constant, job.per_token};
  for (std::int32_t i = 0; i < job.count; ++i) {
    const std::uint32_t frequency =
        1 + index_tools::bm25_packed_value(stream, job.frequency_bits, i);
    const double ratio = formula.ratio(frequency, job.lengths[rows[i]]);
    shares[i] = index_tools::bm25_share(job.weight, ratio) * job.repeats;
  }
}

std::int32_t collect(const std::int64_t* sums, std::int32_t count, std::int64_t limit,
                     std::int32_t* indexes) {
  std::int32_t found = 0;
  for (std::int32_t i = 0; i < count; ++i) {
    indexes[found] = i;
    found += sums[i] >= limit ? 1 : 0;
  }
  return found;
}

}  // namespace

const Bm25Kernel& bm25_kernel_plain() {
  static constexpr Bm25Kernel kKernel{decode_rows, score_rows, collect};
  return kKernel;
}

}  // namespace rookery::retriever_pool::detail
