#pragma once

#include <filesystem>

namespace rookery::index_tools::detail {

/// Keeps two processes from building the same thing at once. The kernel releases it when the
/// process ends, however it ends.
class BuildLock {
 public:
  /// Of a file, which is made, or of a folder. Throws `UserError` when another process holds it.
  explicit BuildLock(const std::filesystem::path& path);
  ~BuildLock();
  BuildLock(const BuildLock&) = delete;
  BuildLock& operator=(const BuildLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace rookery::index_tools::detail
