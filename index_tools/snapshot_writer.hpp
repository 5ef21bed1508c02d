#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "index_tools/index_spec.hpp"
#include "index_tools/manifest.hpp"
#include "index_tools/passage.hpp"
#include "index_tools/snapshot.hpp"

namespace rookery::index_tools {

/// How the rows of a generation are laid out, and what is built over them.
struct SnapshotWriterOptions {
  std::int32_t shards = 1;  ///< [1, 1024]; passage `id` goes to shard `id % shards`
  VectorType vectors = VectorType::kFloat32;
  bool values = false;                  ///< every row brings a value (a kNN datastore)
  std::vector<IndexSpec> indexes = {};  ///< built by `commit`; see `resolve_index_specs`
  int threads = 0;                      ///< for building indexes; 0: all usable cores
  /// Rows that an index's building has passed; may be empty.
  std::function<void(const IndexSpec& spec, std::int64_t rows_done, std::int64_t rows_total)>
      index_progress = {};
};

/// Writes one generation: rows are added in rising order of passage id, `commit` makes it visible
/// in one step. Until then everything lies in a work folder that no reader looks at. Rows are
/// written through: what is kept of them in memory is 32 bytes a passage. Use from one thread.
class SnapshotWriter {
 public:
  /// `facts` gives metric, dimension, sources, passage_words, corpus, encoder and `content_key`
  /// (or, where there is none, `build_key`); the rest of the manifest is filled in by `commit`.
  /// `next_id` and `next_source` are kept where they are higher than the rows say. `work` must be
  /// on the same file system as `name`; what lies in it is removed. Throws `UserError` when it
  /// cannot be made.
  SnapshotWriter(std::filesystem::path name, std::filesystem::path work, Manifest facts,
                 SnapshotWriterOptions options);
  ~SnapshotWriter();  ///< Removes what was not committed.
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;

  /// `vector` is `[dimension]`, empty where there are no vectors. For cosine it is scaled to
  /// length 1 on its way. Refused by row (`UserError`): NaN and infinity, a vector of zeros for
  /// cosine, an element beyond 65,504 for float16. An id that is not larger than the one before,
  /// or a value where none belongs, is a `std::invalid_argument`.
  void add(const PassageView& passage, std::span<const float> vector,
           std::optional<std::int32_t> value = {});

  /// Adds a row of another generation as it lies there, bit for bit. Dimension and vector type
  /// must be the same, and it has a value exactly when this one wants values.
  void copy(const SnapshotShard& shard, std::int64_t row);

  /// Makes all files durable, builds the indexes from them, writes the manifest, renames the folder
  /// to `NAME/GENERATION` (an older folder of that name is exchanged and removed) and replaces
  /// `NAME/CURRENT`. The generation's name is derived from `build_key` and the hashes of all files.
  /// Refuses empty shards.
  Manifest commit();

  /// For rows whose key is known only when all of them have passed; before `commit`.
  void set_content_key(std::string key);

  /// The build key that `commit` will state.
  [[nodiscard]] const std::string& build_key() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::index_tools
