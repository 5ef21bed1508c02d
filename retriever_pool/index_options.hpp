#pragma once

#include <cstdint>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/option_reader.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {

/// 1 to 32 of `a-z A-Z 0-9 . _ -`, with a letter or digit in front.
bool is_index_name(const std::string& name);

/// How an index gets a new generation, and what becomes of the old ones.
struct SwapOptions {
  double recall_min = 0.5;  ///< key `swap.recall_min`, [0, 1]: share of the live generation's
                            ///< answers that the new one must give; 0: any will do
  std::chrono::milliseconds retain{30'000};  ///< key `retain_s`: processes of a generation that is
                                             ///< live no more stay for a quick way back
  std::int32_t keep_generations = 2;  ///< of the snapshot on disk, the newest; 0: all; [0, 1000]
};

/// The section `index` of a colony file: what is searched, and how when a query does not say.
struct IndexOptions {
  std::string name = "main";   ///< that clients ask for it by; of 1 to 32 of `a-z A-Z 0-9 . _ -`
  std::filesystem::path path;  ///< a snapshot, `NAME` or `NAME/GENERATION`; `~/` is expanded
  std::optional<index_tools::IndexKind> kind = {};  ///< unset: exact where there are vectors, else
                                                    ///< bm25
  SearchTuning tuning = {};   ///< keys `ef_search`, `nprobe`, `candidates`; 0: the index's own
  PassageFilter filter = {};  ///< section `filter`: a list a key, or `…_file` with an entry a line
  std::optional<std::int32_t> replicas = {};  ///< of each shard, [1, 64]; unset: `pool.replicas`
  SwapOptions swap = {};
  static IndexOptions from_options(base::OptionReader reader);
  /// As an embedded pool takes them.
  [[nodiscard]] EmbeddedPoolOptions embedded(int threads) const;
};

}  // namespace rookery::retriever_pool
