#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "index_tools/index_spec.hpp"

namespace rookery::index_tools {

/// What to write of a snapshot; empty paths are not written.
struct ExportOptions {
  std::filesystem::path snapshot;
  std::filesystem::path npy;     ///< vectors, `[passages, dimension]`, `<f4` or `<f2` as they lie
  std::filesystem::path ids;     ///< `.npy`, `[passages]` of `<i8`
  std::filesystem::path values;  ///< `.npy`, `[passages]` of `<i4`; only of a kNN datastore
  std::filesystem::path faiss;   ///< an index file that faiss reads
  std::string faiss_kind = "flat";  ///< flat, or hnsw (built now; ids must be rows)
  HnswParameters hnsw;
  int threads = 0;  ///< of the hnsw build, 0: all usable cores
};

struct ExportReport {
  std::string generation, metric;
  std::int64_t passages = 0;
  std::int32_t dimension = 0;
  bool ids_are_rows = false;  ///< ids are 0, 1, …, so that files need no map
};

/// Writes the rows of all shards in rising order of passage id, so that row i of every file is the
/// same passage. Files appear whole or not at all. `import_snapshot` of what came out gives the
/// same vectors bit for bit. Throws `UserError`: nothing asked for, no vectors (or values) there, a
/// damaged shard, a faiss graph over ids that are not rows.
ExportReport export_snapshot(const ExportOptions& options,
                             const std::function<void(std::int64_t, std::int64_t)>& progress = {});

}  // namespace rookery::index_tools
