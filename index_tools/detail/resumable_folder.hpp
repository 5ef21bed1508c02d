#pragma once

#include <filesystem>
#include <string>

#include "index_tools/detail/build_lock.hpp"

namespace rookery::index_tools::detail {

/// `NAME/.building-KEY`, where a generation grows and an interrupted build leaves its chunks; held
/// by one process at a time.
class ResumableFolder {
 public:
  /// Throws `UserError` when it cannot be made, or another process works in it.
  ResumableFolder(const std::filesystem::path& name, const std::string& build_key);
  ~ResumableFolder();  ///< Removes the folder where nothing in it is worth going on from.
  ResumableFolder(const ResumableFolder&) = delete;
  ResumableFolder& operator=(const ResumableFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// The work is done: nothing of it is needed again.
  void remove() const;

 private:
  std::filesystem::path path_;
  BuildLock lock_;
};

}  // namespace rookery::index_tools::detail
