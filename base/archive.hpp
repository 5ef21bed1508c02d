#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::base {

/// A folder, or a zip archive such as a Python wheel, read as a tree of files. Not thread-safe.
/// Throws `UserError` with path and reason when the archive is damaged or a member is missing.
class Archive {
 public:
  /// `path` is a folder, a `.whl` or a `.zip`.
  static std::unique_ptr<Archive> open(const std::filesystem::path& path);
  virtual ~Archive() = default;
  /// Member names with `/`, relative to the root, sorted.
  [[nodiscard]] virtual const std::vector<std::string>& names() const = 0;
  /// The whole member; a member of an archive is checked against its CRC-32 while it is inflated.
  [[nodiscard]] virtual std::string read(const std::string& name) const = 0;
  /// The only name that ends with `suffix` at a path border (`config.json` matches
  /// `a/model/config.json`); the shortest where several do. Throws `UserError` when none does.
  [[nodiscard]] std::string find(std::string_view suffix) const;
  [[nodiscard]] bool contains(std::string_view suffix) const;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 protected:
  explicit Archive(std::filesystem::path path) : path_(std::move(path)) {}

 private:
  std::filesystem::path path_;
};

}  // namespace rookery::base
