#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace rookery::index_tools::detail {

/// Which rows a chunk of vectors holds, and what they belong to.
struct ChunkId {
  std::string build_key;
  std::int64_t first_row = 0;
  std::int64_t rows = 0;
  std::int32_t dimension = 0;
};

/// Encoded chunks of an unfinished build, one checksummed file each, written atomically.
class ChunkStore {
 public:
  explicit ChunkStore(std::filesystem::path folder) : folder_(std::move(folder)) {}
  void save(const ChunkId& chunk, std::span<const float> vectors) const;
  /// The vectors, when the file is there, whole, and of exactly this chunk; nothing otherwise.
  [[nodiscard]] std::optional<std::vector<float>> load(const ChunkId& chunk) const;

 private:
  [[nodiscard]] std::filesystem::path path_of(const ChunkId& chunk) const;
  std::filesystem::path folder_;
};

}  // namespace rookery::index_tools::detail
