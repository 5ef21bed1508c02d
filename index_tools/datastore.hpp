#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/text_encoder.hpp"
#include "index_tools/index_spec.hpp"
#include "index_tools/manifest.hpp"
#include "index_tools/vector_math.hpp"

namespace rookery::index_tools {

/// A kNN datastore (Khandelwal et al., arXiv 1911.00172): hidden states of a language model as
/// keys, the token that came next as value. Entry i is passage id i, so that what followed an entry
/// is found by looking up i + 1. The metric is l2; passages have no texts.
struct DatastoreOptions {
  std::filesystem::path out;        ///< `NAME`: generations lie below it
  std::int32_t dimension = 0;       ///< of the keys, [1, 65536]
  std::string corpus_name;          ///< what the entries were made of, for people
  engine::EncoderIdentity encoder;  ///< the model that made the keys; may be unnamed
  std::int32_t shards = 1;
  VectorType vector_type = VectorType::kFloat32;
  std::vector<IndexSpec> indexes;  ///< `ivfpq`, mostly: exact search needs none
  int threads = 0;                 ///< of index builds, 0: all usable cores
};

/// Takes entries as they are made and writes them through. Use from one thread.
class DatastoreWriter {
 public:
  /// Throws `UserError` for a folder that cannot be made, a dimension or shards out of range,
  /// indexes that do not fit, and while another process writes to the same name.
  explicit DatastoreWriter(const DatastoreOptions& options);
  ~DatastoreWriter();  ///< Removes what was not committed.
  DatastoreWriter(const DatastoreWriter&) = delete;
  DatastoreWriter& operator=(const DatastoreWriter&) = delete;

  /// `keys` is `[n, dimension]`, `values` is `[n]`; other sizes are a `std::invalid_argument`.
  /// NaN and infinity are a `UserError` naming the entry.
  void add(std::span<const float> keys, std::span<const std::int32_t> values);
  /// Entries so far; the id of the next one.
  [[nodiscard]] std::int64_t count() const;
  /// Builds the indexes and publishes the generation; see `SnapshotWriter::commit`.
  Manifest commit();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Writes a datastore of `.npy` files: parts of keys (see `open_vector_source`) and parts of
/// integers, as many values as keys. `options.dimension` of 0 takes the keys' own. Throws
/// `UserError`, leaving what was there, for counts that differ (with both numbers), a value beyond
/// int32, keys that are not finite, or, without `allow_lossy`, keys that were decoded or rounded.
struct DatastoreFiles {
  std::vector<std::filesystem::path> keys, values;
  bool allow_lossy = false;
};
Manifest build_datastore(const DatastoreFiles& files, const DatastoreOptions& options,
                         const std::function<void(std::int64_t, std::int64_t)>& progress = {});

}  // namespace rookery::index_tools
