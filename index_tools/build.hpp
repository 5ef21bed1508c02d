#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "engine/text_encoder.hpp"
#include "index_tools/corpus.hpp"
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
};

struct BuildProgress {
  enum class Stage { kReading, kEncoding, kWriting };
  Stage stage = Stage::kReading;
  std::int64_t passages_done = 0;
  std::int64_t passages_total = 0;   ///< 0 while reading
  std::int64_t passages_reused = 0;  ///< of those done: taken from an interrupted build
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
BuildReport build_snapshot(const BuildOptions& options, engine::TextEncoder& encoder,
                           const BuildProgressCallback& progress = {});

}  // namespace rookery::index_tools
