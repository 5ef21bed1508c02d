#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/mapped_file.hpp"
#include "index_tools/detail/passage_store.hpp"
#include "index_tools/manifest.hpp"
#include "index_tools/snapshot.hpp"

namespace rookery::index_tools::detail {

/// A shard over mapped files. What it does not check itself (checksums) its caller has checked.
class MappedShard final : public SnapshotShard {
 public:
  /// `files` are those of `entry`, in its order, with the sizes that it states. Throws `UserError`
  /// when ids or passages contradict themselves.
  MappedShard(const Manifest& manifest, const ShardEntry& entry,
              std::vector<base::MappedFile> files, const std::filesystem::path& folder);

  [[nodiscard]] std::int32_t shard() const override { return shard_; }
  [[nodiscard]] std::int64_t count() const override {
    return static_cast<std::int64_t>(ids_.size());
  }
  [[nodiscard]] std::int32_t dimension() const override { return dimension_; }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return ids_; }
  [[nodiscard]] VectorType vector_type() const override { return vector_type_; }
  [[nodiscard]] std::span<const float> vectors() const override { return vectors_; }
  [[nodiscard]] std::span<const std::uint16_t> half_vectors() const override {
    return half_vectors_;
  }
  [[nodiscard]] std::span<const std::int32_t> values() const override { return values_; }
  [[nodiscard]] std::span<const std::byte> file(std::string_view name) const override;
  [[nodiscard]] PassageView passage(std::int64_t row) const override;
  [[nodiscard]] std::optional<std::int64_t> row_of(std::int64_t id) const override;

  /// Gives the pages back to the system: they are read again when they are used again. For those
  /// who pass over many shards and must not hold them all.
  void release_pages() const;

 private:
  std::int32_t shard_, dimension_;
  VectorType vector_type_;
  std::vector<base::MappedFile> files_;
  std::vector<std::string> names_;  ///< of `files_`
  std::span<const std::int64_t> ids_;
  std::span<const float> vectors_;
  std::span<const std::uint16_t> half_vectors_;
  std::span<const std::int32_t> values_;
  PassageStore passages_;
};

/// Maps the files of a shard that this process has written itself a moment ago: sizes are checked,
/// checksums are not. Throws `UserError`.
std::unique_ptr<MappedShard> map_shard(const Manifest& manifest, const ShardEntry& entry,
                                       const std::filesystem::path& folder);

/// The same after every block was checked; see `open_shard`.
std::unique_ptr<MappedShard> map_checked_shard(const Manifest& manifest, const ShardEntry& entry,
                                               const std::filesystem::path& folder);

}  // namespace rookery::index_tools::detail
