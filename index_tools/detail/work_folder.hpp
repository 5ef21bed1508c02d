#pragma once

#include <filesystem>

#include "index_tools/detail/build_lock.hpp"

namespace rookery::index_tools::detail {

/// Where a generation lies while it is written by something that does not resume. Goes away with
/// all that is in it, whatever happens.
class WorkFolder {
 public:
  /// Throws `UserError` when it cannot be made, or when another process is at work in it.
  explicit WorkFolder(const std::filesystem::path& folder);
  ~WorkFolder();
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  BuildLock lock_;  // after the folder: one that is not ours is not removed
};

}  // namespace rookery::index_tools::detail
