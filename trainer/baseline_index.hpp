#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace rookery::trainer {

/// How a baseline retriever searches its full copy of the index.
struct BaselineSearch {
  std::string kernel = "faiss";  ///< "faiss" (1.7.3's flat index, a copy in memory) or "rookery"
  int threads = 1;               ///< [1, 256]
  std::int32_t chunk = 8;        ///< queries in one search call; 0: all that came
  int blas_threshold = 0;        ///< faiss: queries from which BLAS is used; 0: its own default
};

/// What HF's retrievers send back to a rank: ids, and the vector of every document.
struct FoundDocuments {
  std::vector<std::int64_t> ids;  ///< `[queries, k]`
  std::vector<float> vectors;     ///< `[queries, k, dimension]`
};

/// A whole index in one process as the baselines have it: exact inner products, searched in
/// sequential chunks (specs/hf-rag.md 3.2). Use from one thread.
class BaselineIndex {
 public:
  /// Opens the first shard of a snapshot of one shard. Throws `UserError` for a snapshot of several
  /// shards, an unknown kernel, or what the parts refuse.
  BaselineIndex(const std::filesystem::path& snapshot, BaselineSearch search);
  ~BaselineIndex();
  [[nodiscard]] std::int32_t dimension() const;
  [[nodiscard]] const BaselineSearch& search() const { return search_; }

  /// `queries` is `[n, dimension]`; fewer than `k` rows in the index are a `UserError`.
  [[nodiscard]] FoundDocuments find(std::span<const float> queries, std::int32_t k);

  /// Tries chunks of 8 and the whole batch, BLAS from the first query on or by default, one thread
  /// and all, on these queries, and keeps the quickest setting.
  void tune(std::span<const float> queries, std::int32_t k);

 private:
  struct Impl;
  BaselineSearch search_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::trainer
