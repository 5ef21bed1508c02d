#include "index_tools/detail/generation_file.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <utility>

namespace rookery::index_tools::detail {
namespace {

std::string hex32(std::uint32_t value) {
  char digits[9];
  std::snprintf(digits, sizeof digits, "%08x", value);
  return digits;
}

}  // namespace

GenerationFile::GenerationFile(const std::filesystem::path& folder, const std::string& name)
    : file_(folder / name) {
  entry_.path = name;
}

void GenerationFile::write(std::span<const std::byte> bytes) {
  file_.write(bytes);
  sha256_.update(bytes);
  while (!bytes.empty()) {
    const std::int64_t room = kChecksumBlockBytes - entry_.bytes % kChecksumBlockBytes;
    const std::span<const std::byte> piece =
        bytes.first(std::min(bytes.size(), static_cast<std::size_t>(room)));
    block_checksum_ = base::crc32c(piece, block_checksum_);
    entry_.bytes += static_cast<std::int64_t>(piece.size());
    if (entry_.bytes % kChecksumBlockBytes == 0) {
      entry_.crc32c.push_back(block_checksum_);
      block_checksum_ = 0;
    }
    bytes = bytes.subspan(piece.size());
  }
}

FileEntry GenerationFile::finish() {
  if (entry_.bytes % kChecksumBlockBytes != 0) entry_.crc32c.push_back(block_checksum_);
  entry_.sha256 = sha256_.hex_digest();
  file_.commit();
  return entry_;
}

std::vector<Damage> check_file(const std::string& file, std::span<const std::byte> bytes,
                               const FileEntry& entry, std::int64_t& sound_blocks) {
  std::vector<Damage> damages;
  const auto size = static_cast<std::int64_t>(bytes.size());
  if (size != entry.bytes) {
    damages.push_back({file, -1,
                       file + ": expected " + std::to_string(entry.bytes) + " bytes, found " +
                           std::to_string(size) +
                           (size < entry.bytes ? " (it is cut off)" : " (it has bytes too many)")});
  }
  for (std::size_t block = 0; block < entry.crc32c.size(); ++block) {
    const std::int64_t begin = static_cast<std::int64_t>(block) * kChecksumBlockBytes;
    const std::int64_t end = std::min(begin + kChecksumBlockBytes, entry.bytes);
    if (end > size) break;  // the wrong size says it already
    const std::uint32_t found = base::crc32c(
        bytes.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
    if (found == entry.crc32c[block]) {
      ++sound_blocks;
      continue;
    }
    damages.push_back({file, static_cast<std::int64_t>(block),
                       file + ": block " + std::to_string(block) + " (bytes " +
                           std::to_string(begin) + "-" + std::to_string(end - 1) +
                           ") does not match its checksum: expected " + hex32(entry.crc32c[block]) +
                           ", found " + hex32(found)});
  }
  if (damages.empty()) {
    if (const std::string found = base::sha256_hex(bytes); found != entry.sha256) {
      damages.push_back({file, -1,
                         file + ": does not match its SHA-256: expected " +
                             entry.sha256.substr(0, 12) + "…, found " + found.substr(0, 12) + "…"});
    }
  }
  return damages;
}

std::optional<base::MappedFile> map_and_check(const std::filesystem::path& folder,
                                              const FileEntry& entry, std::vector<Damage>& damages,
                                              std::int64_t& sound_blocks) {
  const std::filesystem::path path = folder / entry.path;
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    damages.push_back({path.string(), -1, path.string() + ": is missing"});
    return std::nullopt;
  }
  std::optional<base::MappedFile> mapped;
  try {
    mapped.emplace(path);
  } catch (const base::UserError& problem) {
    damages.push_back({path.string(), -1, problem.what()});
    return std::nullopt;
  }
  std::vector<Damage> more = check_file(path.string(), mapped->bytes(), entry, sound_blocks);
  std::move(more.begin(), more.end(), std::back_inserter(damages));
  return mapped;
}

}  // namespace rookery::index_tools::detail
