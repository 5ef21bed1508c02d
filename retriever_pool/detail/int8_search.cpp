#include "retriever_pool/detail/int8_search.hpp"

#include <algorithm>
#include <limits>

namespace rookery::retriever_pool::detail {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::int64_t kBlockBytes = 192 << 10;  // of codes: stays in L2 beside a group of queries
constexpr std::int64_t kBlockRowsMin = 16, kBlockRowsMax = 256;
constexpr std::int64_t kFlushMin = 32;  // candidates that are worth a look
constexpr int kThreadsMax = 1024;       // as in ThreadTeam
// Scoring a row out of order costs about as much as 16 rows of a scan that many queries share;
// beyond this share of the rows the scan is the better way.
constexpr std::int64_t kUselessShare = 16;

Int8ScanFunction scan_function(InstructionSet set) {
#if defined(__x86_64__)
  const bool vnni = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512vl");
  if (set == InstructionSet::kAvx512 && vnni) return int8_scan_avx512;
  if (set != InstructionSet::kPlain) return int8_scan_avx2;
#endif
  static_cast<void>(set);
  return int8_scan_plain;
}

}  // namespace

struct Int8Search::Query {
  Int8Bound bound;
  const float* padded;
  std::int32_t offset;                       // -128 Σ codes
  std::atomic<float> threshold{-kInfinity};  // a score that k rows are known to reach
  std::atomic<std::int64_t> scored{0};

  Query(const Int8Bound& bound_in, const float* padded_in, std::int32_t offset_in)
      : bound(bound_in), padded(padded_in), offset(offset_in) {}
  Query(Query&& other) noexcept : Query(other.bound, other.padded, other.offset) {}

  void raise_threshold(float score) {
    float known = threshold.load(std::memory_order_relaxed);
    while (score > known &&
           !threshold.compare_exchange_weak(known, score, std::memory_order_relaxed)) {
    }
  }
};

struct Int8Search::Group {
  std::int64_t begin;
  std::int32_t count, width;
  const std::int8_t* packed;
};

/// What one thread keeps.
class Int8Search::Worker {
 public:
  explicit Worker(Int8Search& search) : search_(search) {
    const auto batch = search.queries_.size();
    const std::int64_t capacity = std::max(search.k_, kFlushMin) + search.block_rows_;
    storage_.resize(batch * static_cast<std::size_t>(capacity));
    best_.resize(batch);
    for (std::size_t q = 0; q < batch; ++q) {
      lists_.push_back({storage_.data() + static_cast<std::int64_t>(q) * capacity, 0, -kInfinity});
    }
  }

  bool run() {
    for (;;) {
      const std::int64_t begin =
          search_.next_row_.fetch_add(search_.block_rows_, std::memory_order_relaxed);
      if (begin >= search_.count_) break;
      const std::int64_t rows = std::min(search_.block_rows_, search_.count_ - begin);
      for (const Group& group : search_.groups_) {
        if (std::chrono::steady_clock::now() >= search_.options_.deadline) return false;
        scan(group, begin, rows);
      }
    }
    for (std::size_t q = 0; q < lists_.size(); ++q) flush(q);
    return true;
  }

  [[nodiscard]] const std::vector<Candidate>& best(std::size_t q) const { return best_[q]; }

 private:
  // Without a threshold every row comes in: wait for k of them.
  [[nodiscard]] std::int64_t flush_at(float threshold) const {
    return threshold == -kInfinity ? search_.k_ : std::max(search_.k_ / 2, kFlushMin);
  }

  void scan(const Group& group, std::int64_t begin, std::int64_t rows) {
    float scales[kQueryGroup] = {}, a[kQueryGroup] = {}, b[kQueryGroup] = {};
    float limits[kQueryGroup] = {};
    std::int32_t offsets[kQueryGroup] = {};
    bool wanted = false;
    for (std::int32_t i = 0; i < group.count; ++i) {
      const Query& query = search_.queries_[static_cast<std::size_t>(group.begin + i)];
      const Int8Bound::Limits bound =
          query.bound.limits(query.threshold.load(std::memory_order_relaxed));
      scales[i] = query.bound.scale();
      offsets[i] = query.offset;
      a[i] = bound.a;
      b[i] = bound.b;
      const bool useless = query.scored.load(std::memory_order_relaxed) > search_.useless_at_;
      limits[i] = useless ? kInfinity : bound.limit;
      wanted = wanted || !useless;
    }
    if (!wanted) return;
    const index_tools::Int8Codes& codes = *search_.rows_.codes;
    const auto at = static_cast<std::size_t>(begin);
    Int8Scan scan;
    scan.codes = codes.codes + begin * codes.stride;
    scan.stride = codes.stride;
    scan.scales = codes.scales.data() + at;
    scan.errors = codes.errors.data() + at;
    scan.norms = codes.norms.data() + at;
    scan.extras = search_.rows_.extras.empty() ? nullptr : search_.rows_.extras.data() + at;
    scan.row_begin = begin;
    scan.row_count = rows;
    scan.queries = group.packed;
    scan.query_width = group.width;
    scan.query_count = group.count;
    scan.query_offsets = offsets;
    scan.query_scales = scales;
    scan.query_a = a;
    scan.query_b = b;
    scan.limits = limits;
    scan.candidates = lists_.data() + group.begin;
    search_.scan_(scan);
    for (std::int32_t i = 0; i < group.count; ++i) {
      const auto q = static_cast<std::size_t>(group.begin + i);
      const float threshold = search_.queries_[q].threshold.load(std::memory_order_relaxed);
      if (lists_[q].count >= flush_at(threshold)) flush(q);
    }
  }

  // Scores what the bound kept, best bound first, until the rest cannot reach the threshold.
  void flush(std::size_t q) {
    Query& query = search_.queries_[q];
    CandidateList& list = lists_[q];
    const RowSet* members = search_.options_.members;
    float limit = query.bound.limits(query.threshold.load(std::memory_order_relaxed)).limit;
    Candidate* end = std::remove_if(list.items, list.items + list.count, [&](const Candidate& c) {
      return c.score < limit || (members != nullptr && !members->contains(c.row));
    });
    list.count = 0;
    std::sort(list.items, end, before);
    const std::int64_t chunk = std::max<std::int64_t>(search_.k_ / 4, 8);
    for (Candidate* at = list.items; at != end;) {
      const std::int64_t left = end - at;
      Candidate* const stop = at + std::min(chunk, left);
      rows_.clear();
      for (; at != stop && at->score >= limit; ++at) {
        rows_.push_back(static_cast<std::int32_t>(at->row));
      }
      score(q);
      if (at != stop) return;
      limit = query.bound.limits(query.threshold.load(std::memory_order_relaxed)).limit;
    }
  }

  void score(std::size_t q) {
    if (rows_.empty()) return;
    Query& query = search_.queries_[q];
    const index_tools::SnapshotShard& shard = *search_.rows_.shard;
    const bool half = shard.vector_type() == index_tools::VectorType::kFloat16;
    scores_.resize(rows_.size());
    search_.score_({half ? static_cast<const void*>(shard.half_vectors().data())
                         : static_cast<const void*>(shard.vectors().data()),
                    rows_.data(), std::ssize(rows_), shard.dimension(), query.padded,
                    scores_.data()});
    std::vector<Candidate>& best = best_[q];
    for (std::size_t i = 0; i < rows_.size(); ++i) best.push_back({scores_[i], rows_[i]});
    if (std::ssize(best) >= search_.k_) {
      std::nth_element(best.begin(), best.begin() + (search_.k_ - 1), best.end(), before);
      best.resize(static_cast<std::size_t>(search_.k_));
      query.raise_threshold(best.back().score);
    }
    query.scored.fetch_add(std::ssize(rows_), std::memory_order_relaxed);
  }

  Int8Search& search_;
  std::vector<Candidate> storage_;
  std::vector<CandidateList> lists_;
  std::vector<std::vector<Candidate>> best_;  // of each query at most k, with their scores
  std::vector<std::int32_t> rows_;
  std::vector<float> scores_;
};

Int8Search::Int8Search(const Int8Rows& rows, std::span<const float> queries,
                       const Int8SearchOptions& options)
    : rows_(rows),
      options_(options),
      count_(rows.codes->count),
      k_(std::min<std::int64_t>(options.k, std::max<std::int64_t>(count_, 1))),
      useless_at_(count_ / kUselessShare + k_),
      scan_(scan_function(options.instructions)),
      workers_(kThreadsMax) {
  const std::int64_t stride = rows.codes->stride;
  const std::int32_t dimension = rows.codes->dimension;
  const bool half = rows.shard->vector_type() == index_tools::VectorType::kFloat16;
  block_rows_ = std::clamp(kBlockBytes / stride / 16 * 16, kBlockRowsMin, kBlockRowsMax);
  score_ = kernels_for(options.instructions, {is_l2(options.metric), half}).score;
  const auto batch = static_cast<std::int64_t>(queries.size()) / dimension;
  const std::int64_t padded = padded_dimension(dimension);
  padded_ = aligned_zeros<float>(batch * padded);
  packed_ = aligned_zeros<std::int8_t>((batch + kQueryGroup) * stride);
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(stride));
  queries_.reserve(static_cast<std::size_t>(batch));
  std::int8_t* out = packed_.get();
  for (std::int64_t begin = 0; begin < batch; begin += groups_.back().count) {
    const std::int32_t width = query_width(batch - begin);
    const auto count = static_cast<std::int32_t>(std::min<std::int64_t>(width, batch - begin));
    for (std::int32_t i = 0; i < count; ++i) {
      const std::int64_t q = begin + i;
      const auto query = queries.subspan(static_cast<std::size_t>(q * dimension),
                                         static_cast<std::size_t>(dimension));
      float* copy = padded_.get() + q * padded;
      pack_queries(query.data(), 1, 1, dimension, copy);
      const Int8Bound bound(options.metric, query, index_tools::quantise_row(query, codes.data()));
      std::int32_t sum = 0;
      for (std::int64_t at = 0; at < stride; ++at) {
        const auto code = static_cast<std::int32_t>(codes[static_cast<std::size_t>(at)]) - 128;
        sum += code;
        out[(at / 64 * width + i) * 64 + at % 64] = static_cast<std::int8_t>(code);
      }
      queries_.emplace_back(bound, copy, -128 * sum);
    }
    groups_.push_back({begin, count, width, out});
    out += width * stride;
  }
}

Int8Search::~Int8Search() = default;

bool Int8Search::run(int thread) {
  const FixedFloatMode mode;
  auto& worker = workers_.at(static_cast<std::size_t>(thread));
  worker = std::make_unique<Worker>(*this);
  return worker->run();
}

std::vector<std::vector<Hit>> Int8Search::finish(std::vector<std::int64_t>& useless) {
  std::vector<std::vector<Hit>> hits(queries_.size());
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    if (queries_[q].scored.load() > useless_at_) {
      useless.push_back(static_cast<std::int64_t>(q));
      continue;
    }
    std::vector<Candidate> all;
    for (const auto& worker : workers_) {
      if (!worker) continue;
      all.insert(all.end(), worker->best(q).begin(), worker->best(q).end());
    }
    std::sort(all.begin(), all.end(), before);
    all.resize(std::min(all.size(), static_cast<std::size_t>(k_)));
    for (const Candidate& c : all) {
      hits[q].push_back({rows_.shard->ids()[static_cast<std::size_t>(c.row)], c.score});
    }
  }
  return hits;
}

std::int64_t Int8Search::rows_scored() const {
  std::int64_t sum = 0;
  for (const Query& query : queries_) sum += query.scored.load();
  return sum;
}

}  // namespace rookery::retriever_pool::detail
