#include "retriever_pool/hybrid.hpp"

#include <algorithm>
#include <stdexcept>
#include <unordered_map>

namespace rookery::retriever_pool {
namespace {

void check_fusion(std::int32_t k, const FusionOptions& options) {
  if (k < 1 || k > kDocumentsMax) {
    throw std::invalid_argument("fusion: expected k in [1, 1024], got " + std::to_string(k));
  }
  if (options.depth < 1 || options.depth > kDocumentsMax) {
    throw std::invalid_argument("fusion: expected a depth in [1, 1024], got " +
                                std::to_string(options.depth));
  }
  // The comparisons are the way round that refuses NaN.
  if (!(options.rank_constant >= 0 && options.rank_constant <= 1e6)) {
    throw std::invalid_argument("fusion: expected a rank_constant in [0, 1000000], got " +
                                std::to_string(options.rank_constant));
  }
  if (!(options.dense_weight >= 0 && options.dense_weight <= 1)) {
    throw std::invalid_argument("fusion: expected a dense_weight in [0, 1], got " +
                                std::to_string(options.dense_weight));
  }
}

/// What one list gives to its document at `rank`, from 0.
double part_of(std::span<const Hit> list, std::size_t rank, double weight,
               const FusionOptions& options) {
  if (options.method == FusionMethod::kReciprocalRank) {
    return 1.0 / (options.rank_constant + static_cast<double>(rank) + 1);
  }
  const auto best = static_cast<double>(list.front().score);
  const auto worst = static_cast<double>(list.back().score);
  const auto score = static_cast<double>(list[rank].score);
  // A list of one score says only that these are its documents.
  return weight * (best > worst ? (score - worst) / (best - worst) : 1);
}

std::vector<Hit> hits_of(const std::vector<Document>& documents) {
  std::vector<Hit> hits;
  hits.reserve(documents.size());
  for (const Document& document : documents) hits.push_back({document.id, document.score});
  return hits;
}

/// One of the two questions to the pool; the time of the other is already gone.
RetrievalAnswer ask(Retriever& pool, RetrievalRequest request, bool dense, std::int32_t depth,
                    std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  if (left.count() <= 0) {
    throw RetrievalError(RetrievalFault::kDeadline, "the deadline passed between two searches");
  }
  request.deadline = left;
  request.k = depth;
  if (dense) {
    request.texts = {};
  } else {
    request.queries = {};
    request.kind = index_tools::IndexKind::kBm25;
  }
  return pool.retrieve(request);
}

struct AnswerPair {
  RetrievalAnswer dense, sparse;
};

AnswerPair ask_both(Retriever& pool, const RetrievalRequest& request, std::int32_t depth,
                    std::chrono::steady_clock::time_point deadline) {
  AnswerPair pair{ask(pool, request, true, depth, deadline),
                  ask(pool, request, false, depth, deadline)};
  if (pair.dense.generation == pair.sparse.generation) return pair;
  // The pool moved on between the two: whichever is older is asked again.
  AnswerPair again{ask(pool, request, true, depth, deadline), {}};
  if (again.dense.generation == pair.sparse.generation) {
    again.sparse = std::move(pair.sparse);
  } else {
    again.sparse = ask(pool, request, false, depth, deadline);
  }
  if (again.dense.generation != again.sparse.generation) {
    throw RetrievalError(RetrievalFault::kUnavailable,
                         "hybrid: the vectors were searched in generation " +
                             again.dense.generation + " and the texts in " +
                             again.sparse.generation + "; try again");
  }
  return again;
}

}  // namespace

FusionMethod fusion_method_from_name(std::string_view name) {
  if (name == "rrf") return FusionMethod::kReciprocalRank;
  if (name == "weighted") return FusionMethod::kWeightedSum;
  throw std::invalid_argument("fusion: expected rrf or weighted, got '" + std::string(name) + "'");
}

std::vector<Hit> fuse_hits(std::span<const Hit> dense, std::span<const Hit> sparse, std::int32_t k,
                           const FusionOptions& options) {
  check_fusion(k, options);
  const auto depth = static_cast<std::size_t>(std::max(options.depth, k));
  dense = dense.first(std::min(dense.size(), depth));
  sparse = sparse.first(std::min(sparse.size(), depth));
  // The dense part is always the first of the two, so the sum has one order.
  std::unordered_map<std::int64_t, double> sums;
  for (std::size_t rank = 0; rank < dense.size(); ++rank) {
    sums[dense[rank].id] = part_of(dense, rank, options.dense_weight, options);
  }
  for (std::size_t rank = 0; rank < sparse.size(); ++rank) {
    sums[sparse[rank].id] += part_of(sparse, rank, 1 - options.dense_weight, options);
  }
  std::vector<Hit> fused;
  fused.reserve(sums.size());
  for (const auto& [id, sum] : sums) fused.push_back({id, static_cast<float>(sum)});
  std::sort(fused.begin(), fused.end(), better);
  fused.resize(std::min(fused.size(), static_cast<std::size_t>(k)));
  return fused;
}

RetrievalAnswer retrieve_hybrid(Retriever& pool, const RetrievalRequest& request,
                                const FusionOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  try {
    check_fusion(request.k, options);
  } catch (const std::invalid_argument& error) {
    throw RetrievalError(RetrievalFault::kInvalid, error.what());
  }
  if (request.queries.empty() || request.texts.empty() || !request.ids.empty()) {
    throw RetrievalError(RetrievalFault::kInvalid,
                         "hybrid: expected the vectors and the texts of the same questions");
  }
  if (request.queries.size() % request.texts.size() != 0 ||
      request.kind == index_tools::IndexKind::kBm25) {
    throw RetrievalError(
        RetrievalFault::kInvalid,
        "hybrid: expected a vector for each of " + std::to_string(request.texts.size()) +
            " texts and a dense kind, got " + std::to_string(request.queries.size()) + " floats");
  }
  const std::int32_t depth = std::max(options.depth, request.k);
  AnswerPair pair = ask_both(pool, request, depth, begin + request.deadline);
  const std::size_t batch = request.texts.size();
  if (pair.dense.rows.size() != batch || pair.sparse.rows.size() != batch) {
    throw RetrievalError(RetrievalFault::kInvalid,
                         "hybrid: expected a vector for each of " + std::to_string(batch) +
                             " texts, got answers to " + std::to_string(pair.dense.rows.size()) +
                             " vectors");
  }
  RetrievalAnswer answer;
  answer.generation = pair.dense.generation;
  answer.shards_answered = std::min(pair.dense.shards_answered, pair.sparse.shards_answered);
  answer.shards_wanted = std::max(pair.dense.shards_wanted, pair.sparse.shards_wanted);
  answer.search_time = pair.dense.search_time + pair.sparse.search_time;
  answer.attempts = pair.dense.attempts + pair.sparse.attempts;
  for (std::size_t q = 0; q < batch; ++q) {
    std::unordered_map<std::int64_t, Document*> documents;
    for (auto* row : {&pair.sparse.rows[q], &pair.dense.rows[q]}) {
      for (Document& document : *row) documents[document.id] = &document;
    }
    std::vector<Document>& fused = answer.rows.emplace_back();
    for (const Hit& hit :
         fuse_hits(hits_of(pair.dense.rows[q]), hits_of(pair.sparse.rows[q]), request.k, options)) {
      fused.push_back(std::move(*documents.at(hit.id)));
      fused.back().score = hit.score;
    }
  }
  answer.total_time = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - begin);
  return answer;
}

}  // namespace rookery::retriever_pool
