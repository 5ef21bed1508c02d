#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "retriever_pool/exact_kernel.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {

enum class FusionMethod { kReciprocalRank, kWeightedSum };

/// How a dense and a BM25 list become one.
struct FusionOptions {
  FusionMethod method = FusionMethod::kReciprocalRank;
  double rank_constant = 60;  ///< of 1 / (constant + rank), Cormack et al., SIGIR 2009
  double dense_weight = 0.5;  ///< [0, 1]; bm25 has the rest. Weighted sums scale each list's scores
                              ///< to [0, 1] first (its lowest is 0); what a list lacks counts 0
  std::int32_t depth = 100;   ///< documents taken of each list, at least k; [1, 1024]
};
/// "rrf" or "weighted"; throws `std::invalid_argument` naming them.
FusionMethod fusion_method_from_name(std::string_view name);

/// Fuses two lists, each in the one order of results; the sums are in double and rounded to float
/// once, so the result does not depend on anything else. Law 1's order.
std::vector<Hit> fuse_hits(std::span<const Hit> dense, std::span<const Hit> sparse, std::int32_t k,
                           const FusionOptions& options);

/// Asks `pool` twice, with the vectors and with the texts of the same questions, and fuses the two
/// complete answers; both must be of one generation (asked again once when it changed between).
/// `request` carries queries and texts, `kind` is the dense one. Errors are those of `retrieve`.
RetrievalAnswer retrieve_hybrid(Retriever& pool, const RetrievalRequest& request,
                                const FusionOptions& options = {});

}  // namespace rookery::retriever_pool
