#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::retriever_pool {

/// L2 scores are negated sums of squared differences. Cosine is the inner product of vectors of
/// length 1: a snapshot holds them normalised (`index_tools::normalise_rows`), and every index
/// normalises its queries the same way before it scores them.
enum class Metric { kInnerProduct, kL2, kCosine };
std::string to_string(Metric metric);  ///< "inner_product", "l2" or "cosine", as in a manifest
/// Throws `std::invalid_argument` naming the three that exist.
Metric parse_metric(std::string_view name);

/// Which code computes; all three give the same bits (law 1).
enum class InstructionSet { kPlain, kAvx2, kAvx512 };
std::string to_string(InstructionSet set);  ///< "plain", "avx2", "avx512"
/// The best this CPU has; `ROOKERY_ISA` (plain, avx2, avx512) overrides it downwards. Read once.
InstructionSet best_instruction_set();
/// What this CPU can run, plain first.
std::vector<InstructionSet> usable_instruction_sets();

/// The score of one pair under law 1: 16 lanes of fused multiply-add, lane i taking elements i,
/// i+16, …, a zero-padded tail, one fixed tree over the lanes. The same bits as every scan.
/// Throws `std::invalid_argument` when the lengths differ.
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

/// Vectors longer than this could overflow a float's score, which would break the order of results:
/// such queries and documents are refused.
inline constexpr double kVectorNormMax = 1e18;
/// The first row that holds NaN or infinity or is longer than `kVectorNormMax`; -1 when all are
/// sound. `vectors` is `[rows, dimension]`.
std::int64_t first_unsound_row(std::span<const float> vectors, std::int32_t dimension);

/// Rows to scan; a view.
struct ScanRows {
  const float* vectors = nullptr;     ///< `[count, dimension]`, row-major, any alignment
  const std::int64_t* ids = nullptr;  ///< `[count]`, strictly rising
  std::int64_t count = 0;
  std::int32_t dimension = 0;
  const std::uint16_t* halves = nullptr;   ///< IEEE binary16 in place of `vectors`
  const std::uint64_t* members = nullptr;  ///< bits of the rows that may be found; null: all
  std::int64_t member_begin = 0;           ///< the bit of the first row
};

struct ScanOptions {
  Metric metric = Metric::kInnerProduct;
  InstructionSet instructions = best_instruction_set();
  std::int32_t k = 5;  ///< hits a query, at least 1
  /// Looked at between blocks, which take well under 5 ms.
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  /// Several threads that scan the same rows share this, from 0: each takes blocks from it until
  /// none is left, and the merge of their hits is the answer. Null: the call scans all rows.
  std::atomic<std::int64_t>* next_row = nullptr;
};

/// The best `min(k, count)` rows for each query (of those that this thread took, with `next_row`),
/// in the one order of results. Runs on the calling thread. `queries` is `[batch, dimension]`,
/// sound. `finished` is false (and the hits are meaningless) when the deadline came first.
struct ScanResult {
  std::vector<std::vector<Hit>> hits;  ///< `[batch]`
  bool finished = true;
};
ScanResult scan_exact(const ScanRows& rows, std::span<const float> queries,
                      const ScanOptions& options);

}  // namespace rookery::retriever_pool
