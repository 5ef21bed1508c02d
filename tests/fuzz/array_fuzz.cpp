// Arrays from outside: .npy files, and the plain files of a shard.
#include "base/error.hpp"
#include "index_tools/detail/mapped_shard.hpp"
#include "index_tools/detail/passage_store.hpp"
#include "index_tools/manifest.hpp"
#include "index_tools/npy_file.hpp"
#include "tests/fuzz/fuzz_input.hpp"
#include "tests/fuzz/fuzz_targets.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace rookery::fuzz {
namespace {

constexpr std::int64_t kRowsMax = 4096;  ///< read of an accepted file: enough to touch its ends

std::size_t touch(const index_tools::PassageView& passage) {
  std::size_t sum = 0;
  for (const std::string_view part :
       {passage.source_id, passage.title, passage.text, passage.topic}) {
    for (const char c : part) sum += static_cast<unsigned char>(c);
  }
  return sum;
}

/// A piece of `bytes`, whose length its first two bytes say.
std::span<const std::byte> take_piece(std::span<const std::byte>& bytes) {
  if (bytes.size() < 2) return {};
  std::uint16_t size = 0;
  std::memcpy(&size, bytes.data(), 2);
  bytes = bytes.subspan(2);
  const auto piece = bytes.first(std::min<std::size_t>(size, bytes.size()));
  bytes = bytes.subspan(piece.size());
  return piece;
}

}  // namespace

int fuzz_npy(std::span<const std::byte> bytes) {
  const MemoryFile memory(bytes);
  try {
    const index_tools::NpyFile file(memory.path());
    const std::int64_t rows = std::min(file.rows(), kRowsMax);
    std::vector<float> row;
    for (std::int64_t at = 0; at < rows; ++at) {
      for (const std::int64_t place : {at, file.rows() - 1 - at}) {
        if (file.holds_floats()) {
          row.resize(static_cast<std::size_t>(file.columns()));
          file.copy_row(place, row);
        } else if (file.columns() == 1) {
          static_cast<void>(file.integer(place));
        }
      }
    }
    return 1;
  } catch (const base::UserError&) {
    return 0;
  }
}

int fuzz_passages(std::span<const std::byte> bytes) {
  const AlignedBytes aligned(bytes);
  // The count stands in a manifest; as often as not it is the file's.
  std::uint64_t stated = 0;
  int accepted = 0;
  if (bytes.size() >= 16) std::memcpy(&stated, bytes.data() + bytes.size() - 16, 8);
  for (const std::int64_t count : {static_cast<std::int64_t>(stated), std::int64_t{3}}) {
    try {
      const index_tools::detail::PassageStore store(aligned.bytes(), count, "passages");
      for (std::int64_t row = 0; row < count; ++row) touch(store.row(row));
      accepted = 1;
    } catch (const base::UserError&) {
    }
  }
  return accepted;
}

int fuzz_shard(std::span<const std::byte> bytes) {
  constexpr std::int32_t kDimension = 2;
  const std::array<const char*, 4> names{"ids", "passages", "values", "vectors"};
  index_tools::Manifest manifest;
  manifest.dimension = kDimension;
  manifest.values = true;
  manifest.next_id = 1 << 20;
  index_tools::ShardEntry entry;
  std::vector<base::MappedFile> files;
  for (const char* name : names) {
    const std::span<const std::byte> piece = take_piece(bytes);
    // Sizes are tied to the count by the manifest's reader, so they are true here as well.
    const std::size_t size = std::strcmp(name, "ids") == 0        ? piece.size() / 8 * 8
                             : std::strcmp(name, "passages") == 0 ? piece.size()
                             : std::strcmp(name, "values") == 0
                                 ? static_cast<std::size_t>(entry.passages) * 4
                                 : static_cast<std::size_t>(entry.passages * kDimension) * 4;
    std::vector<std::byte> filled(piece.begin(), piece.end());
    filled.resize(size);
    if (std::strcmp(name, "ids") == 0) entry.passages = static_cast<std::int64_t>(size / 8);
    const MemoryFile file(filled);
    files.emplace_back(file.path());
    entry.files.push_back(
        {std::string("shard-0/") + name, static_cast<std::int64_t>(size), {}, {}});
  }
  if (entry.passages == 0) return 0;
  try {
    const index_tools::detail::MappedShard shard(manifest, entry, std::move(files), "folder");
    require(shard.count() == entry.passages, "another number of rows");
    require(std::ssize(shard.values()) == shard.count(), "another number of values");
    std::vector<float> vector(kDimension);
    for (std::int64_t row = 0; row < shard.count(); ++row) {
      const index_tools::PassageView passage = shard.passage(row);
      touch(passage);
      require(shard.row_of(passage.id) == row, "an id that is not found again");
      copy_vector(shard, row, vector);
    }
    return 1;
  } catch (const base::UserError&) {
    return 0;
  }
}

}  // namespace rookery::fuzz
