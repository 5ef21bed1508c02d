#include "retriever_pool/request_checks.hpp"

#include <algorithm>
#include <string>

#include "retriever_pool/exact_kernel.hpp"
#include "retriever_pool/shard_index.hpp"
#include "retriever_pool/shard_indexes.hpp"

namespace rookery::retriever_pool {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw RetrievalError(RetrievalFault::kInvalid, message);
}

void check_count(const char* what, std::size_t count) {
  if (count > static_cast<std::size_t>(kBatchMax)) {
    refuse(std::string(what) + ": expected at most " + std::to_string(kBatchMax) +
           " in a batch, got " + std::to_string(count) + "; split the batch");
  }
}

void check_tuning(const char* name, std::int32_t value, std::int32_t max) {
  if (value < 0 || value > max) {
    refuse(std::string(name) + ": expected a number in [0, " + std::to_string(max) + "], got " +
           std::to_string(value));
  }
}

void check_k(std::int32_t k) {
  if (k < 1 || k > kDocumentsMax) {
    refuse("k: expected a number of documents in [1, 1024], got " + std::to_string(k));
  }
}

void check_texts(const RetrievalRequest& request) {
  check_k(request.k);
  check_count("texts", request.texts.size());
  for (std::size_t i = 0; i < request.texts.size(); ++i) {
    if (std::ssize(request.texts[i]) > kQueryTextBytesMax) {
      refuse("text " + std::to_string(i) + ": expected at most " +
             std::to_string(kQueryTextBytesMax) + " bytes, got " +
             std::to_string(request.texts[i].size()));
    }
  }
}

void check_vectors(const RetrievalRequest& request, const IndexDescription& index) {
  check_queries(request.queries, request.k, index.dimension);
  if (index.metric != to_string(Metric::kCosine)) return;
  const auto dimension = static_cast<std::size_t>(index.dimension);
  for (std::size_t at = 0; at < request.queries.size(); at += dimension) {
    const auto row = request.queries.subspan(at, dimension);
    if (std::all_of(row.begin(), row.end(), [](float value) { return value == 0.0F; })) {
      refuse("query " + std::to_string(at / dimension) +
             " is zero and has no direction: expected a vector that is not (metric cosine)");
    }
  }
}

}  // namespace

std::int32_t batch_of(const RetrievalRequest& request, std::int32_t dimension) {
  if (!request.texts.empty()) return static_cast<std::int32_t>(request.texts.size());
  if (!request.ids.empty()) return static_cast<std::int32_t>(request.ids.size());
  return static_cast<std::int32_t>(request.queries.size() / static_cast<std::size_t>(dimension));
}

void check_request(const RetrievalRequest& request, const IndexDescription& index) {
  const int parts = static_cast<int>(!request.queries.empty()) +
                    static_cast<int>(!request.texts.empty()) +
                    static_cast<int>(!request.ids.empty());
  if (parts > 1) {
    refuse("request: expected one of queries, texts and ids, got " + std::to_string(parts));
  }
  check_filter(request.filter);
  check_tuning("ef_search", request.tuning.ef_search, kEfSearchMax);
  check_tuning("nprobe", request.tuning.nprobe, kNprobeMax);
  check_tuning("candidates", request.tuning.candidates, kCandidatesMax);
  if (!request.ids.empty()) return check_count("ids", request.ids.size());
  const bool texts = !request.texts.empty();
  if (!texts && index.dimension < 1) {
    if (parts == 0) refuse("texts: expected at least one query, got an empty batch");
    refuse("queries: expected texts, got vectors; this index has no vectors, it answers by " +
           kind_names(index.kinds));
  }
  if (!index.kinds.empty()) {
    (void)resolve_request_kind(index.kinds, index.default_kind, request.kind, texts);
  }
  if (texts) {
    check_texts(request);
  } else {
    check_vectors(request, index);
  }
}

}  // namespace rookery::retriever_pool
