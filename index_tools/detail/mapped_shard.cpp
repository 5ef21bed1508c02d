#include "index_tools/detail/mapped_shard.hpp"

#include "base/error.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/index_spec.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace rookery::index_tools::detail {
namespace fs = std::filesystem;
namespace {

/// Elements of a file; the manifest's own check ties its size to the count.
template <typename Element>
std::span<const Element> elements(std::span<const std::byte> bytes) {
  // A mapping begins at a page, so any element is aligned.
  return {reinterpret_cast<const Element*>(bytes.data()), bytes.size() / sizeof(Element)};
}

[[noreturn]] void refuse_size(const fs::path& path, std::int64_t expected, std::size_t found) {
  throw base::UserError(path.string() + ": expected " + std::to_string(expected) +
                        " bytes, found " + std::to_string(found));
}

}  // namespace

MappedShard::MappedShard(const Manifest& manifest, const ShardEntry& entry,
                         std::vector<base::MappedFile> files, const fs::path& folder)
    : shard_(entry.shard),
      dimension_(manifest.dimension),
      vector_type_(manifest.vectors),
      files_(std::move(files)) {
  for (std::size_t index = 0; index < files_.size(); ++index) {
    const std::span<const std::byte> bytes = files_[index].bytes();
    const std::string& path = entry.files[index].path;
    if (bytes.size() != static_cast<std::size_t>(entry.files[index].bytes)) {
      refuse_size(folder / path, entry.files[index].bytes, bytes.size());
    }
    const std::string& name = names_.emplace_back(path.substr(path.find('/') + 1));
    if (name == "ids") {
      ids_ = elements<std::int64_t>(bytes);
    } else if (name == "vectors" && vector_type_ == VectorType::kFloat32) {
      vectors_ = elements<float>(bytes);
    } else if (name == "vectors") {
      half_vectors_ = elements<std::uint16_t>(bytes);
    } else if (name == "values") {
      values_ = elements<std::int32_t>(bytes);
    } else if (name == "passages") {
      passages_ = PassageStore(bytes, entry.passages, (folder / path).string());
    }
  }
  // Version 1 counts passages, and its ids may have holes all the same.
  const std::int64_t end = manifest.schema == 1 ? INT64_MAX : manifest.next_id;
  for (std::size_t row = 0; row < ids_.size(); ++row) {
    if (ids_[row] >= 0 && ids_[row] < end && (row == 0 || ids_[row] > ids_[row - 1])) continue;
    throw base::UserError((folder / ("shard-" + std::to_string(shard_)) / "ids").string() +
                          ": row " + std::to_string(row) + ": expected ids from 0 that rise" +
                          (manifest.schema == 1 ? "" : " and are below " + std::to_string(end)) +
                          ", got " + std::to_string(ids_[row]) + "; build the snapshot again");
  }
}

std::span<const std::byte> MappedShard::file(std::string_view name) const {
  for (const IndexKind kind : index_kinds()) {
    if (kind == IndexKind::kExact || to_string(kind) != name) continue;
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found != names_.end()) {
      return files_[static_cast<std::size_t>(found - names_.begin())].bytes();
    }
  }
  return {};
}

PassageView MappedShard::passage(std::int64_t row) const {
  if (row < 0 || row >= count()) {
    throw std::invalid_argument("passage: expected a row in [0, " + std::to_string(count()) +
                                "), got " + std::to_string(row));
  }
  PassageView view = passages_.row(row);
  view.id = ids_[static_cast<std::size_t>(row)];
  return view;
}

std::optional<std::int64_t> MappedShard::row_of(std::int64_t id) const {
  const auto found = std::lower_bound(ids_.begin(), ids_.end(), id);
  if (found == ids_.end() || *found != id) return std::nullopt;
  return found - ids_.begin();
}

void MappedShard::release_pages() const {
  for (const base::MappedFile& file : files_) {
    const std::span<const std::byte> bytes = file.bytes();
    // A hint: what it does not do costs memory, not correctness.
    if (!bytes.empty()) {
      ::madvise(const_cast<std::byte*>(bytes.data()), bytes.size(), MADV_DONTNEED);
    }
  }
}

std::unique_ptr<MappedShard> map_shard(const Manifest& manifest, const ShardEntry& entry,
                                       const fs::path& folder) {
  std::vector<base::MappedFile> files;
  for (const FileEntry& file : entry.files) files.emplace_back(folder / file.path);
  return std::make_unique<MappedShard>(manifest, entry, std::move(files), folder);
}

std::unique_ptr<MappedShard> map_checked_shard(const Manifest& manifest, const ShardEntry& entry,
                                               const fs::path& folder) {
  std::vector<Damage> damages;
  std::vector<base::MappedFile> files;
  std::int64_t sound_blocks = 0;
  for (const FileEntry& file : entry.files) {
    std::optional<base::MappedFile> mapped = map_and_check(folder, file, damages, sound_blocks);
    if (mapped) files.push_back(std::move(*mapped));
  }
  if (!damages.empty()) {
    const std::size_t others = damages.size() - 1;
    throw base::UserError(
        damages.front().message +
        (others > 0 ? " (and " + std::to_string(others) + " more damaged places)" : "") +
        "; the shard was not loaded: restore the file, or build the snapshot again (all damage: " +
        "rookery index verify " + folder.string() + ")");
  }
  return std::make_unique<MappedShard>(manifest, entry, std::move(files), folder);
}

}  // namespace rookery::index_tools::detail
