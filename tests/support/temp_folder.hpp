#pragma once

#include <filesystem>

namespace rookery::testing {

/// A fresh, empty folder that goes away with all that is in it.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// `folder / "name"` is a path in it.
  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// `tests/data` of the source tree, with the recorded numbers.
std::filesystem::path data_folder();

}  // namespace rookery::testing
