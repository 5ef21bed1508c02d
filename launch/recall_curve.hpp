#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "index_tools/index_spec.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::launch {

/// What `rookery index recall` measures.
struct RecallCurveOptions {
  index_tools::IndexKind kind = index_tools::IndexKind::kHnsw;
  std::vector<std::int32_t> ks = {1, 5, 20};  ///< rising
  std::vector<std::int32_t> settings;         ///< of ef_search or nprobe; empty: a usual choice
};

/// One setting of the search.
struct RecallPoint {
  std::int32_t setting = 0;               ///< ef_search or nprobe; 0 for a kind without either
  std::map<std::int32_t, double> recall;  ///< k → share of the exact first k that were found
  double ms_p50 = 0, ms_p95 = 0;          ///< single queries, k as large as the largest
};

struct RecallCurve {
  std::string kind;
  std::string knob;  ///< "ef_search", "nprobe", or "" where there is none
  std::int64_t queries = 0;
  double exact_ms_p50 = 0;
  std::vector<RecallPoint> points;
};

/// Compares a kind with exact search of the same pool. `queries` is `[count, dimension]`. A row
/// counts as found when it scores at least as much as the k-th row of exact search, so that one of
/// two equal rows is as good as the other. Throws `UserError` when the pool has not got the kind,
/// or the kind (bm25) does not read vectors.
RecallCurve measure_recall_curve(retriever_pool::Retriever& pool, std::span<const float> queries,
                                 const RecallCurveOptions& options);

/// A picture of the curve: recall over milliseconds, a line a k, settings beside their points. Its
/// colours follow the reader's light or dark scheme.
std::string draw_recall_curve(const RecallCurve& curve, const std::string& title);

nlohmann::json to_json(const RecallCurve& curve);

}  // namespace rookery::launch
