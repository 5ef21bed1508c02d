#include "index_tools/detail/index_builder.hpp"

#include "base/error.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/detail/mapped_shard.hpp"
#include "index_tools/index_files.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace rookery::index_tools::detail {
namespace {

/// The files of one spec while they are written, by shard and name.
class OpenFiles {
 public:
  OpenFiles(const std::filesystem::path& work,
            const std::vector<std::shared_ptr<const SnapshotShard>>& shards)
      : work_(work), shards_(shards) {}

  /// A shard's file is finished when the next shard's is asked for, and the shard's pages go.
  GenerationFile& open(std::int32_t shard, const std::string& name) {
    std::unique_ptr<GenerationFile>& file = files_[{shard, name}];
    if (!file) {
      for (const auto& mapped : shards_) {
        if (mapped->shard() == shard) continue;
        static_cast<const MappedShard&>(*mapped).release_pages();
      }
      file = std::make_unique<GenerationFile>(work_, "shard-" + std::to_string(shard) + "/" + name);
    }
    return *file;
  }

  void finish(Manifest& manifest) {
    for (auto& [key, file] : files_) {
      manifest.shards[static_cast<std::size_t>(key.first)].files.push_back(file->finish());
    }
  }

 private:
  const std::filesystem::path& work_;
  const std::vector<std::shared_ptr<const SnapshotShard>>& shards_;
  std::map<std::pair<std::int32_t, std::string>, std::unique_ptr<GenerationFile>> files_;
};

/// Rows first, then indexes by kind, however they came to be there: the order is part of what a
/// generation is named after.
void sort_files(ShardEntry& shard) {
  const auto place = [](const FileEntry& file) {
    constexpr std::array<std::string_view, 8> kOrder{"ids",  "passages", "vectors", "values",
                                                     "int8", "hnsw",     "ivfpq",   "bm25"};
    const std::string_view name = std::string_view(file.path).substr(file.path.find('/') + 1);
    return std::find(kOrder.begin(), kOrder.end(), name) - kOrder.begin();
  };
  const auto before = [&](const FileEntry& a, const FileEntry& b) { return place(a) < place(b); };
  std::stable_sort(shard.files.begin(), shard.files.end(), before);
}

}  // namespace

void check_specs_fit(const std::vector<IndexSpec>& specs, VectorType vectors,
                     std::int32_t dimension) {
  for (const IndexSpec& spec : specs) {
    if (spec.kind != IndexKind::kBm25 && vectors == VectorType::kNone) {
      throw base::UserError("index: " + to_string(spec.kind) +
                            " needs vectors, and this snapshot has none; build it with an encoder");
    }
    if (spec.kind == IndexKind::kIvfPq && dimension % spec.ivfpq.pq_bytes != 0) {
      throw base::UserError("index: ivfpq: pq_bytes: expected a divisor of the dimension " +
                            std::to_string(dimension) + ", got " +
                            std::to_string(spec.ivfpq.pq_bytes));
    }
  }
}

void build_indexes(const std::filesystem::path& work, Manifest& manifest,
                   const std::vector<IndexSpec>& specs, int threads,
                   const IndexProgress& progress) {
  check_specs_fit(specs, manifest.vectors, manifest.dimension);
  for (const IndexSpec& spec : specs) {
    // Mapped anew for each spec, so that an hnsw finds the int8 file that was built before it.
    std::vector<std::shared_ptr<const SnapshotShard>> shards;
    for (const ShardEntry& entry : manifest.shards) {
      shards.push_back(map_shard(manifest, entry, work));
    }
    OpenFiles files(work, shards);
    build_index_files({shards, manifest.metric, threads, progress}, spec,
                      [&](std::int32_t shard, const std::string& name) -> GenerationFile& {
                        return files.open(shard, name);
                      });
    files.finish(manifest);
    for (ShardEntry& shard : manifest.shards) sort_files(shard);
  }
}

}  // namespace rookery::index_tools::detail
