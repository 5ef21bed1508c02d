#include "retriever_pool/hnsw_search.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "index_tools/hnsw_graph.hpp"
#include "index_tools/vector_math.hpp"
#include "retriever_pool/detail/byte_scorer.hpp"
#include "retriever_pool/detail/graph_walk.hpp"
#include "retriever_pool/detail/scan_support.hpp"
#include "retriever_pool/row_scorer.hpp"
#include "retriever_pool/shard_index.hpp"

namespace rookery::retriever_pool {
namespace {

using detail::RankedRow;
using detail::WalkEnd;
using index_tools::SnapshotShard;

constexpr std::int32_t kEfMax = 65'536;
constexpr std::int64_t kScanBlock = 256;  // rows scored between two looks at the clock

// Scratch of this thread; the stamps stay as large as the largest shard that was searched on it.
detail::WalkScratch& thread_scratch() {
  thread_local detail::WalkScratch scratch;
  return scratch;
}

bool passed(std::chrono::steady_clock::time_point deadline) {
  return deadline != std::chrono::steady_clock::time_point::max() &&
         std::chrono::steady_clock::now() >= deadline;
}

// Scores every row of the set exactly and leaves the best k in `scratch.best`.
bool scan_rows(const RowSet& rows, const RowScorer& scorer, const SearchBatch& batch,
               detail::WalkScratch& scratch) {
  auto& best = scratch.best;
  best.clear();
  std::vector<std::int32_t> block;
  scratch.scores.resize(std::max(scratch.scores.size(), static_cast<std::size_t>(kScanBlock + 64)));
  const auto k = static_cast<std::size_t>(batch.k);
  const auto flush = [&] {
    scorer.score(block, scratch.scores.data());
    for (std::size_t i = 0; i < block.size(); ++i) {
      const RankedRow row = detail::ranked(scratch.scores[i], block[i]);
      if (best.size() >= k && row < best.front()) continue;
      best.push_back(row);
      std::push_heap(best.begin(), best.end(), std::greater<>());
      if (best.size() > k) {
        std::pop_heap(best.begin(), best.end(), std::greater<>());
        best.pop_back();
      }
    }
    block.clear();
    return !passed(batch.deadline);
  };
  for (std::int64_t word = 0; word < (rows.rows() + 63) / 64; ++word) {
    for (std::uint64_t bits = rows.words()[word]; bits != 0; bits &= bits - 1) {
      block.push_back(static_cast<std::int32_t>(word * 64 + std::countr_zero(bits)));
    }
    if (std::ssize(block) >= kScanBlock && !flush()) return false;
  }
  if (!flush()) return false;
  std::sort(best.begin(), best.end(), std::greater<>());
  return true;
}

class HnswShardIndex final : public ShardIndex {
 public:
  HnswShardIndex(std::shared_ptr<const SnapshotShard> shard, Metric metric,
                 std::shared_ptr<SearchTeam> team)
      : shard_(std::move(shard)),
        metric_(metric),
        team_(std::move(team)),
        where_("shard " + std::to_string(shard_->shard())),
        graph_(
            index_tools::HnswGraph::open(shard_->file("hnsw"), shard_->count(), where_ + "/hnsw")) {
    if (shard_->vector_type() == index_tools::VectorType::kNone || shard_->dimension() < 1) {
      throw base::UserError(where_ +
                            ": expected vectors beside the hnsw file, got none; rebuild "
                            "the snapshot");
    }
    if (graph_.parameters.storage == "int8") {
      const auto bytes = shard_->file("int8");
      if (bytes.empty()) {
        throw base::UserError(where_ +
                              ": expected an int8 file, which this hnsw graph walks over; add it "
                              "with: rookery index add SNAPSHOT int8");
      }
      codes_ = index_tools::Int8Codes::open(bytes, shard_->count(), shard_->dimension(),
                                            where_ + "/int8");
    }
  }

  [[nodiscard]] index_tools::IndexKind kind() const override {
    return index_tools::IndexKind::kHnsw;
  }
  [[nodiscard]] std::int32_t dimension() const override { return shard_->dimension(); }
  [[nodiscard]] std::int64_t count() const override { return shard_->count(); }

  [[nodiscard]] HitRows search(const SearchBatch& batch) const override {
    check_queries(batch.queries, batch.k, dimension());
    check_tuning(batch);
    std::span<const float> queries = batch.queries;
    std::vector<float> normalised;
    if (metric_ == Metric::kCosine) {
      normalised.assign(queries.begin(), queries.end());
      index_tools::normalise_rows(normalised, dimension());
      queries = normalised;
    }
    const auto count = static_cast<std::int64_t>(queries.size()) / dimension();
    HitRows hits(static_cast<std::size_t>(count));
    std::atomic<std::int64_t> next{0};
    std::atomic<bool> late{false};
    const auto parts = static_cast<int>(std::min<std::int64_t>(count, team_->size()));
    const bool ran = team_->run(parts, batch.deadline, [&](int) {
      const detail::FixedFloatMode mode;
      for (std::int64_t q = next++; q < count && !late; q = next++) {
        const auto query = queries.subspan(static_cast<std::size_t>(q * dimension()),
                                           static_cast<std::size_t>(dimension()));
        auto row = search_one(query, batch);
        if (!row) {
          late = true;
          return;
        }
        hits[static_cast<std::size_t>(q)] = *std::move(row);
      }
    });
    if (!ran || late) {
      throw RetrievalError(RetrievalFault::kDeadline,
                           "the deadline passed during the search of " + where_);
    }
    return hits;
  }

 private:
  static void check_tuning(const SearchBatch& batch) {
    const auto refuse = [](const std::string& name, std::int32_t value) {
      throw RetrievalError(RetrievalFault::kInvalid, name + ": expected a number in [0, 65536], " +
                                                         "got " + std::to_string(value));
    };
    if (batch.tuning.ef_search < 0 || batch.tuning.ef_search > kEfMax) {
      refuse("ef_search", batch.tuning.ef_search);
    }
    if (batch.tuning.candidates < 0 || batch.tuning.candidates > kEfMax) {
      refuse("candidates", batch.tuning.candidates);
    }
  }

  // Nothing when the deadline came first.
  [[nodiscard]] std::optional<std::vector<Hit>> search_one(std::span<const float> query,
                                                           const SearchBatch& batch) const {
    detail::WalkScratch& scratch = thread_scratch();
    const RowScorer exact(metric_, *shard_, query);
    const RowSet* rows = batch.rows.get();
    detail::WalkOptions options;
    options.ef = batch.tuning.ef_search > 0 ? batch.tuning.ef_search : graph_.parameters.ef_search;
    options.ef = std::max(options.ef, batch.k);
    if (codes_) options.ef = std::max(options.ef, batch.tuning.candidates);
    options.deadline = batch.deadline;
    options.allowed = rows;
    WalkEnd end = WalkEnd::kGaveUp;
    if (rows == nullptr || !scan_instead_of_walk(*rows, options.ef)) {
      // A walk that finds the allowed rows far from the query may cost more than they do.
      options.scored_max = rows == nullptr ? 0 : rows->count();
      end = codes_
                ? walk_graph(graph_, detail::ByteScorer(metric_, *codes_, query), options, scratch)
                : walk_graph(graph_, exact, options, scratch);
      if (end == WalkEnd::kDone && codes_) rescore(exact, batch, scratch);
    }
    if (end == WalkEnd::kGaveUp && !scan_rows(*rows, exact, batch, scratch)) return std::nullopt;
    if (end == WalkEnd::kDeadline) return std::nullopt;
    return hits_of(exact, batch.k, scratch.best);
  }

  // The best estimates get law 1's scores.
  static void rescore(const RowScorer& exact, const SearchBatch& batch,
                      detail::WalkScratch& scratch) {
    auto& best = scratch.best;
    if (batch.tuning.candidates > 0) {
      const auto kept = static_cast<std::size_t>(std::max(batch.tuning.candidates, batch.k));
      best.resize(std::min(best.size(), kept));
    }
    scratch.rows.resize(best.size());
    scratch.scores.resize(std::max(scratch.scores.size(), best.size()));
    std::transform(best.begin(), best.end(), scratch.rows.begin(), detail::row_of);
    exact.score(scratch.rows, scratch.scores.data());
    for (std::size_t i = 0; i < best.size(); ++i) {
      best[i] = detail::ranked(scratch.scores[i], scratch.rows[i]);
    }
    std::sort(best.begin(), best.end(), std::greater<>());
  }

  [[nodiscard]] std::vector<Hit> hits_of(const RowScorer& exact, std::int32_t k,
                                         std::span<const RankedRow> best) const {
    const auto ids = shard_->ids();
    std::vector<Hit> hits;
    hits.reserve(std::min(best.size(), static_cast<std::size_t>(k)));
    for (const RankedRow ranked : best.first(std::min(best.size(), static_cast<std::size_t>(k)))) {
      const std::int32_t row = detail::row_of(ranked);
      const float score = detail::score_of(ranked);
      // Ranks know one zero only; law 1's bits tell -0 from +0.
      hits.push_back({ids[static_cast<std::size_t>(row)], score != 0 ? score : exact.score(row)});
    }
    return hits;
  }

  std::shared_ptr<const SnapshotShard> shard_;
  Metric metric_;
  std::shared_ptr<SearchTeam> team_;
  std::string where_;
  index_tools::HnswGraph graph_;
  std::optional<index_tools::Int8Codes> codes_;
};

}  // namespace

bool scan_instead_of_walk(const RowSet& rows, std::int32_t ef) {
  return rows.count() * 20 < rows.rows() || rows.count() <= std::int64_t{ef} * 4;
}

std::unique_ptr<ShardIndex> make_hnsw_index(std::shared_ptr<const SnapshotShard> shard,
                                            Metric metric, std::shared_ptr<SearchTeam> team) {
  return std::make_unique<HnswShardIndex>(std::move(shard), metric, std::move(team));
}

}  // namespace rookery::retriever_pool
