#pragma once

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "index_tools/hnsw_graph.hpp"
#include "retriever_pool/row_set.hpp"

namespace rookery::retriever_pool::detail {

/// A row with its score as one number: the larger one is better by law 1's order, the lower row
/// winning at equal scores. Heaps then compare one integer instead of two fields.
using RankedRow = std::uint64_t;

inline RankedRow ranked(float score, std::int32_t row) {
  // Adding zero makes -0 and +0 one number; then the bits of floats are made to rise with them.
  const auto bits = std::bit_cast<std::uint32_t>(score + 0.0F);
  const std::uint32_t rising = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  return std::uint64_t{rising} << 32 | (0xFFFFFFFFU - static_cast<std::uint32_t>(row));
}
inline std::int32_t row_of(RankedRow ranked) {
  return static_cast<std::int32_t>(0xFFFFFFFFU - static_cast<std::uint32_t>(ranked));
}
inline float score_of(RankedRow ranked) {
  const auto rising = static_cast<std::uint32_t>(ranked >> 32);
  return std::bit_cast<float>((rising & 0x80000000U) != 0 ? rising & 0x7FFFFFFFU : ~rising);
}

/// What a walk needs besides the graph. One a thread, for all graphs and queries, so that a query
/// allocates nothing once the arrays have grown.
class WalkScratch {
 public:
  /// Forgets the last walk: nothing of `count` rows is visited.
  void begin(std::int64_t count) {
    if (static_cast<std::int64_t>(stamps_.size()) < count) {
      stamps_.assign(static_cast<std::size_t>(count), 0);
      stamp_ = 0;
    }
    if (++stamp_ == 0) {  // two bytes a row keep the stamps in the cache; they wrap now and then
      std::fill(stamps_.begin(), stamps_.end(), std::uint16_t{0});
      stamp_ = 1;
    }
    ahead.clear();
    best.clear();
  }
  /// False when the row was visited before.
  bool visit(std::int32_t row) {
    std::uint16_t& stamp = stamps_[static_cast<std::size_t>(row)];
    const bool first = stamp != stamp_;
    stamp = stamp_;
    return first;
  }
  void fetch(std::int32_t row) const {
    __builtin_prefetch(stamps_.data() + static_cast<std::size_t>(row));
  }

  std::vector<RankedRow> ahead;    ///< heap, the best on top: nodes to go on from
  std::vector<RankedRow> best;     ///< heap, the worst on top: what was found
  std::vector<std::int32_t> rows;  ///< neighbours that are scored together
  std::vector<float> scores;

 private:
  std::vector<std::uint16_t> stamps_;
  std::uint16_t stamp_ = 0;
};

struct WalkOptions {
  std::int32_t ef = 64;             ///< candidates that are kept
  const RowSet* allowed = nullptr;  ///< only these are kept; the walk goes through all
  std::int64_t scored_max = 0;      ///< gives up beyond so many scored rows; 0: never
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};
enum class WalkEnd { kDone, kDeadline, kGaveUp };

/// Descends from the entry and searches level 0 as Malkov and Yashunin do (arXiv 1603.09320,
/// algorithms 2 and 5). `scorer.score(rows, scores)` gives larger numbers to better rows. What was
/// found is left in `scratch.best`, best first, at most `ef`. The same for every thread and machine
/// as long as the scores are.
template <typename Scorer>
WalkEnd walk_graph(const index_tools::HnswGraph& graph, const Scorer& scorer,
                   const WalkOptions& options, WalkScratch& scratch) {
  constexpr std::int64_t kClockHops = 32;  // of some 10 to 60 µs together: well under 5 ms
  scratch.begin(graph.count);
  if (graph.count == 0) return WalkEnd::kDone;
  const auto most_links = static_cast<std::size_t>(graph.m) * 2;
  scratch.rows.resize(most_links);
  scratch.scores.resize(most_links);

  float score = 0;
  scorer.score(std::span(&graph.entry, 1), &score);
  RankedRow nearest = ranked(score, graph.entry);
  std::int64_t scored = 1;
  for (std::int32_t level = graph.levels - 1; level > 0; --level) {
    for (RankedRow from = 0; from != nearest;) {  // ends: `nearest` only gets better
      from = nearest;
      const auto links = graph.links(row_of(from), level);
      const auto count =
          static_cast<std::size_t>(std::find(links.begin(), links.end(), -1) - links.begin());
      scorer.score(links.first(count), scratch.scores.data());
      scored += static_cast<std::int64_t>(count);
      for (std::size_t i = 0; i < count; ++i) {
        nearest = std::max(nearest, ranked(scratch.scores[i], links[i]));
      }
    }
  }

  const auto ef = static_cast<std::size_t>(options.ef);
  auto& ahead = scratch.ahead;
  auto& best = scratch.best;
  const auto meet = [&](RankedRow row) {
    if (best.size() >= ef && row < best.front()) return;
    ahead.push_back(row);
    std::push_heap(ahead.begin(), ahead.end());
    if (options.allowed != nullptr && !options.allowed->contains(row_of(row))) return;
    best.push_back(row);
    std::push_heap(best.begin(), best.end(), std::greater<>());
    if (best.size() > ef) {
      std::pop_heap(best.begin(), best.end(), std::greater<>());
      best.pop_back();
    }
  };
  scratch.visit(row_of(nearest));
  meet(nearest);
  WalkEnd end = WalkEnd::kDone;
  for (std::int64_t hop = 1; !ahead.empty(); ++hop) {
    const RankedRow from = ahead.front();
    if (best.size() >= ef && from < best.front()) break;
    std::pop_heap(ahead.begin(), ahead.end());
    ahead.pop_back();
    const auto links = graph.links(row_of(from), 0);
    for (const std::int32_t link : links) {
      if (link < 0) break;
      scratch.fetch(link);
    }
    std::size_t count = 0;
    for (const std::int32_t link : links) {
      if (link < 0) break;
      if (scratch.visit(link)) scratch.rows[count++] = link;
    }
    scorer.score(std::span<const std::int32_t>(scratch.rows).first(count), scratch.scores.data());
    for (std::size_t i = 0; i < count; ++i) meet(ranked(scratch.scores[i], scratch.rows[i]));
    // The links of the next node come while the heap settles and the clock is read.
    if (!ahead.empty()) {
      const std::int32_t* next = graph.links(row_of(ahead.front()), 0).data();
      for (std::size_t i = 0; i < most_links; i += 16) __builtin_prefetch(next + i);
    }
    scored += static_cast<std::int64_t>(count);
    if (options.scored_max > 0 && scored > options.scored_max) {
      end = WalkEnd::kGaveUp;
      break;
    }
    if (hop % kClockHops == 0 && std::chrono::steady_clock::now() >= options.deadline) {
      end = WalkEnd::kDeadline;
      break;
    }
  }
  std::sort(best.begin(), best.end(), std::greater<>());
  return end;
}

}  // namespace rookery::retriever_pool::detail
