#include "index_tools/snapshot.hpp"

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/mapped_file.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/detail/passage_store.hpp"

#include <algorithm>

namespace rookery::index_tools {
namespace fs = std::filesystem;
namespace {

class MappedShard final : public SnapshotShard {
 public:
  MappedShard(const ShardEntry& entry, std::int32_t dimension, std::vector<base::MappedFile> files,
              const fs::path& folder)
      : shard_(entry.shard), dimension_(dimension), files_(std::move(files)) {
    const auto count = static_cast<std::size_t>(entry.passages);
    for (std::size_t index = 0; index < files_.size(); ++index) {
      const std::span<const std::byte> bytes = files_[index].bytes();
      const std::string& path = entry.files[index].path;
      // The manifest's own check ties sizes of ids and vectors to the count.
      if (path.ends_with("/ids")) {
        ids_ = {reinterpret_cast<const std::int64_t*>(bytes.data()), count};
      } else if (path.ends_with("/vectors")) {
        vectors_ = {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
      } else if (path.ends_with("/passages")) {
        passages_ = detail::PassageStore(bytes, entry.passages, (folder / path).string());
      }
    }
    for (std::size_t row = 0; row < count; ++row) {
      if (ids_[row] >= 0 && (row == 0 || ids_[row] > ids_[row - 1])) continue;
      throw base::UserError((folder / ("shard-" + std::to_string(shard_)) / "ids").string() +
                            ": row " + std::to_string(row) +
                            ": expected ids from 0 that rise, got " + std::to_string(ids_[row]) +
                            "; build the snapshot again");
    }
  }

  [[nodiscard]] std::int32_t shard() const override { return shard_; }
  [[nodiscard]] std::int64_t count() const override {
    return static_cast<std::int64_t>(ids_.size());
  }
  [[nodiscard]] std::int32_t dimension() const override { return dimension_; }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return ids_; }
  [[nodiscard]] std::span<const float> vectors() const override { return vectors_; }

  [[nodiscard]] PassageView passage(std::int64_t row) const override {
    if (row < 0 || row >= count()) {
      throw std::invalid_argument("passage: expected a row in [0, " + std::to_string(count()) +
                                  "), got " + std::to_string(row));
    }
    PassageView view = passages_.row(row);
    view.id = ids_[static_cast<std::size_t>(row)];
    return view;
  }

  [[nodiscard]] std::optional<std::int64_t> row_of(std::int64_t id) const override {
    const auto found = std::lower_bound(ids_.begin(), ids_.end(), id);
    if (found == ids_.end() || *found != id) return std::nullopt;
    return found - ids_.begin();
  }

 private:
  std::int32_t shard_, dimension_;
  std::vector<base::MappedFile> files_;
  std::span<const std::int64_t> ids_;
  std::span<const float> vectors_;
  detail::PassageStore passages_;
};

const ShardEntry& shard_entry(const Manifest& manifest, std::int32_t shard,
                              const fs::path& folder) {
  if (shard >= 0 && shard < static_cast<std::int32_t>(manifest.shards.size())) {
    return manifest.shards[static_cast<std::size_t>(shard)];
  }
  throw base::UserError(folder.string() + ": expected a shard in [0, " +
                        std::to_string(manifest.shards.size()) + "), got " + std::to_string(shard));
}

/// Maps a file, or reports it as missing.
std::optional<base::MappedFile> map_or_report(const fs::path& path, std::vector<Damage>& damages) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    damages.push_back({path.string(), -1, path.string() + ": is missing"});
    return std::nullopt;
  }
  try {
    return base::MappedFile(path);
  } catch (const base::UserError& problem) {
    damages.push_back({path.string(), -1, problem.what()});
    return std::nullopt;
  }
}

void append(std::vector<Damage>& damages, std::vector<Damage> more) {
  std::move(more.begin(), more.end(), std::back_inserter(damages));
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
  const ShardEntry& entry = shard_entry(manifest, shard, folder);
  std::vector<Damage> damages;
  std::vector<base::MappedFile> files;
  std::int64_t sound_blocks = 0;
  for (const FileEntry& file : entry.files) {
    const fs::path path = folder / file.path;
    std::optional<base::MappedFile> mapped = map_or_report(path, damages);
    if (!mapped) continue;
    append(damages, detail::check_file(path.string(), mapped->bytes(), file, sound_blocks));
    files.push_back(std::move(*mapped));
  }
  if (!damages.empty()) {
    const std::size_t others = damages.size() - 1;
    throw base::UserError(
        damages.front().message +
        (others > 0 ? " (and " + std::to_string(others) + " more damaged places)" : "") +
        "; the shard was not loaded: restore the file, or build the snapshot again (all damage: " +
        "rookery index verify " + folder.string() + ")");
  }
  return std::make_unique<MappedShard>(entry, manifest.dimension, std::move(files), folder);
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
      const fs::path path = folder / file.path;
      const std::optional<base::MappedFile> mapped = map_or_report(path, damages);
      if (!mapped) continue;
      append(damages, detail::check_file(path.string(), mapped->bytes(), file, sound_blocks));
    }
  }
  return damages;
}

}  // namespace rookery::index_tools
