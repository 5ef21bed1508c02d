#pragma once

#include <cstddef>
#include <cstdint>
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

/// What training gives, the same for all shards of a generation.
struct IvfPqModel {
  IvfPqParameters parameters;  ///< with `nlist` as it came out
  std::int32_t dimension = 0;
  std::vector<float> centroids;  ///< `[nlist, dimension]`
  std::vector<float> codebooks;  ///< `[pq_bytes, 256, dimension / pq_bytes]`, of residuals
};

/// Trains on a sample of all shards' rows, chosen by a fixed rule, with faiss's k-means and a fixed
/// seed. Throws `UserError` when there are too few rows or `pq_bytes` does not divide the
/// dimension.
IvfPqModel train_ivfpq(std::span<const std::shared_ptr<const SnapshotShard>> shards,
                       const std::string& metric, const IvfPqParameters& parameters, int threads);

/// The `ivfpq` file of a shard. Views into the mapped bytes.
struct IvfPqLists {
  std::int64_t count = 0;
  std::int32_t dimension = 0;
  IvfPqParameters parameters;
  std::span<const float> centroids, codebooks;  ///< as in `IvfPqModel`
  std::span<const std::int64_t> list_begins;    ///< `[nlist + 1]` into `rows` and `codes`
  std::span<const std::int32_t> rows;           ///< `[count]`, rising within a list
  std::span<const std::uint8_t> codes;          ///< `[count, pq_bytes]`
  HnswGraph coarse;  ///< over the centroids, when `parameters.coarse` is hnsw

  /// Checks every number in it before it is used. Throws `UserError` naming `where`.
  static IvfPqLists open(std::span<const std::byte> bytes, std::int64_t count,
                         std::int32_t dimension, const std::string& where);
};

/// Assigns and encodes the rows of a shard and writes the file.
void write_ivfpq_lists(const SnapshotShard& shard, const std::string& metric,
                       const IvfPqModel& model, int threads, detail::GenerationFile& file);

}  // namespace rookery::index_tools
