#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/text_encoder.hpp"
#include "index_tools/corpus.hpp"
#include "index_tools/index_spec.hpp"
#include "index_tools/manifest.hpp"

namespace rookery::index_tools {

/// What to build. The defaults suit the quickstart's corpus.
struct BuildOptions {
  std::filesystem::path corpus;  ///< see `open_corpus`
  std::string corpus_name;       ///< for people, `wiki`; empty: the file's name
  std::string encoder_name;      ///< for people, `minilm`; empty: the encoder's own
  CorpusOptions corpus_options;
  std::filesystem::path out;          ///< `NAME`: generations lie below it
  std::int32_t shards = 1;            ///< [1, 1024], at most the number of passages
  std::int32_t passage_words = 100;   ///< longer texts are split; 0 keeps them whole; [0, 100000]
  std::int64_t sources_max = 0;       ///< only so many sources from the start; 0: all
  std::int32_t chunk_passages = 512;  ///< encoded and kept together; a kill loses at most one chunk
  std::string metric = "inner_product";       ///< inner_product, l2, or cosine (vectors are scaled)
  VectorType vectors = VectorType::kFloat32;  ///< without an encoder: kNone, whatever is said
  std::vector<IndexSpec> indexes = {};        ///< see `resolve_index_specs`
  int index_threads = 0;                      ///< for building indexes; 0: all usable cores
};

struct BuildProgress {
  enum class Stage { kReading, kEncoding, kIndexing, kWriting };
  Stage stage = Stage::kReading;
  std::int64_t passages_done = 0;    ///< while indexing: rows of that index
  std::int64_t passages_total = 0;   ///< 0 while reading
  std::int64_t passages_reused = 0;  ///< of those done: taken from an interrupted build
  std::string index = {};            ///< what is built while indexing: `hnsw`
};
using BuildProgressCallback = std::function<void(const BuildProgress&)>;

struct BuildReport {
  std::filesystem::path folder;  ///< `NAME/GENERATION`
  Manifest manifest;
  bool reused = false;                ///< the same thing was there already, whole and sound
  std::int64_t empty_texts = 0;       ///< sources skipped
  std::int64_t passages_encoded = 0;  ///< in this run
  std::int64_t passages_resumed = 0;  ///< taken from an interrupted run
  double seconds = 0;
  double encode_seconds = 0;
};

/// Reads a corpus, splits it, encodes the passages and publishes a generation, then points
/// `NAME/CURRENT` at it. First the whole corpus is read once, so that a broken line is reported
/// before an hour of encoding. Encoded chunks are kept in `NAME/.building-KEY`, where KEY is a
/// hash of corpus bytes, options and encoder; after a kill or a full disk the same call goes on
/// behind the last good chunk and gives the same bytes as a build that was never interrupted. When
/// a sound generation of the same key exists, it is used as it is; a damaged one is replaced.
/// Blocks; throws `UserError` for anything the user can mend, also when another process builds the
/// same thing.
///
/// Without an encoder (null) the snapshot holds texts for BM25 alone: dimension 0, and the index
/// bm25 with its defaults where none is asked for.
BuildReport build_snapshot(const BuildOptions& options, engine::TextEncoder* encoder,
                           const BuildProgressCallback& progress = {});
inline BuildReport build_snapshot(const BuildOptions& options, engine::TextEncoder& encoder,
                                  const BuildProgressCallback& progress = {}) {
  return build_snapshot(options, &encoder, progress);
}

}  // namespace rookery::index_tools
