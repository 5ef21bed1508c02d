#include "retriever_pool/detail/block_scan.hpp"

#include <cmath>

namespace rookery::retriever_pool::detail {
namespace {

template <bool kL2>
float score(const float* query, const float* row, std::int32_t dimension) {
  float lanes[kLanes] = {};
  const std::int32_t padded = padded_dimension(dimension);
  for (std::int32_t begin = 0; begin < padded; begin += kLanes) {
    for (std::int32_t lane = 0; lane < kLanes; ++lane) {
      const std::int32_t i = begin + lane;
      const float d = i < dimension ? row[i] : 0.0F;
      // The padding is computed too: adding +0 turns a lane of -0 into +0, as the vector code does.
      if constexpr (kL2) {
        const float difference = query[i] - d;
        lanes[lane] = std::fma(difference, difference, lanes[lane]);
      } else {
        lanes[lane] = std::fma(query[i], d, lanes[lane]);
      }
    }
  }
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return kL2 ? -lanes[0] : lanes[0];
}

template <bool kL2>
void scan_block(const BlockScan& scan) {
  const std::int32_t padded = padded_dimension(scan.dimension);
  for (std::int64_t r = 0; r < scan.row_count; ++r) {
    const float* row = scan.rows + r * scan.dimension;
    for (std::int32_t q = 0; q < scan.query_count; ++q) {
      CandidateList& list = scan.candidates[q];
      const float s = score<kL2>(scan.queries + std::int64_t{q} * padded, row, scan.dimension);
      if (s > list.threshold) list.items[list.count++] = {s, scan.row_begin + r};
    }
  }
}

}  // namespace

void scan_block_plain_product(const BlockScan& scan) { scan_block<false>(scan); }
void scan_block_plain_l2(const BlockScan& scan) { scan_block<true>(scan); }

}  // namespace rookery::retriever_pool::detail
