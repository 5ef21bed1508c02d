#pragma once

#include <filesystem>
#include <string>

namespace rookery::launch {

/// A folder of a name of its own that goes, with all that is in it, when the measurement ends.
class ScratchFolder {
 public:
  /// `rookery-PURPOSE-…` below `parent`; throws `UserError` when it cannot be made there.
  explicit ScratchFolder(const std::string& purpose, const std::filesystem::path& parent =
                                                         std::filesystem::temp_directory_path());
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace rookery::launch
