#include "retriever_pool/exact_kernel.hpp"

#include <xmmintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>

#include "retriever_pool/detail/block_scan.hpp"

namespace rookery::retriever_pool {
namespace {

using detail::BlockScan;
using detail::Candidate;
using detail::CandidateList;
using detail::kQueryGroup;

constexpr std::int64_t kBlockBytes = 192 << 10;  // of rows: stays in L2 beside a group of queries
constexpr std::int64_t kBlockRowsMin = 16;
constexpr std::int64_t kBlockRowsMax = 256;

// Rounds to nearest and keeps denormals while it lives, whatever another library left in this
// thread's control register (law 1).
class FixedFloatMode {
 public:
  FixedFloatMode() : saved_(_mm_getcsr()) { _mm_setcsr(kDefault); }
  ~FixedFloatMode() { _mm_setcsr(saved_); }
  FixedFloatMode(const FixedFloatMode&) = delete;
  FixedFloatMode& operator=(const FixedFloatMode&) = delete;

 private:
  static constexpr unsigned kDefault = 0x1F80;  // all exceptions masked, no FTZ, no DAZ
  unsigned saved_;
};

bool cpu_has(InstructionSet set) {
  switch (set) {
    case InstructionSet::kPlain:
      return true;
    case InstructionSet::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case InstructionSet::kAvx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx2");
  }
  return false;
}

InstructionSet choose_instruction_set() {
  InstructionSet best = usable_instruction_sets().back();
  const char* wanted = std::getenv("ROOKERY_ISA");
  if (wanted == nullptr) return best;
  for (const InstructionSet set : usable_instruction_sets()) {
    if (to_string(set) == wanted) return set;
  }
  return best;
}

detail::BlockScanFunction block_function(Metric metric, InstructionSet set) {
  const bool l2 = metric == Metric::kL2;
  switch (set) {
    case InstructionSet::kAvx512:
      return l2 ? detail::scan_block_avx512_l2 : detail::scan_block_avx512_product;
    case InstructionSet::kAvx2:
      return l2 ? detail::scan_block_avx2_l2 : detail::scan_block_avx2_product;
    case InstructionSet::kPlain:
      break;
  }
  return l2 ? detail::scan_block_plain_l2 : detail::scan_block_plain_product;
}

struct AlignedFree {
  void operator()(float* p) const { ::operator delete[](p, std::align_val_t{64}); }
};
using AlignedFloats = std::unique_ptr<float[], AlignedFree>;

AlignedFloats aligned_zeros(std::int64_t count) {
  const auto bytes = static_cast<std::size_t>(count) * sizeof(float);
  auto* p = static_cast<float*>(::operator new[](bytes, std::align_val_t{64}));
  std::memset(p, 0, bytes);
  return AlignedFloats(p);
}

// `[groups × kQueryGroup, padded]`, zeros where there is no query or no element.
AlignedFloats pad_queries(std::span<const float> queries, std::int64_t batch,
                          std::int32_t dimension) {
  const std::int64_t padded = detail::padded_dimension(dimension);
  const std::int64_t rows = (batch + kQueryGroup - 1) / kQueryGroup * kQueryGroup;
  AlignedFloats result = aligned_zeros(rows * padded);
  for (std::int64_t q = 0; q < batch; ++q) {
    std::copy_n(queries.data() + q * dimension, dimension, result.get() + q * padded);
  }
  return result;
}

bool before(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.row < b.row;
}

// Keeps the best k; later rows must then score above the k-th, since at equal score the lower id,
// which stands in an earlier row, wins.
void cut(CandidateList& list, std::int64_t k) {
  if (list.count <= k) return;
  std::nth_element(list.items, list.items + (k - 1), list.items + list.count, before);
  list.count = k;
  list.threshold = list.items[k - 1].score;
}

std::int64_t block_rows(std::int32_t dimension) {
  const std::int64_t rows = kBlockBytes / (std::int64_t{dimension} * 4) / 16 * 16;
  return std::clamp(rows, kBlockRowsMin, kBlockRowsMax);
}

}  // namespace

std::string to_string(Metric metric) {
  switch (metric) {
    case Metric::kL2:
      return "l2";
    case Metric::kCosine:
      return "cosine";
    case Metric::kInnerProduct:
      break;
  }
  return "inner_product";
}

Metric parse_metric(std::string_view name) {
  if (name == "inner_product") return Metric::kInnerProduct;
  if (name == "l2") return Metric::kL2;
  if (name == "cosine") return Metric::kCosine;
  throw std::invalid_argument("metric: expected inner_product, l2 or cosine, got '" +
                              std::string(name) + "'");
}

std::string to_string(InstructionSet set) {
  switch (set) {
    case InstructionSet::kAvx512:
      return "avx512";
    case InstructionSet::kAvx2:
      return "avx2";
    case InstructionSet::kPlain:
      break;
  }
  return "plain";
}

std::vector<InstructionSet> usable_instruction_sets() {
  std::vector<InstructionSet> sets;
  for (const InstructionSet set :
       {InstructionSet::kPlain, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (cpu_has(set)) sets.push_back(set);
  }
  return sets;
}

InstructionSet best_instruction_set() {
  static const InstructionSet set = choose_instruction_set();
  return set;
}

float exact_score(Metric metric, std::span<const float> query, std::span<const float> document) {
  if (query.size() != document.size() || query.empty()) {
    throw std::invalid_argument("exact_score: expected two vectors of one length, got " +
                                std::to_string(query.size()) + " and " +
                                std::to_string(document.size()) + " floats");
  }
  const FixedFloatMode mode;
  const auto dimension = static_cast<std::int32_t>(query.size());
  const AlignedFloats padded = pad_queries(query, 1, dimension);
  Candidate best{};
  CandidateList list{&best, 0, -std::numeric_limits<float>::infinity()};
  BlockScan scan{document.data(), 0, 1, dimension, padded.get(), 1, &list};
  block_function(metric, best_instruction_set())(scan);
  // Only sums that overflow are not above minus infinity; say so by NaN rather than by a number.
  return list.count == 1 ? best.score : std::numeric_limits<float>::quiet_NaN();
}

std::int64_t first_unsound_row(std::span<const float> vectors, std::int32_t dimension) {
  const auto rows = static_cast<std::int64_t>(vectors.size()) / std::max(dimension, 1);
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* v = vectors.data() + row * dimension;
    double squares = 0;
    for (std::int32_t i = 0; i < dimension; ++i) {
      squares += static_cast<double>(v[i]) * static_cast<double>(v[i]);
    }
    if (!(squares <= kVectorNormMax * kVectorNormMax)) return row;  // NaN compares false
  }
  return -1;
}

ScanResult scan_exact(const ScanRows& rows, std::span<const float> queries,
                      const ScanOptions& options) {
  if (rows.dimension < 1 || options.k < 1 ||
      queries.size() % static_cast<std::size_t>(rows.dimension) != 0) {
    throw std::invalid_argument("scan_exact: expected queries of [batch, " +
                                std::to_string(rows.dimension) + "] and k of 1 or more, got " +
                                std::to_string(queries.size()) + " floats and k " +
                                std::to_string(options.k));
  }
  const FixedFloatMode mode;
  const auto batch = static_cast<std::int64_t>(queries.size()) / rows.dimension;
  const std::int64_t k = std::min<std::int64_t>(options.k, std::max<std::int64_t>(rows.count, 1));
  const std::int64_t block = block_rows(rows.dimension);
  const std::int64_t cut_at = k + std::max<std::int64_t>(k, 32);
  const std::int64_t capacity = cut_at + block;
  const AlignedFloats padded = pad_queries(queries, batch, rows.dimension);
  const std::int64_t stride = detail::padded_dimension(rows.dimension);
  const detail::BlockScanFunction scan_block = block_function(options.metric, options.instructions);

  std::vector<Candidate> storage(static_cast<std::size_t>(batch * capacity));
  std::vector<CandidateList> lists(static_cast<std::size_t>(batch));
  for (std::int64_t q = 0; q < batch; ++q) {
    lists[static_cast<std::size_t>(q)] = {storage.data() + q * capacity, 0,
                                          -std::numeric_limits<float>::infinity()};
  }
  ScanResult result;
  for (std::int64_t begin = 0; begin < rows.count; begin += block) {
    const std::int64_t count = std::min(block, rows.count - begin);
    for (std::int64_t q = 0; q < batch; q += kQueryGroup) {
      if (std::chrono::steady_clock::now() >= options.deadline) {
        result.finished = false;
        return result;
      }
      const auto group = static_cast<std::int32_t>(std::min<std::int64_t>(kQueryGroup, batch - q));
      CandidateList* group_lists = lists.data() + q;
      const BlockScan scan{rows.vectors + begin * rows.dimension,
                           begin,
                           count,
                           rows.dimension,
                           padded.get() + q * stride,
                           group,
                           group_lists};
      scan_block(scan);
      for (std::int32_t i = 0; i < group; ++i) {
        if (group_lists[i].count >= cut_at) cut(group_lists[i], k);
      }
    }
  }
  result.hits.resize(static_cast<std::size_t>(batch));
  for (std::int64_t q = 0; q < batch; ++q) {
    CandidateList& list = lists[static_cast<std::size_t>(q)];
    cut(list, k);
    std::sort(list.items, list.items + list.count, before);
    auto& hits = result.hits[static_cast<std::size_t>(q)];
    hits.reserve(static_cast<std::size_t>(list.count));
    for (std::int64_t i = 0; i < list.count; ++i) {
      hits.push_back({rows.ids[list.items[i].row], list.items[i].score});
    }
  }
  return result;
}

}  // namespace rookery::retriever_pool
