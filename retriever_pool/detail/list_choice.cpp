#include "retriever_pool/detail/list_choice.hpp"

#include <algorithm>
#include <queue>

#include "retriever_pool/row_scorer.hpp"

namespace rookery::retriever_pool::detail {
namespace {

using index_tools::HnswGraph;
using Clock = std::chrono::steady_clock;

constexpr std::int32_t kWalkMin = 64;  // candidates of a walk over the centroids, at least

struct Worse {
  bool operator()(const Hit& a, const Hit& b) const { return better(b, a); }
};
struct Better {
  bool operator()(const Hit& a, const Hit& b) const { return better(a, b); }
};

}  // namespace

ListChoice::ListChoice(const index_tools::IvfPqLists& lists, Metric metric)
    : lists_(lists), metric_(metric), centroids_(lists.centroids, lists.dimension) {}

std::optional<std::vector<std::vector<Hit>>> ListChoice::choose_exactly(
    std::span<const float> queries, std::int32_t wanted, InstructionSet instructions,
    Clock::time_point deadline) const {
  ScanRows rows;
  rows.vectors = lists_.centroids.data();
  rows.ids = centroids_.ids().data();
  rows.count = lists_.parameters.nlist;
  rows.dimension = lists_.dimension;
  ScanOptions options;
  options.metric = metric_;
  options.instructions = instructions;
  options.k = wanted;
  options.deadline = deadline;
  ScanResult result = scan_exact(rows, queries, options);
  if (!result.finished) return std::nullopt;
  return std::move(result.hits);
}

std::optional<std::vector<std::vector<Hit>>> ListChoice::choose(std::span<const float> queries,
                                                                std::int32_t wanted,
                                                                InstructionSet instructions,
                                                                Clock::time_point deadline) const {
  // A walk that would see half of the centroids takes longer than comparing them all.
  if (lists_.coarse.count == 0 || wanted * 2 >= lists_.parameters.nlist) {
    return choose_exactly(queries, wanted, instructions, deadline);
  }
  std::vector<std::vector<Hit>> chosen;
  const auto dimension = static_cast<std::size_t>(lists_.dimension);
  for (std::size_t begin = 0; begin < queries.size(); begin += dimension) {
    if (Clock::now() >= deadline) return std::nullopt;
    chosen.push_back(walk(queries.subspan(begin, dimension), wanted, instructions));
  }
  return chosen;
}

// Greedy descent to level 0, then best-first with max(2 × wanted, 64) candidates kept (Malkov and
// Yashunin, arXiv 1603.09320, algorithms 2 and 5).
std::vector<Hit> ListChoice::walk(std::span<const float> query, std::int32_t wanted,
                                  InstructionSet instructions) const {
  const HnswGraph& graph = lists_.coarse;
  const RowScorer scorer(metric_, centroids_, query, instructions);
  Hit current{graph.entry, scorer.score(std::int64_t{graph.entry})};
  std::vector<std::int32_t> fresh;
  std::vector<float> scores;
  for (std::int32_t level = graph.levels - 1; level >= 1; --level) {
    for (bool moved = true; moved;) {
      moved = false;
      for (const std::int32_t node : graph.links(static_cast<std::int32_t>(current.id), level)) {
        if (node < 0) break;
        const Hit hit{node, scorer.score(std::int64_t{node})};
        if (!better(hit, current)) continue;
        current = hit;
        moved = true;
      }
    }
  }
  const auto kept_max = static_cast<std::size_t>(std::max(2 * wanted, kWalkMin));
  std::vector<bool> seen(static_cast<std::size_t>(graph.count));
  std::priority_queue<Hit, std::vector<Hit>, Worse> open;   // best on top
  std::priority_queue<Hit, std::vector<Hit>, Better> kept;  // worst on top
  seen[static_cast<std::size_t>(current.id)] = true;
  open.push(current);
  kept.push(current);
  while (!open.empty()) {
    const Hit next = open.top();
    if (kept.size() == kept_max && better(kept.top(), next)) break;
    open.pop();
    fresh.clear();
    for (const std::int32_t node : graph.links(static_cast<std::int32_t>(next.id), 0)) {
      if (node < 0) break;
      if (seen[static_cast<std::size_t>(node)]) continue;
      seen[static_cast<std::size_t>(node)] = true;
      fresh.push_back(node);
    }
    scores.resize(fresh.size());
    scorer.score(fresh, scores.data());
    for (std::size_t i = 0; i < fresh.size(); ++i) {
      const Hit hit{fresh[i], scores[i]};
      if (kept.size() == kept_max && !better(hit, kept.top())) continue;
      open.push(hit);
      kept.push(hit);
      if (kept.size() > kept_max) kept.pop();
    }
  }
  std::vector<Hit> lists(kept.size());
  for (std::size_t i = lists.size(); i > 0; --i) {
    lists[i - 1] = kept.top();
    kept.pop();
  }
  lists.resize(std::min(lists.size(), static_cast<std::size_t>(wanted)));
  return lists;
}

}  // namespace rookery::retriever_pool::detail
