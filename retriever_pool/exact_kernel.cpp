#include "retriever_pool/exact_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "base/cpu_features.hpp"
#include "retriever_pool/detail/scan_support.hpp"

namespace rookery::retriever_pool {
namespace {

using detail::AlignedArray;
using detail::before;
using detail::Candidate;
using detail::CandidateList;
using detail::FixedFloatMode;

constexpr std::int64_t kBlockBytes = 192 << 10;  // of rows: stays in L2 beside a group of queries
constexpr std::int64_t kBlockRowsMin = 16;
constexpr std::int64_t kBlockRowsMax = 256;

bool cpu_has(InstructionSet set) {
#if defined(__x86_64__)
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && base::cpu_has_f16c();
  if (set == InstructionSet::kAvx2) return avx2;
  if (set == InstructionSet::kAvx512) return avx2 && __builtin_cpu_supports("avx512f");
#endif
  return set == InstructionSet::kPlain;
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

// Keeps the best k; later rows must then score above the k-th, since at equal score the lower id,
// which stands in an earlier row, wins.
void cut(CandidateList& list, std::int64_t k) {
  if (list.count <= k) return;
  std::nth_element(list.items, list.items + (k - 1), list.items + list.count, before);
  list.count = k;
  list.threshold = list.items[k - 1].score;
}

std::int64_t block_rows(std::int64_t row_bytes) {
  const std::int64_t rows = kBlockBytes / row_bytes / 16 * 16;
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
  const auto padded = detail::aligned_zeros<float>(detail::padded_dimension(dimension));
  detail::pack_queries(query.data(), 1, 1, dimension, padded.get());
  const std::int32_t row = 0;
  float score = 0;
  detail::kernels_for(best_instruction_set(), {detail::is_l2(metric), false})
      .score({document.data(), &row, 1, dimension, padded.get(), &score});
  return score;
}

std::int64_t first_unsound_row(std::span<const float> vectors, std::int32_t dimension) {
  const auto rows = static_cast<std::int64_t>(vectors.size()) / std::max(dimension, 1);
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* v = vectors.data() + row * dimension;
    constexpr std::int32_t kSums = 8;  // one alone would wait for itself at every step
    double sums[kSums] = {};
    std::int32_t i = 0;
    for (; i + kSums <= dimension; i += kSums) {
      for (std::int32_t s = 0; s < kSums; ++s) {
        sums[s] += static_cast<double>(v[i + s]) * static_cast<double>(v[i + s]);
      }
    }
    for (; i < dimension; ++i) sums[0] += static_cast<double>(v[i]) * static_cast<double>(v[i]);
    const double squares = std::accumulate(std::begin(sums), std::end(sums), 0.0);
    if (!(squares <= kVectorNormMax * kVectorNormMax)) return row;  // NaN compares false
  }
  return -1;
}

namespace {

// The queries that go over a block together, packed.
struct QueryGroup {
  std::int64_t begin;
  std::int32_t count, width;
  const float* packed;
};

std::vector<QueryGroup> group_queries(std::span<const float> queries, std::int32_t dimension,
                                      AlignedArray<float>& packed) {
  const auto batch = static_cast<std::int64_t>(queries.size()) / dimension;
  const std::int64_t padded = detail::padded_dimension(dimension);
  packed = detail::aligned_zeros<float>((batch + detail::kQueryGroup) * padded);
  std::vector<QueryGroup> groups;
  float* out = packed.get();
  for (std::int64_t q = 0; q < batch; q += groups.back().count) {
    const std::int32_t width = detail::query_width(batch - q);
    const auto count = static_cast<std::int32_t>(std::min<std::int64_t>(width, batch - q));
    detail::pack_queries(queries.data() + q * dimension, count, width, dimension, out);
    groups.push_back({q, count, width, out});
    out += width * padded;
  }
  return groups;
}

// Blocks in rising order, of which the one after the next is known already.
class BlockQueue {
 public:
  BlockQueue(std::atomic<std::int64_t>* shared, std::int64_t rows, std::int64_t block)
      : shared_(shared), rows_(rows), block_(block) {
    following_ = claim();
  }
  bool next() {
    begin_ = following_;
    if (begin_ >= rows_) return false;
    following_ = claim();
    return true;
  }
  [[nodiscard]] std::int64_t begin() const { return begin_; }
  [[nodiscard]] std::int64_t following() const { return following_; }

 private:
  std::int64_t claim() {
    if (shared_ != nullptr) return shared_->fetch_add(block_, std::memory_order_relaxed);
    const std::int64_t begin = own_;
    own_ += block_;
    return begin;
  }

  std::atomic<std::int64_t>* shared_;
  std::int64_t rows_, block_, own_ = 0, begin_ = 0, following_ = 0;
};

void check_scan(const ScanRows& rows, std::span<const float> queries, const ScanOptions& options) {
  if (rows.dimension < 1 || options.k < 1 ||
      queries.size() % static_cast<std::size_t>(rows.dimension) != 0) {
    throw std::invalid_argument("scan_exact: expected queries of [batch, " +
                                std::to_string(rows.dimension) + "] and k of 1 or more, got " +
                                std::to_string(queries.size()) + " floats and k " +
                                std::to_string(options.k));
  }
}

}  // namespace

ScanResult scan_exact(const ScanRows& rows, std::span<const float> queries,
                      const ScanOptions& options) {
  check_scan(rows, queries, options);
  const FixedFloatMode mode;
  const bool half = rows.halves != nullptr;
  const std::int64_t row_bytes = std::int64_t{rows.dimension} * (half ? 2 : 4);
  const auto* bytes = half ? reinterpret_cast<const std::byte*>(rows.halves)
                           : reinterpret_cast<const std::byte*>(rows.vectors);
  const auto batch = static_cast<std::int64_t>(queries.size()) / rows.dimension;
  const std::int64_t k = std::min<std::int64_t>(options.k, std::max<std::int64_t>(rows.count, 1));
  const std::int64_t block = block_rows(row_bytes);
  const std::int64_t cut_at = k + std::max<std::int64_t>(k, 32);
  const std::int64_t capacity = cut_at + block;
  const detail::BlockScanFunction scan_block =
      detail::kernels_for(options.instructions, {detail::is_l2(options.metric), half}).scan;
  AlignedArray<float> packed;
  const std::vector<QueryGroup> groups = group_queries(queries, rows.dimension, packed);

  std::vector<Candidate> storage(static_cast<std::size_t>(batch * capacity));
  std::vector<CandidateList> lists(static_cast<std::size_t>(batch));
  for (std::int64_t q = 0; q < batch; ++q) {
    lists[static_cast<std::size_t>(q)] = {storage.data() + q * capacity, 0,
                                          -std::numeric_limits<float>::infinity()};
  }
  std::vector<std::int32_t> taken(static_cast<std::size_t>(rows.members != nullptr ? block : 0));
  ScanResult result;
  BlockQueue queue(options.next_row, rows.count, block);
  while (queue.next()) {
    const std::int64_t begin = queue.begin();
    std::int64_t count = std::min(block, rows.count - begin);
    if (rows.members != nullptr) {
      const std::int64_t first = rows.member_begin + begin;
      count = detail::taken_rows(rows.members, first, first + count, taken.data());
      if (count == 0) continue;
    }
    detail::BlockScan scan = {};
    scan.rows = bytes + begin * row_bytes;
    scan.taken = rows.members != nullptr ? taken.data() : nullptr;
    scan.row_begin = begin;
    scan.row_count = count;
    scan.dimension = rows.dimension;
    if (queue.following() + block <= rows.count) {
      scan.next_rows = bytes + queue.following() * row_bytes;
    }
    scan.passes = static_cast<std::int32_t>(groups.size());
    for (const QueryGroup& group : groups) {
      if (std::chrono::steady_clock::now() >= options.deadline) {
        result.finished = false;
        return result;
      }
      CandidateList* group_lists = lists.data() + group.begin;
      scan.queries = group.packed;
      scan.query_width = group.width;
      scan.query_count = group.count;
      scan.candidates = group_lists;
      scan_block(scan);
      ++scan.pass;
      for (std::int32_t i = 0; i < group.count; ++i) {
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
