#include <cmath>
#include <cstdint>

#include "index_tools/vector_math.hpp"
#include "retriever_pool/detail/block_scan.hpp"

namespace rookery::retriever_pool::detail {
namespace {

inline float to_float(float value) { return value; }
inline float to_float(std::uint16_t half) { return index_tools::from_half(half); }

// `step` is the distance in floats from 16 elements of the query to the next 16.
template <bool kL2, typename Element>
float score(const float* query, std::int64_t step, const Element* row, std::int32_t dimension) {
  float lanes[kLanes] = {};
  for (std::int32_t begin = 0; begin < dimension; begin += kLanes, query += step) {
    for (std::int32_t lane = 0; lane < kLanes; ++lane) {
      const std::int32_t i = begin + lane;
      const float d = i < dimension ? to_float(row[i]) : 0.0F;
      // The padding is computed too: adding +0 turns a lane of -0 into +0, as the vector code does.
      if constexpr (kL2) {
        const float difference = query[lane] - d;
        lanes[lane] = std::fma(difference, difference, lanes[lane]);
      } else {
        lanes[lane] = std::fma(query[lane], d, lanes[lane]);
      }
    }
  }
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return kL2 ? -lanes[0] : lanes[0];
}

template <bool kL2, typename Element>
void scan_block(const BlockScan& scan) {
  const std::int64_t step = std::int64_t{kLanes} * scan.query_width;
  for (std::int64_t r = 0; r < scan.row_count; ++r) {
    const std::int64_t row = scan.taken != nullptr ? scan.taken[r] : r;
    const Element* vector = static_cast<const Element*>(scan.rows) + row * scan.dimension;
    for (std::int32_t q = 0; q < scan.query_count; ++q) {
      CandidateList& list = scan.candidates[q];
      const float* query = scan.queries + std::int64_t{q} * kLanes;
      const float s = score<kL2>(query, step, vector, scan.dimension);
      if (s > list.threshold) list.items[list.count++] = {s, scan.row_begin + row};
    }
  }
}

template <bool kL2, typename Element>
void score_rows(const RowScoring& scoring) {
  for (std::int64_t i = 0; i < scoring.count; ++i) {
    const Element* row = static_cast<const Element*>(scoring.rows) +
                         std::int64_t{scoring.list[i]} * scoring.dimension;
    scoring.scores[i] = score<kL2>(scoring.query, kLanes, row, scoring.dimension);
  }
}

template <bool kL2, typename Element>
constexpr Kernels kKernels = {scan_block<kL2, Element>, score_rows<kL2, Element>};

}  // namespace

Kernels kernels_plain(KernelKind kind) {
  if (kind.half) return kind.l2 ? kKernels<true, std::uint16_t> : kKernels<false, std::uint16_t>;
  return kind.l2 ? kKernels<true, float> : kKernels<false, float>;
}

}  // namespace rookery::retriever_pool::detail
