#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/atomic_file.hpp"
#include "base/checksum.hpp"
#include "base/mapped_file.hpp"
#include "index_tools/manifest.hpp"
#include "index_tools/snapshot.hpp"

namespace rookery::index_tools::detail {

/// One file of a generation while it is written; its checksums are taken as the bytes pass.
class GenerationFile {
 public:
  /// `name` is relative to `folder`: `shard-0/ids`.
  GenerationFile(const std::filesystem::path& folder, const std::string& name);
  void write(std::span<const std::byte> bytes);
  [[nodiscard]] std::int64_t bytes() const { return entry_.bytes; }
  /// Makes the file durable and tells what proves it whole.
  FileEntry finish();

 private:
  base::AtomicFile file_;
  base::Sha256 sha256_;
  std::uint32_t block_checksum_ = 0;
  FileEntry entry_;
};

/// Compares the bytes of a file with its manifest entry: size, every block, SHA-256. `file` is how
/// the user would name it. Blocks that agree are added to `sound_blocks`.
std::vector<Damage> check_file(const std::string& file, std::span<const std::byte> bytes,
                               const FileEntry& entry, std::int64_t& sound_blocks);

/// Maps a file of a generation and checks it; what is wrong, its absence too, is added to
/// `damages`. Nothing is given back for a file that cannot be mapped.
std::optional<base::MappedFile> map_and_check(const std::filesystem::path& folder,
                                              const FileEntry& entry, std::vector<Damage>& damages,
                                              std::int64_t& sound_blocks);

}  // namespace rookery::index_tools::detail
