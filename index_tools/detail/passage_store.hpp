#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "index_tools/detail/generation_file.hpp"
#include "index_tools/passage.hpp"

namespace rookery::index_tools::detail {

// A `passages` file, little-endian:
//
//   text bytes: source id, title, text, topic of row 0, of row 1, …   zeros up to a multiple of 8
//   uint64 starts[4 * count + 1]    where each of them begins; the last is the end of the text
//   uint64 start of that table, uint64 count, "RKPASSG2"
//
// The table is at the end, so that a store can be written in one pass. Version 1 ("RKPASSG1") has
// no topics: three parts a row.

/// Writes one shard's passages in row order.
class PassageStoreWriter {
 public:
  PassageStoreWriter(const std::filesystem::path& folder, const std::string& name);
  void add(const PassageView& passage);
  FileEntry finish();

 private:
  GenerationFile file_;
  std::vector<std::uint64_t> starts_;
};

/// Views into the bytes of a `passages` file, which must outlive it.
class PassageStore {
 public:
  PassageStore() = default;
  /// Checks every start before it is used. Throws `UserError` naming `where`.
  PassageStore(std::span<const std::byte> bytes, std::int64_t count, const std::string& where);
  /// The passage of a row in `[0, count)`; its id is not in here.
  [[nodiscard]] PassageView row(std::int64_t row) const;

 private:
  const char* text_ = nullptr;
  std::size_t parts_ = 4;  ///< a row
  std::span<const std::uint64_t> starts_;
};

}  // namespace rookery::index_tools::detail
