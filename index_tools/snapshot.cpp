#include "index_tools/snapshot.hpp"

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/detail/mapped_shard.hpp"

#include <algorithm>

namespace rookery::index_tools {
namespace fs = std::filesystem;
namespace {

const ShardEntry& shard_entry(const Manifest& manifest, std::int32_t shard,
                              const fs::path& folder) {
  if (shard >= 0 && shard < static_cast<std::int32_t>(manifest.shards.size())) {
    return manifest.shards[static_cast<std::size_t>(shard)];
  }
  throw base::UserError(folder.string() + ": expected a shard in [0, " +
                        std::to_string(manifest.shards.size()) + "), got " + std::to_string(shard));
}

bool is_generation_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

bool has_unfinished_build(const fs::path& snapshot) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(snapshot, error)) {
    if (entry.path().filename().string().starts_with(".building-")) return true;
  }
  return false;
}

}  // namespace

void copy_vector(const SnapshotShard& shard, std::int64_t row, std::span<float> out) {
  const auto dimension = static_cast<std::size_t>(shard.dimension());
  if (row < 0 || row >= shard.count() || out.size() != dimension ||
      shard.vector_type() == VectorType::kNone) {
    throw std::invalid_argument("copy_vector: expected a row in [0, " +
                                std::to_string(shard.count()) + ") and room for " +
                                std::to_string(dimension) + " floats, got row " +
                                std::to_string(row) + " and " + std::to_string(out.size()));
  }
  const std::size_t begin = static_cast<std::size_t>(row) * dimension;
  if (shard.vector_type() == VectorType::kFloat16) {
    const auto halves = shard.half_vectors().subspan(begin, dimension);
    std::transform(halves.begin(), halves.end(), out.begin(), from_half);
  } else {
    std::copy_n(shard.vectors().begin() + static_cast<std::ptrdiff_t>(begin), dimension,
                out.begin());
  }
}

fs::path resolve_generation(const fs::path& snapshot) {
  const std::string name = snapshot.string();
  std::error_code error;
  if (!fs::is_directory(snapshot, error)) {
    throw base::UserError(name + ": no such snapshot; build one with: rookery index build " +
                          "--corpus wiki --out " + name);
  }
  if (fs::exists(snapshot / "manifest.json", error)) return snapshot;
  const fs::path current = snapshot / "CURRENT";
  if (!fs::exists(current, error)) {
    if (has_unfinished_build(snapshot)) {
      throw base::UserError(name + ": holds an unfinished build only; run the same " +
                            "rookery index build again to finish it");
    }
    throw base::UserError(name + ": expected a snapshot (a folder with CURRENT, or one of its " +
                          "generations), found neither CURRENT nor manifest.json; build one " +
                          "with: rookery index build --corpus wiki --out " + name);
  }
  std::string generation = base::read_file(current);
  while (!generation.empty() && (generation.back() == '\n' || generation.back() == '\r')) {
    generation.pop_back();
  }
  if (!is_generation_name(generation)) {
    throw base::UserError(current.string() +
                          ": expected the name of a generation in hex digits, got '" +
                          generation.substr(0, 40) + "'");
  }
  const fs::path folder = snapshot / generation;
  if (!fs::exists(folder / "manifest.json", error)) {
    throw base::UserError(current.string() + ": names generation " + generation + ", but " +
                          (folder / "manifest.json").string() +
                          " is missing; restore the folder or build the snapshot again");
  }
  return folder;
}

Manifest load_manifest(const fs::path& snapshot) {
  const fs::path folder = resolve_generation(snapshot);
  const fs::path path = folder / "manifest.json";
  Manifest manifest = Manifest::from_json(base::read_file(path), path.string());
  // Through CURRENT the folder's name is known; a copy of another generation's manifest shows here.
  if (folder != snapshot && folder.filename() != manifest.generation) {
    throw base::UserError(path.string() + ": generation: expected " + folder.filename().string() +
                          ", got '" + manifest.generation +
                          "'; restore the file or build the snapshot again");
  }
  return manifest;
}

std::unique_ptr<SnapshotShard> open_shard(const fs::path& snapshot, std::int32_t shard) {
  const fs::path folder = resolve_generation(snapshot);
  const Manifest manifest = load_manifest(folder);
  return detail::map_checked_shard(manifest, shard_entry(manifest, shard, folder), folder);
}

std::vector<Damage> verify_snapshot(const fs::path& snapshot, std::optional<std::int32_t> shard,
                                    std::int64_t& sound_blocks) {
  const fs::path folder = resolve_generation(snapshot);
  const Manifest manifest = load_manifest(folder);
  if (shard) shard_entry(manifest, *shard, folder);
  std::vector<Damage> damages;
  for (const ShardEntry& entry : manifest.shards) {
    if (shard && *shard != entry.shard) continue;
    for (const FileEntry& file : entry.files) {
      (void)detail::map_and_check(folder, file, damages, sound_blocks);
    }
  }
  return damages;
}

}  // namespace rookery::index_tools
