#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "index_tools/centroid_shard.hpp"
#include "index_tools/ivfpq_lists.hpp"
#include "retriever_pool/exact_kernel.hpp"

namespace rookery::retriever_pool::detail {

/// Which lists of an ivfpq file a query reads: those whose centroids score best by law 1, equal
/// ones by their numbers. A `Hit`'s id is the list. Any thread may call; the file must outlive it.
class ListChoice {
 public:
  ListChoice(const index_tools::IvfPqLists& lists, Metric metric);

  /// The best `wanted` lists of every query, best first, through the coarse graph when there is
  /// one, which may then miss some. Nothing when the deadline came first.
  [[nodiscard]] std::optional<std::vector<std::vector<Hit>>> choose(
      std::span<const float> queries, std::int32_t wanted, InstructionSet instructions,
      std::chrono::steady_clock::time_point deadline) const;
  /// The same by comparing every centroid.
  [[nodiscard]] std::optional<std::vector<std::vector<Hit>>> choose_exactly(
      std::span<const float> queries, std::int32_t wanted, InstructionSet instructions,
      std::chrono::steady_clock::time_point deadline) const;

 private:
  [[nodiscard]] std::vector<Hit> walk(std::span<const float> query, std::int32_t wanted,
                                      InstructionSet instructions) const;

  const index_tools::IvfPqLists& lists_;
  Metric metric_;
  index_tools::CentroidShard centroids_;
};

}  // namespace rookery::retriever_pool::detail
