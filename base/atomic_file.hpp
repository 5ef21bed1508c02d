#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace rookery::base {

/// A file that appears whole or not at all: written as `PATH.partial-PID`, then fsync, rename,
/// fsync of the folder. Every failure (full disk, no permission) throws `UserError` naming path and
/// reason, and leaves nothing behind.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();  ///< Removes the partial file unless `commit` was called.
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void commit();

 private:
  void flush_buffer();
  std::filesystem::path path_;
  std::filesystem::path partial_;
  int descriptor_ = -1;
  std::string buffer_;
};

/// Writes `text` to `path` in one atomic step.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// The whole file as a string. Throws `UserError` naming path and reason.
std::string read_file(const std::filesystem::path& path);

/// Makes the names of a folder durable (fsync of the folder itself).
void sync_folder(const std::filesystem::path& folder);

}  // namespace rookery::base
