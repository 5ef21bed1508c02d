#include "retriever_pool/detail/pq_tables.hpp"

#include <algorithm>
#include <cmath>

namespace rookery::retriever_pool::detail {
namespace {

constexpr std::int32_t kSumMax = 65'535;  // the scans add in 16 bits
constexpr float kRangeMin = 1e-30F;       // below it, levels over range could overflow

}  // namespace

PqKernels pq_kernels_for(InstructionSet set) {
#if defined(__x86_64__)
  const bool vbmi = __builtin_cpu_supports("avx512vbmi") != 0 &&
                    __builtin_cpu_supports("avx512bw") != 0 &&
                    __builtin_cpu_supports("avx512vl") != 0;
  if (set == InstructionSet::kAvx512 && vbmi) return pq_kernels_vbmi();
  if (set != InstructionSet::kPlain) return pq_kernels_avx2();
#endif
  static_cast<void>(set);
  return pq_kernels_plain();
}

PqCodebooks::PqCodebooks(std::span<const float> codebooks, std::int32_t pq_bytes)
    : words_(aligned_zeros<float>(std::ssize(codebooks))),
      pq_bytes_(pq_bytes),
      width_(static_cast<std::int32_t>(std::ssize(codebooks) / pq_bytes / kPqWords)) {
  const float* from = codebooks.data();
  for (std::int32_t m = 0; m < pq_bytes_; ++m) {
    float* book = words_.get() + std::int64_t{m} * width_ * kPqWords;
    for (int c = 0; c < kPqWords; ++c) {
      for (std::int32_t i = 0; i < width_; ++i) book[std::int64_t{i} * kPqWords + c] = *from++;
    }
  }
}

PqTables::PqTables(const PqCodebooks& codebooks)
    : codebooks_(codebooks),
      products_(aligned_zeros<float>(std::int64_t{codebooks.pq_bytes()} * kPqWords)),
      tables_(aligned_zeros<std::uint8_t>(std::int64_t{codebooks.pq_bytes()} * kPqWords)),
      lows_(static_cast<std::size_t>(codebooks.pq_bytes())),
      highs_(lows_.size()) {}

void PqTables::fill(const PqKernels& kernels, const float* query) {
  const std::int32_t count = codebooks_.pq_bytes();
  kernels.products({codebooks_.data(), query, count, codebooks_.width(), products_.get(),
                    lows_.data(), highs_.data()});
  float range = 0;
  offset_ = 0;
  for (std::size_t m = 0; m < lows_.size(); ++m) {
    range = std::max(range, highs_[m] - lows_[m]);
    offset_ += lows_[m];
  }
  const std::int32_t levels = std::min(255, kSumMax / count);
  const bool flat = !(range >= kRangeMin);
  const float inverse = flat ? 0 : static_cast<float>(levels) / range;
  step_ = flat ? 0 : range / static_cast<float>(levels);
  kernels.round({products_.get(), lows_.data(), count, inverse, levels, tables_.get()});
}

}  // namespace rookery::retriever_pool::detail
