#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::retriever_pool {

enum class Metric { kInnerProduct, kL2 };  ///< L2 scores are negated sums of squared differences

/// Which code computes; all three give the same bits (law 1).
enum class InstructionSet { kPlain, kAvx2, kAvx512 };
/// The best this CPU has; `ROOKERY_ISA` (plain, avx2, avx512) overrides it downwards.
InstructionSet best_instruction_set();

/// The score of one pair under law 1: 16 lanes of fused multiply-add, lane i taking elements i,
/// i+16, …, a zero-padded tail, one fixed tree over the lanes. The same bits as every scan.
float exact_score(Metric metric, std::span<const float> query, std::span<const float> document);

struct Hit {
  std::int64_t id;
  float score;
  friend bool operator==(const Hit&, const Hit&) = default;
};
/// The one order of results (law 1): score falling, then id rising.
inline bool better(const Hit& a, const Hit& b) {
  return a.score != b.score ? a.score > b.score : a.id < b.id;
}

}  // namespace rookery::retriever_pool
