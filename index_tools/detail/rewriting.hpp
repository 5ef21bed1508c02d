#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "index_tools/detail/build_lock.hpp"
#include "index_tools/detail/mapped_shard.hpp"
#include "index_tools/detail/resumable_folder.hpp"
#include "index_tools/rewrite.hpp"
#include "index_tools/snapshot_writer.hpp"

namespace rookery::index_tools::detail {

/// What the ways from one generation to another have in common: finds the generation, keeps others
/// from changing the snapshot, and publishes.
class Rewriting {
 public:
  /// Throws `UserError` when there is no such generation or another process is at it.
  explicit Rewriting(const RewriteOptions& options);

  [[nodiscard]] const Manifest& base() const { return report.before; }
  [[nodiscard]] const std::filesystem::path& base_folder() const { return base_folder_; }
  [[nodiscard]] const std::filesystem::path& name() const { return name_; }
  /// The base's indexes.
  [[nodiscard]] std::vector<IndexSpec> indexes() const;
  /// The content key of the base, one made of its name where schema 1 has none.
  [[nodiscard]] std::string content_key() const;

  /// The lowest id that was never given out. Opens the shards.
  [[nodiscard]] std::int64_t next_id();
  /// All shards of the base, every block checked.
  [[nodiscard]] const std::vector<std::unique_ptr<MappedShard>>& shards();
  /// Calls `row` for every row of the base by rising passage id. Pages are given back on the way.
  void for_each_row(const std::function<void(const MappedShard&, std::int64_t row)>& row);
  void tell(const std::string& stage, std::int64_t done, std::int64_t total,
            const std::string& unit) const;

  /// Uses a sound generation of `build_key` if there is one; else calls `write` with the work
  /// folder, which gives the manifest that it committed. Fills in the report's ends.
  RewriteReport finish(const std::string& build_key,
                       const std::function<Manifest(const std::filesystem::path& work)>& write);
  /// Nothing is to be done: the base is the answer.
  RewriteReport keep_base();

  /// A writer of rows like the base's, in so many shards.
  [[nodiscard]] SnapshotWriterOptions layout(std::int32_t shards) const;
  /// Call before `commit`: refuses to go on where CURRENT was moved by someone else meanwhile.
  void check_current() const;

  RewriteReport report;

 private:
  RewriteReport end();

  RewriteOptions options_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::filesystem::path base_folder_, name_;
  std::optional<BuildLock> lock_;
  std::string current_;
  std::vector<std::unique_ptr<MappedShard>> shards_;
};

/// SHA-256 of a text, in hex.
std::string key_of(const std::string& facts);

}  // namespace rookery::index_tools::detail
