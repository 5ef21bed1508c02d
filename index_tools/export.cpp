#include "index_tools/export.hpp"

#include "base/error.hpp"
#include "base/thread_team.hpp"
#include "index_tools/faiss/faiss_bridge.hpp"
#include "index_tools/npy_file.hpp"
#include "index_tools/snapshot.hpp"

#include <unistd.h>

#include <memory>
#include <optional>
#include <queue>
#include <tuple>
#include <utility>
#include <vector>

namespace rookery::index_tools {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kProgressStep = 4096;

/// All rows of a generation, by rising id.
class RowMerge {
 public:
  explicit RowMerge(const std::vector<std::unique_ptr<SnapshotShard>>& shards) : shards_(shards) {
    for (std::size_t shard = 0; shard < shards.size(); ++shard) push(shard, 0);
  }
  /// Shard and row of the next id; nothing at the end.
  std::optional<std::pair<std::size_t, std::int64_t>> next() {
    if (heads_.empty()) return std::nullopt;
    const auto [id, shard, row] = heads_.top();
    heads_.pop();
    push(shard, row + 1);
    return std::pair(shard, row);
  }

 private:
  void push(std::size_t shard, std::int64_t row) {
    if (row >= shards_[shard]->count()) return;
    heads_.emplace(shards_[shard]->ids()[static_cast<std::size_t>(row)], shard, row);
  }
  using Head = std::tuple<std::int64_t, std::size_t, std::int64_t>;
  const std::vector<std::unique_ptr<SnapshotShard>>& shards_;
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads_;
};

std::span<const std::byte> vector_bytes(const SnapshotShard& shard, std::int64_t row) {
  const auto width = static_cast<std::size_t>(shard.dimension());
  const std::size_t begin = static_cast<std::size_t>(row) * width;
  if (shard.vector_type() == VectorType::kFloat16) {
    return std::as_bytes(shard.half_vectors().subspan(begin, width));
  }
  return std::as_bytes(shard.vectors().subspan(begin, width));
}

void check(const ExportOptions& options, const std::vector<std::unique_ptr<SnapshotShard>>& shards,
           const std::string& where) {
  if (options.npy.empty() && options.ids.empty() && options.values.empty() &&
      options.faiss.empty()) {
    throw base::UserError("export: expected a file to write, got none; give --npy, --ids, " +
                          std::string("--values or --faiss"));
  }
  const bool vectors = !options.npy.empty() || !options.faiss.empty();
  if (vectors && shards.front()->vector_type() == VectorType::kNone) {
    throw base::UserError(where + ": expected a snapshot with vectors, got one without");
  }
  if (!options.values.empty() && shards.front()->values().empty()) {
    throw base::UserError(where + ": expected a kNN datastore, got a snapshot without values");
  }
  if (options.faiss_kind != "flat" && options.faiss_kind != "hnsw") {
    throw base::UserError("faiss kind: expected flat or hnsw, got '" + options.faiss_kind + "'");
  }
}

/// What faiss is given whole.
struct FaissRows {
  std::vector<float> vectors;
  std::vector<std::int64_t> ids;  ///< empty where they are rows
};

void write_faiss(const ExportOptions& options, const FaissRows& rows, const ExportReport& report) {
  const VectorsView view{rows.vectors, report.dimension, report.metric == "l2"};
  FaissBridge& bridge = faiss_bridge();
  const fs::path partial =
      options.faiss.string() + ".partial-" + std::to_string(static_cast<long>(::getpid()));
  try {
    if (options.faiss_kind == "flat") {
      bridge.write_flat(partial, view, rows.ids);
    } else {
      const int threads = options.threads > 0 ? options.threads : base::usable_cores();
      bridge.write_hnsw(partial, view,
                        bridge.build_hnsw(view, options.hnsw.m, options.hnsw.ef_construction,
                                          options.hnsw.serial ? 1 : threads));
    }
    fs::rename(partial, options.faiss);
  } catch (const std::exception& problem) {
    std::error_code ignored;
    fs::remove(partial, ignored);
    throw base::UserError(options.faiss.string() + ": was not written: " + problem.what());
  }
}

}  // namespace

ExportReport export_snapshot(const ExportOptions& options,
                             const std::function<void(std::int64_t, std::int64_t)>& progress) {
  const fs::path folder = resolve_generation(options.snapshot);
  const Manifest manifest = load_manifest(folder);
  std::vector<std::unique_ptr<SnapshotShard>> shards;
  for (const ShardEntry& entry : manifest.shards) {
    shards.push_back(open_shard(folder, entry.shard));
  }
  check(options, shards, folder.string());
  ExportReport report{manifest.generation, manifest.metric, manifest.passages, manifest.dimension,
                      true};
  std::int64_t last = 0;
  for (const auto& shard : shards) last = std::max(last, shard->ids().back());
  report.ids_are_rows = last == manifest.passages - 1;  // ids from 0 that come once
  if (!options.faiss.empty() && options.faiss_kind == "hnsw" && !report.ids_are_rows) {
    throw base::UserError(folder.string() + ": expected passages 0 to " +
                          std::to_string(manifest.passages - 1) + " for a graph file, which " +
                          "names passages by their row, got ids up to " + std::to_string(last) +
                          "; write --faiss with the kind flat, which maps ids");
  }

  const auto column = [&](const fs::path& path, NpyType type, std::int64_t columns) {
    if (path.empty()) return std::unique_ptr<NpyWriter>();
    const std::int32_t axes = columns > 0 ? 2 : 1;
    return std::make_unique<NpyWriter>(
        path, NpyHeader{type, axes, report.passages, columns > 0 ? columns : 1});
  };
  const bool half = shards.front()->vector_type() == VectorType::kFloat16;
  const auto npy =
      column(options.npy, half ? NpyType::kFloat16 : NpyType::kFloat32, report.dimension);
  const auto ids = column(options.ids, NpyType::kInt64, 0);
  const auto values = column(options.values, NpyType::kInt32, 0);
  FaissRows rows;
  const auto width = static_cast<std::size_t>(report.dimension);
  if (!options.faiss.empty()) {
    rows.vectors.resize(static_cast<std::size_t>(report.passages) * width);
  }
  RowMerge merge(shards);
  std::int64_t done = 0;
  while (const auto place = merge.next()) {
    const SnapshotShard& shard = *shards[place->first];
    const std::int64_t row = place->second;
    if (progress && done % kProgressStep == 0) progress(done, report.passages);
    if (npy) npy->write(vector_bytes(shard, row));
    if (ids) ids->write(std::as_bytes(shard.ids().subspan(static_cast<std::size_t>(row), 1)));
    if (values) {
      values->write(std::as_bytes(shard.values().subspan(static_cast<std::size_t>(row), 1)));
    }
    if (!options.faiss.empty()) {
      copy_vector(shard, row,
                  std::span(rows.vectors).subspan(static_cast<std::size_t>(done) * width, width));
      if (!report.ids_are_rows) rows.ids.push_back(shard.ids()[static_cast<std::size_t>(row)]);
    }
    ++done;
  }
  if (!options.faiss.empty()) write_faiss(options, rows, report);
  for (const auto* file : {&npy, &ids, &values}) {
    if (*file) (*file)->finish();
  }
  if (progress) progress(done, report.passages);
  return report;
}

}  // namespace rookery::index_tools
