#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace rookery::base {

/// A whole file mapped read-only. The mapping stays valid when the file is renamed or deleted.
/// Throws `UserError` naming the path and the reason when it cannot be opened or mapped.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

}  // namespace rookery::base
