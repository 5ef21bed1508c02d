#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "retriever_pool/detail/pq_scan.hpp"
#include "retriever_pool/detail/scan_support.hpp"
#include "retriever_pool/exact_kernel.hpp"

namespace rookery::retriever_pool::detail {

/// The kernels of an instruction set; AVX-512 without VBMI, BW and VL runs those of AVX2.
PqKernels pq_kernels_for(InstructionSet set);

/// Codebooks as the kernels read them: element by element, all 256 codewords side by side.
class PqCodebooks {
 public:
  /// `codebooks` is `[pq_bytes, 256, width]`.
  PqCodebooks(std::span<const float> codebooks, std::int32_t pq_bytes);
  [[nodiscard]] const float* data() const { return words_.get(); }
  [[nodiscard]] std::int32_t pq_bytes() const { return pq_bytes_; }
  [[nodiscard]] std::int32_t width() const { return width_; }

 private:
  AlignedArray<float> words_;
  std::int32_t pq_bytes_, width_;
};

/// The products of a query with all codewords, rounded to bytes with one step for all codebooks:
/// q·r ≈ offset + step × Σ_m table[m][code m]. Rounding is off by at most half a step a codebook,
/// which is far below what the codes themselves lose, and only chooses candidates. Use from one
/// thread; holds room that `fill` uses again.
class PqTables {
 public:
  explicit PqTables(const PqCodebooks& codebooks);
  void fill(const PqKernels& kernels, const float* query);
  [[nodiscard]] const std::uint8_t* tables() const { return tables_.get(); }
  [[nodiscard]] float step() const { return step_; }
  [[nodiscard]] float offset() const { return offset_; }

 private:
  const PqCodebooks& codebooks_;
  AlignedArray<float> products_;
  AlignedArray<std::uint8_t> tables_;
  std::vector<float> lows_, highs_;
  float step_ = 0, offset_ = 0;
};

}  // namespace rookery::retriever_pool::detail
