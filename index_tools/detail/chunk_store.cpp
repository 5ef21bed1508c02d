#include "index_tools/detail/chunk_store.hpp"

#include "base/atomic_file.hpp"
#include "base/checksum.hpp"
#include "base/error.hpp"

#include <cstdio>
#include <cstring>

namespace rookery::index_tools::detail {
namespace {

/// What stands in front of the vectors; a CRC-32C over all before it stands behind them.
std::string header_of(const ChunkId& chunk) {
  return "rookery chunk 1 " + chunk.build_key + " " + std::to_string(chunk.first_row) + " " +
         std::to_string(chunk.rows) + " " + std::to_string(chunk.dimension) + "\n";
}

}  // namespace

std::filesystem::path ChunkStore::path_of(const ChunkId& chunk) const {
  char name[40];
  std::snprintf(name, sizeof name, "chunk-%012lld", static_cast<long long>(chunk.first_row));
  return folder_ / name;
}

void ChunkStore::save(const ChunkId& chunk, std::span<const float> vectors) const {
  const std::string header = header_of(chunk);
  const std::span<const std::byte> body = std::as_bytes(vectors);
  const std::uint32_t checksum = base::crc32c(body, base::crc32c(std::as_bytes(std::span(header))));
  base::AtomicFile file(path_of(chunk));
  file.write(header);
  file.write(body);
  file.write(std::as_bytes(std::span(&checksum, 1)));
  file.commit();
}

std::optional<std::vector<float>> ChunkStore::load(const ChunkId& chunk) const {
  const std::filesystem::path path = path_of(chunk);
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return std::nullopt;
  const std::string file = base::read_file(path);
  const std::string header = header_of(chunk);
  const std::size_t values =
      static_cast<std::size_t>(chunk.rows) * static_cast<std::size_t>(chunk.dimension);
  const std::size_t checked = header.size() + values * sizeof(float);
  if (file.size() != checked + sizeof(std::uint32_t) || !file.starts_with(header)) {
    return std::nullopt;
  }
  std::uint32_t expected = 0;
  std::memcpy(&expected, file.data() + checked, sizeof expected);
  if (base::crc32c(std::as_bytes(std::span(file)).first(checked)) != expected) return std::nullopt;
  std::vector<float> vectors(values);
  std::memcpy(vectors.data(), file.data() + header.size(), values * sizeof(float));
  return vectors;
}

}  // namespace rookery::index_tools::detail
