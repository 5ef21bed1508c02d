#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "index_tools/manifest.hpp"
#include "index_tools/passage.hpp"

namespace rookery::index_tools {

/// Writes one generation: rows are added in rising order of passage id, `commit` makes it visible
/// in one step. Passage `id` goes to shard `id % shards`. Until then everything lies in a work
/// folder that no reader looks at. Use from one thread.
class SnapshotWriter {
 public:
  /// `facts` gives metric, dimension, sources, passage_words, corpus, encoder and build_key; the
  /// rest of the manifest is filled in by `commit`. `work` must be on the same file system as
  /// `name`; what lies in it is removed. Throws `UserError` when it cannot be made.
  SnapshotWriter(std::filesystem::path name, std::filesystem::path work, Manifest facts,
                 std::int32_t shards);
  ~SnapshotWriter();  ///< Removes what was not committed.
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;

  /// `vector` is `[dimension]`. NaN and infinity are refused by row and element (`UserError`); an
  /// id that is not larger than the one before is a `std::invalid_argument`.
  void add(const PassageView& passage, std::span<const float> vector);

  /// Makes all files durable, writes the manifest, renames the folder to `NAME/GENERATION` (an
  /// older folder of that name is exchanged and removed) and replaces `NAME/CURRENT`. The
  /// generation's name is derived from `build_key` and the hashes of all files. Refuses empty
  /// shards.
  Manifest commit();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::index_tools
