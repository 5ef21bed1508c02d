#include "retriever_pool/ivfpq_search.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "index_tools/ivfpq_lists.hpp"
#include "retriever_pool/detail/list_choice.hpp"
#include "retriever_pool/detail/pq_tables.hpp"
#include "retriever_pool/row_scorer.hpp"

namespace rookery::retriever_pool {
namespace {

using detail::before;
using detail::Candidate;
using index_tools::IvfPqLists;
using index_tools::SnapshotShard;
using Clock = std::chrono::steady_clock;

constexpr std::int32_t kBlockRows = 1024;     // of a list between two cuts of the candidates
constexpr std::int64_t kQueriesTogether = 8;  // share one pass over the centroids

IvfPqLists open_lists(const SnapshotShard& shard, Metric metric) {
  const std::string where = "shard " + std::to_string(shard.shard()) + "/ivfpq";
  if (shard.vector_type() == index_tools::VectorType::kNone) {
    throw base::UserError(where +
                          ": expected vectors to score candidates with, got a shard without; build "
                          "the snapshot with vectors");
  }
  const auto bytes = shard.file("ivfpq");
  if (bytes.empty()) throw base::UserError(where + ": is not there; build the index");
  IvfPqLists lists = IvfPqLists::open(bytes, shard.count(), shard.dimension(), where);
  if (lists.l2 != detail::is_l2(metric)) {
    throw base::UserError(where + ": expected an index for metric " + to_string(metric) +
                          ", got one for " + (lists.l2 ? "l2" : "inner_product") +
                          "; build the index again");
  }
  return lists;
}

// The best rows so far of one query: all that score above a threshold, cut now and then.
class Candidates {
 public:
  explicit Candidates(std::int64_t wanted) : wanted_(static_cast<std::size_t>(wanted)) {
    items_.reserve(2 * wanted_ + kBlockRows);
  }
  [[nodiscard]] float threshold() const { return threshold_; }
  void add(const Candidate& candidate) { items_.push_back(candidate); }
  /// Rows of one score may come in any order, so that those equal to the threshold stay welcome.
  void cut_when_full() {
    if (items_.size() >= 2 * wanted_) cut();
  }
  void cut() {
    if (items_.size() <= wanted_) return;
    const auto last = items_.begin() + static_cast<std::ptrdiff_t>(wanted_ - 1);
    std::nth_element(items_.begin(), last, items_.end(), before);
    threshold_ = last->score;
    items_.resize(wanted_);
  }
  /// The best `wanted` rows, rising.
  std::vector<std::int32_t> rows() {
    cut();
    std::vector<std::int32_t> result;
    result.reserve(items_.size());
    for (const Candidate& item : items_) result.push_back(static_cast<std::int32_t>(item.row));
    std::sort(result.begin(), result.end());
    return result;
  }

 private:
  std::size_t wanted_;
  std::vector<Candidate> items_;
  float threshold_ = -std::numeric_limits<float>::infinity();
};

class IvfPqShardIndex final : public ShardIndex {
 public:
  IvfPqShardIndex(std::shared_ptr<const SnapshotShard> shard, Metric metric,
                  std::shared_ptr<SearchTeam> team, InstructionSet instructions)
      : shard_(std::move(shard)),
        metric_(metric),
        team_(std::move(team)),
        instructions_(instructions),
        kernels_(detail::pq_kernels_for(instructions)),
        lists_(open_lists(*shard_, metric)),
        choice_(lists_, metric),
        codebooks_(lists_.codebooks, lists_.parameters.pq_bytes) {}

  [[nodiscard]] index_tools::IndexKind kind() const override {
    return index_tools::IndexKind::kIvfPq;
  }
  [[nodiscard]] std::int32_t dimension() const override { return shard_->dimension(); }
  [[nodiscard]] std::int64_t count() const override { return shard_->count(); }

  [[nodiscard]] HitRows search(const SearchBatch& batch) const override {
    check_queries(batch.queries, batch.k, dimension());
    std::vector<float> buffer;
    const auto queries = scored_queries(batch.queries, metric_, dimension(), buffer);
    const auto total = static_cast<std::int64_t>(queries.size()) / dimension();
    const std::int64_t together =
        std::clamp<std::int64_t>((total + team_->size() - 1) / team_->size(), 1, kQueriesTogether);
    const auto parts = static_cast<int>((total + together - 1) / together);
    HitRows hits(static_cast<std::size_t>(total));
    std::atomic<bool> late = false;
    const bool ran = team_->run(parts, batch.deadline, [&](int part) {
      const auto first = static_cast<std::size_t>(part * together);
      const std::size_t last = std::min(first + static_cast<std::size_t>(together), hits.size());
      const auto width = static_cast<std::size_t>(dimension());
      if (late || !search_some(queries.subspan(first * width, (last - first) * width), batch,
                               std::span(hits).subspan(first, last - first))) {
        late = true;
      }
    });
    if (!ran || late) {
      throw RetrievalError(
          RetrievalFault::kDeadline,
          "the deadline passed during the search of shard " + std::to_string(shard_->shard()));
    }
    return hits;
  }

 private:
  // What one query needs while it goes through its lists.
  struct Walk {
    const SearchBatch& batch;
    const detail::PqTables& tables;
    Candidates& candidates;
    std::vector<float>& scores;
    std::vector<std::int32_t>& positions;
    std::int64_t found = 0;  // rows that may be found, kept or not
  };

  // False when the deadline came first.
  bool search_some(std::span<const float> queries, const SearchBatch& batch,
                   std::span<std::vector<Hit>> hits) const {
    const detail::FixedFloatMode mode;
    const std::int32_t nlist = lists_.parameters.nlist;
    const std::int32_t nprobe =
        std::min(nlist, batch.tuning.nprobe > 0 ? batch.tuning.nprobe : lists_.parameters.nprobe);
    const auto chosen = choice_.choose(queries, nprobe, instructions_, batch.deadline);
    if (!chosen) return false;
    detail::PqTables tables(codebooks_);
    std::vector<float> scores(kBlockRows + 16);
    std::vector<std::int32_t> positions(kBlockRows + 16);
    const std::int64_t reachable = batch.rows ? batch.rows->count() : count();
    const std::int64_t needed = std::min<std::int64_t>(batch.k, reachable);
    for (std::size_t q = 0; q < hits.size(); ++q) {
      const auto query = queries.subspan(q * static_cast<std::size_t>(dimension()),
                                         static_cast<std::size_t>(dimension()));
      tables.fill(kernels_, query.data());
      Candidates candidates(candidates_wanted(batch));
      Walk walk{batch, tables, candidates, scores, positions};
      if (!read_lists((*chosen)[q], walk)) return false;
      if (walk.found < needed && !read_more_lists(query, (*chosen)[q], needed, walk)) return false;
      hits[q] = best_hits(query, candidates.rows(), batch.k);
    }
    return true;
  }

  [[nodiscard]] std::int64_t candidates_wanted(const SearchBatch& batch) const {
    std::int64_t wanted = batch.tuning.candidates;
    if (wanted <= 0) wanted = lists_.parameters.candidates;
    if (wanted <= 0) wanted = std::max<std::int64_t>(10 * batch.k, kPqCandidatesMin);
    return std::clamp<std::int64_t>(wanted, batch.k, std::max<std::int64_t>(batch.k, count()));
  }

  bool read_lists(std::span<const Hit> lists, Walk& walk) const {
    for (const Hit& list : lists) {
      if (Clock::now() >= walk.batch.deadline) return false;
      read_list(static_cast<std::size_t>(list.id), list.score, walk);
    }
    return true;
  }

  // A filter, or short lists, left fewer rows than are needed: twice as many lists, and so on.
  bool read_more_lists(std::span<const float> query, std::span<const Hit> done, std::int64_t needed,
                       Walk& walk) const {
    std::vector<bool> read(static_cast<std::size_t>(lists_.parameters.nlist));
    for (const Hit& list : done) read[static_cast<std::size_t>(list.id)] = true;
    const auto order =
        choice_.choose_exactly(query, lists_.parameters.nlist, instructions_, walk.batch.deadline);
    if (!order) return false;
    std::size_t share = std::max<std::size_t>(done.size(), 1);
    std::vector<Hit> next;
    for (const Hit& list : order->front()) {
      if (read[static_cast<std::size_t>(list.id)]) continue;
      next.push_back(list);
      if (next.size() < share) continue;
      if (!read_lists(next, walk)) return false;
      if (walk.found >= needed) return true;
      share *= 2;
      next.clear();
    }
    return read_lists(next, walk);
  }

  void read_list(std::size_t list, float centroid_score, Walk& walk) const {
    const std::int64_t begin = lists_.list_begins[list], end = lists_.list_begins[list + 1];
    const std::int32_t width = lists_.parameters.pq_bytes;
    // l2: −‖q − d‖² ≈ −‖q − c‖² + 2 q·r − term; else q·d ≈ q·c + q·r.
    const float factor = lists_.l2 ? 2 : 1;
    detail::PqScan scan{};
    scan.pq_bytes = width;
    scan.tables = walk.tables.tables();
    scan.scale = factor * walk.tables.step();
    scan.bias = centroid_score + factor * walk.tables.offset();
    scan.scores = walk.scores.data();
    scan.positions = walk.positions.data();
    for (std::int64_t at = begin; at < end; at += kBlockRows) {
      scan.codes = lists_.codes.data() + at * width;
      scan.terms = lists_.l2 ? lists_.row_terms.data() + at : nullptr;
      scan.row_count = static_cast<std::int32_t>(std::min<std::int64_t>(kBlockRows, end - at));
      scan.threshold = walk.candidates.threshold();
      const std::int32_t kept = kernels_.scan(scan);
      const std::int32_t* rows = lists_.rows.data() + at;
      if (!walk.batch.rows) walk.found += scan.row_count;
      for (std::int32_t i = 0; i < kept; ++i) {
        const std::int32_t row = rows[scan.positions[i]];
        if (walk.batch.rows) {
          if (!walk.batch.rows->contains(row)) continue;
          ++walk.found;
        }
        walk.candidates.add({scan.scores[i], row});
      }
      walk.candidates.cut_when_full();
    }
  }

  [[nodiscard]] std::vector<Hit> best_hits(std::span<const float> query,
                                           const std::vector<std::int32_t>& rows,
                                           std::int32_t k) const {
    std::vector<float> scores(rows.size());
    const RowScorer scorer(metric_, *shard_, query, instructions_);
    scorer.score(rows, scores.data());
    std::vector<Hit> hits(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      hits[i] = {shard_->ids()[static_cast<std::size_t>(rows[i])], scores[i]};
    }
    const auto kept = std::min(hits.size(), static_cast<std::size_t>(k));
    std::partial_sort(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(kept), hits.end(),
                      better);
    hits.resize(kept);
    return hits;
  }

  std::shared_ptr<const SnapshotShard> shard_;
  Metric metric_;
  std::shared_ptr<SearchTeam> team_;  // shared: an embedded pool searches all shards with one team
  InstructionSet instructions_;
  detail::PqKernels kernels_;
  IvfPqLists lists_;
  detail::ListChoice choice_;
  detail::PqCodebooks codebooks_;
};

}  // namespace

std::unique_ptr<ShardIndex> make_ivfpq_index(std::shared_ptr<const SnapshotShard> shard,
                                             Metric metric, std::shared_ptr<SearchTeam> team,
                                             InstructionSet instructions) {
  return std::make_unique<IvfPqShardIndex>(std::move(shard), metric, std::move(team), instructions);
}

std::unique_ptr<ShardIndex> make_ivfpq_index(std::shared_ptr<const SnapshotShard> shard,
                                             Metric metric, std::shared_ptr<SearchTeam> team) {
  return make_ivfpq_index(std::move(shard), metric, std::move(team), best_instruction_set());
}

}  // namespace rookery::retriever_pool
