#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include "retriever_pool/detail/block_scan.hpp"
#include "retriever_pool/exact_kernel.hpp"

namespace rookery::retriever_pool::detail {

/// Rounds to nearest and keeps denormals while it lives, whatever another library left in this
/// thread's control register (law 1).
class FixedFloatMode {
 public:
  FixedFloatMode();
  ~FixedFloatMode();
  FixedFloatMode(const FixedFloatMode&) = delete;
  FixedFloatMode& operator=(const FixedFloatMode&) = delete;

 private:
  unsigned saved_ = 0;
};

template <typename T>
struct AlignedDelete {
  void operator()(T* p) const { ::operator delete[](p, std::align_val_t{64}); }
};
/// An array that begins at a multiple of 64 bytes.
template <typename T>
using AlignedArray = std::unique_ptr<T[], AlignedDelete<T>>;

template <typename T>
AlignedArray<T> aligned_zeros(std::int64_t count) {
  const auto items = static_cast<std::size_t>(count);
  auto* p = static_cast<T*>(::operator new[](items * sizeof(T), std::align_val_t{64}));
  std::uninitialized_fill_n(p, items, T{});
  return AlignedArray<T>(p);
}

Kernels kernels_for(InstructionSet set, KernelKind kind);
/// Cosine is the inner product of vectors of length 1.
inline bool is_l2(Metric metric) { return metric == Metric::kL2; }

/// How many queries of a batch share one pass over a block, when `left` are still to do.
std::int32_t query_width(std::int64_t left);
/// Queries of `[count, dimension]` as a block scan wants them: `[padded / 16, width, 16]`, zeros
/// where there is no query or no element. `out` is `[width × padded]` and holds zeros.
void pack_queries(const float* queries, std::int32_t count, std::int32_t width,
                  std::int32_t dimension, float* out);

/// The one order of results, by row.
inline bool before(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.row < b.row;
}

/// Rows of `members` in [begin, end), counted from `begin`, into `out`; returns how many.
std::int64_t taken_rows(const std::uint64_t* members, std::int64_t begin, std::int64_t end,
                        std::int32_t* out);

}  // namespace rookery::retriever_pool::detail
