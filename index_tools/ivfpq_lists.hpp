#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index_tools/hnsw_graph.hpp"
#include "index_tools/index_spec.hpp"
#include "index_tools/snapshot.hpp"

namespace rookery::index_tools {

namespace detail {
class GenerationFile;
}
struct FaissIvfPq;

inline constexpr std::int32_t kPqWords = 256;     ///< codewords a codebook: codes are bytes
inline constexpr std::int32_t kPqGroupRows = 64;  ///< rows whose codes are interleaved

/// What training gives, the same for all shards of a generation.
struct IvfPqModel {
  IvfPqParameters parameters;  ///< with `nlist` as it came out
  std::int32_t dimension = 0;
  std::vector<float> centroids;  ///< `[nlist, dimension]`
  std::vector<float> codebooks;  ///< `[pq_bytes, 256, dimension / pq_bytes]`, of residuals
};

/// How many lists an index over `rows` rows gets when nobody says: 4 √rows, at most rows / 39
/// (below 39 rows a list k-means has too little to go by), at least 1.
std::int32_t default_nlist(std::int64_t rows);

/// Trains on a sample of all shards' rows with faiss's k-means and a fixed seed. Which rows are in
/// the sample follows from their passage ids alone, so that the model does not depend on how the
/// rows are spread over shards. `UserError` says what would fit when there are too few rows or
/// `pq_bytes` does not divide the dimension.
IvfPqModel train_ivfpq(std::span<const std::shared_ptr<const SnapshotShard>> shards,
                       const std::string& metric, const IvfPqParameters& parameters, int threads);

/// The `ivfpq` file of a shard. Views into the mapped bytes.
///
/// A row d of list l is kept as the codes of its residual: d ≈ c_l + r, r put together from one
/// codeword a codebook. Within a list, 64 rows at a time lie interleaved: byte m of row j of a
/// group of w rows (64, or fewer in the last) is at m w + j of that group's bytes. Behind the last
/// code there are `kPqGroupRows` bytes that may be read.
struct IvfPqLists {
  std::int64_t count = 0;
  std::int32_t dimension = 0;
  bool l2 = false;  ///< else inner product (cosine too: the vectors are of length 1)
  IvfPqParameters parameters;
  std::span<const float> centroids, codebooks;  ///< as in `IvfPqModel`
  std::span<const std::int64_t> list_begins;    ///< `[nlist + 1]` into `rows` and `codes`
  std::span<const std::int32_t> rows;           ///< `[count]`, rising within a list
  std::span<const float> row_terms;  ///< `[count]` ‖r‖² + 2 c·r for l2, else empty: with it
                                     ///< ‖q − d‖² ≈ ‖q − c‖² − 2 q·r + term
  std::span<const std::uint8_t> codes;  ///< `[count × pq_bytes]`, interleaved by groups
  HnswGraph coarse;                     ///< over the centroids, when `parameters.coarse` is hnsw

  /// The codes of one list, a row after the other: `[rows of the list, pq_bytes]`.
  [[nodiscard]] std::vector<std::uint8_t> list_codes(std::int32_t list) const;

  /// Checks every number in it before it is used. Throws `UserError` naming `where`; bytes that are
  /// not 8-byte aligned are a `std::invalid_argument`.
  static IvfPqLists open(std::span<const std::byte> bytes, std::int64_t count,
                         std::int32_t dimension, const std::string& where);
};

/// Assigns and encodes the rows of a shard and writes the file. Needs memory for the codes and for
/// 65,536 vectors.
void write_ivfpq_lists(const SnapshotShard& shard, const std::string& metric,
                       const IvfPqModel& model, int threads, detail::GenerationFile& file);

/// The same into a file of its own, outside of any generation.
void write_ivfpq_file(const SnapshotShard& shard, const std::string& metric,
                      const IvfPqModel& model, int threads, const std::filesystem::path& path);

/// Writes lists that are encoded already (those of a faiss file, rows numbered from 0). Throws
/// `UserError` when their sizes do not agree, or they are not of residuals.
void write_ivfpq_lists(const FaissIvfPq& lists, const IvfPqParameters& parameters, bool l2,
                       std::int32_t dimension, int threads, detail::GenerationFile& file);

/// The same lists in faiss's terms, for its file format.
FaissIvfPq to_faiss(const IvfPqLists& lists);

}  // namespace rookery::index_tools
