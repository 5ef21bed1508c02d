#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/text_encoder.hpp"

namespace rookery::index_tools {

inline constexpr std::int32_t kManifestSchema = 1;
inline constexpr std::int64_t kChecksumBlockBytes = 1 << 20;

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
};

/// `manifest.json`: everything needed to check and load a generation without trusting its files.
struct Manifest {
  std::int32_t schema = kManifestSchema;
  std::string generation;  ///< lower-case hex, the first 12 digits of a hash over corpus, encoder
                           ///< and shard table
  std::string metric = "inner_product";
  std::int32_t dimension = 0;
  std::int64_t sources = 0, passages = 0;
  std::int32_t passage_words = 100;
  std::string corpus;     ///< the name of what was read, for people
  std::string build_key;  ///< hash of corpus bytes, options and encoder; equal keys, equal bytes
  engine::EncoderIdentity encoder;
  std::vector<ShardEntry> shards;

  /// With a `checksum` over all the rest, so that a manifest needs nothing else to be trusted.
  [[nodiscard]] std::string to_json() const;
  /// Throws `UserError` naming `where`, the key, what was expected and what came.
  static Manifest from_json(const std::string& text, const std::string& where);
};

/// Refuses an encoder that cannot search these vectors: hash (or `trained_against`), dimension,
/// pooling and normalisation must agree. The `UserError` names both.
void check_encoder_fits(const Manifest& manifest, const engine::EncoderIdentity& encoder);

}  // namespace rookery::index_tools
