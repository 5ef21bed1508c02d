#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text_encoder.hpp"
#include "index_tools/vector_math.hpp"

namespace rookery::index_tools {

/// What is written. Version 1 (float32 vectors, no index files, no topics) is still read.
inline constexpr std::int32_t kManifestSchema = 2;
inline constexpr std::int64_t kChecksumBlockBytes = 1 << 20;

/// "none", "float32", "float16".
std::string to_string(VectorType type);
/// Throws `UserError` that lists the names.
VectorType vector_type_from_name(std::string_view name);

/// "inner_product", "l2", "cosine".
const std::vector<std::string>& metric_names();

/// One file of a generation and what proves it whole.
struct FileEntry {
  std::string path;  ///< relative to the generation's folder: `shard-0/vectors`
  std::int64_t bytes = 0;
  std::vector<std::uint32_t> crc32c;  ///< one per MiB, the last block may be short
  std::string sha256;
};

struct ShardEntry {
  std::int32_t shard = 0;
  std::int64_t passages = 0;
  std::vector<FileEntry> files;

  /// The entry of a file by its name in the shard's folder (`vectors`); null when it is not there.
  [[nodiscard]] const FileEntry* find(std::string_view name) const;
};

/// `manifest.json`: everything needed to check and load a generation without trusting its files.
struct Manifest {
  std::int32_t schema = kManifestSchema;
  std::string generation;  ///< lower-case hex, the first 12 digits of a hash over the build key
                           ///< and the files
  std::string metric = "inner_product";  ///< cosine: inner product of vectors of length 1
  std::int32_t dimension = 0;            ///< 0 where there are no vectors
  VectorType vectors = VectorType::kFloat32;
  bool values = false;               ///< every row has a value: a kNN datastore
  std::vector<std::string> indexes;  ///< specs as `to_string(IndexSpec)` writes them, by kind
  std::int64_t sources = 0, passages = 0;
  std::int64_t next_id = 0;      ///< of the next passage; never falls, so that no id comes again
  std::int64_t next_source = 0;  ///< running number of the next source without an id of its own
  std::int32_t passage_words = 100;
  std::string corpus;       ///< the name of what was read, for people
  std::string content_key;  ///< hash of what the rows are made of, whatever their sharding; empty
                            ///< in schema 1
  std::string build_key;    ///< hash of the above, shards and indexes; equal keys, equal rows
  engine::EncoderIdentity encoder;  ///< without name and hash where no encoder made the vectors
  std::vector<ShardEntry> shards;

  [[nodiscard]] bool has_encoder() const {
    return !encoder.name.empty() || !encoder.model_hash.empty();
  }
  /// With a `checksum` over all the rest, so that a manifest needs nothing else to be trusted.
  [[nodiscard]] std::string to_json() const;
  /// Throws `UserError` naming `where`, the key, what was expected and what came.
  static Manifest from_json(const std::string& text, const std::string& where);
};

/// Refuses an encoder that cannot search these vectors: hash (or `trained_against`), dimension,
/// pooling and normalisation must agree. The `UserError` names both.
void check_encoder_fits(const Manifest& manifest, const engine::EncoderIdentity& encoder);

}  // namespace rookery::index_tools
