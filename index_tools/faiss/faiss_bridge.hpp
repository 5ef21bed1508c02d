#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace rookery::index_tools {

/// What an HNSW build gives: faiss's own arrays in our terms (see `HnswGraph`).
struct FaissHnsw {
  std::int32_t m = 0, levels = 0, entry = 0, ef_construction = 0, ef_search = 0;
  std::vector<std::int32_t> node_levels;  ///< `[count]`, 1 for a node on level 0 only
  std::vector<std::int64_t> offsets;      ///< `[count + 1]` into `links`
  std::vector<std::int32_t> links;        ///< of a node: 2 m for level 0, then m a level; -1 unused
};

/// What IVF-PQ training and encoding give.
struct FaissIvfPq {
  std::int32_t nlist = 0, pq_bytes = 0, nprobe = 0;
  std::vector<float> centroids;                       ///< `[nlist, dimension]`
  std::vector<float> codebooks;                       ///< `[pq_bytes, 256, dimension / pq_bytes]`
  std::vector<std::vector<std::int64_t>> list_rows;   ///< `[nlist]`
  std::vector<std::vector<std::uint8_t>> list_codes;  ///< `[nlist]`, pq_bytes each
  bool by_residual = true;
};

/// A faiss index file as we understand it.
struct FaissContents {
  std::string type;    ///< "flat", "hnsw", "ivfpq", "hnsw-sq", "ivfflat", …, for people
  std::string metric;  ///< "inner_product" or "l2"
  std::int32_t dimension = 0;
  std::int64_t count = 0;
  std::vector<float> vectors;     ///< `[count, dimension]`; decoded where the file keeps codes
  bool vectors_are_exact = true;  ///< false when they were decoded from lossy codes
  std::vector<std::int64_t> ids;  ///< `[count]` when the file maps ids; else empty
  std::unique_ptr<FaissHnsw> hnsw;
  std::unique_ptr<FaissIvfPq> ivfpq;
};

struct VectorsView {
  std::span<const float> vectors;  ///< `[count, dimension]`
  std::int32_t dimension = 0;
  bool l2 = false;  ///< else inner product
};

/// faiss's own search over a graph, for benchmarks and tests that compare ours with it.
class FaissHnswSearch {
 public:
  virtual ~FaissHnswSearch() = default;
  /// The nearest `k` rows of every query, -1 where there are fewer: `[queries, k]`.
  virtual std::vector<std::int64_t> search(std::span<const float> queries, std::int32_t k,
                                           std::int32_t ef_search, int threads) = 0;
};

/// faiss's own exact search, for baselines and benchmarks that compare ours with it.
class FaissFlatSearch {
 public:
  virtual ~FaissFlatSearch() = default;
  /// Row numbers of the best `k` rows of every query, -1 where there are fewer: `[queries, k]`.
  /// From `blas_threshold` queries on faiss multiplies blocks through BLAS; 0 leaves its default.
  virtual std::vector<std::int64_t> search(std::span<const float> queries, std::int32_t k,
                                           int blas_threshold, int threads) = 0;
};

/// All that we ask of faiss (1.7.3, built with AVX2). It lies in `librookery_faiss.so`, loaded at
/// the first use: its BLAS and OpenMP names stay hidden, a node that only searches never loads it,
/// and a machine without AVX2 gets a `UserError` by name instead of an illegal instruction. Threads
/// are set explicitly in every call. Errors of faiss come out as `UserError`.
class FaissBridge {
 public:
  virtual ~FaissBridge() = default;
  virtual FaissHnsw build_hnsw(const VectorsView& rows, std::int32_t m,
                               std::int32_t ef_construction, int threads) = 0;
  /// k-means for the lists, then residual codebooks; `seed` fixes both.
  virtual FaissIvfPq train_ivfpq(const VectorsView& sample, std::int32_t nlist,
                                 std::int32_t pq_bytes, std::uint64_t seed, int threads) = 0;
  /// Lists and codes of `rows` (row numbers from 0) under a trained model.
  virtual FaissIvfPq encode_ivfpq(const FaissIvfPq& model, const VectorsView& rows,
                                  int threads) = 0;
  virtual FaissContents read_file(const std::filesystem::path& path) = 0;
  virtual void write_flat(const std::filesystem::path& path, const VectorsView& rows,
                          std::span<const std::int64_t> ids) = 0;
  virtual void write_hnsw(const std::filesystem::path& path, const VectorsView& rows,
                          const FaissHnsw& graph) = 0;
  virtual void write_ivfpq(const std::filesystem::path& path, const VectorsView& shape,
                           const FaissIvfPq& lists) = 0;
  /// Copies the rows.
  virtual std::unique_ptr<FaissHnswSearch> open_hnsw(const VectorsView& rows,
                                                     const FaissHnsw& graph) = 0;
  /// Copies the rows.
  virtual std::unique_ptr<FaissFlatSearch> open_flat(const VectorsView& rows) = 0;
};

/// Loads the library once. Throws `UserError` saying what is missing (AVX2, the library's file).
FaissBridge& faiss_bridge();

}  // namespace rookery::index_tools
