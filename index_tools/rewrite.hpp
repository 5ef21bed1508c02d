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

// From one generation to another. Every function here reads a generation after checking all of it,
// writes a new one beside it and moves `NAME/CURRENT` when the new one is whole on the disk; a kill
// or a full disk leaves the old one as it was. When a sound generation of the same key exists, it
// is used as it is. One process at a time changes a snapshot. They block, and throw `UserError` for
// anything that the user can mend.

/// What a rewriting is doing.
struct RewriteProgress {
  std::string stage;  ///< "checking", "copying", "encoding", "building hnsw"
  std::int64_t done = 0;
  std::int64_t total = 0;
  std::string unit;  ///< "shards", "passages"
};

struct RewriteOptions {
  std::filesystem::path snapshot;  ///< `NAME`, or `NAME/GENERATION` to begin from that one
  int threads = 0;                 ///< for building indexes; 0: all usable cores
  std::function<void(const RewriteProgress&)> progress = {};
};

struct RewriteReport {
  std::filesystem::path folder;  ///< of the new generation
  Manifest before, manifest;
  bool reused = false;  ///< what was asked for was there already, whole and sound
  std::int64_t files_linked = 0, files_copied = 0;  ///< taken over as they are
  std::int64_t passages_added = 0, passages_removed = 0;
  std::int64_t ids_missing = 0;  ///< to be deleted, but not there
  std::int64_t empty_texts = 0;  ///< sources left out
  std::int64_t passages_encoded = 0, passages_resumed = 0;
  double seconds = 0, encode_seconds = 0;
};

/// Builds further indexes. One of a kind that is there with other parameters takes its place. Row
/// files and other indexes are hard-linked, or copied where the file system has no links.
RewriteReport add_indexes(const RewriteOptions& options, const std::vector<IndexSpec>& indexes);

/// Lays the same rows out in another number of shards, [1, 1024], and builds the indexes again;
/// nothing is encoded. The result has the bytes that a build with so many shards would have.
RewriteReport reshard_snapshot(const RewriteOptions& options, std::int32_t shards);

struct AppendOptions {
  std::filesystem::path corpus;  ///< see `open_corpus`
  CorpusOptions corpus_options = {};
  std::string corpus_name = {};  ///< for people; empty: the file's name
  std::int32_t chunk_passages = 512;
};
/// Adds the passages of a corpus, numbered from `next_id` on, split and encoded as the snapshot's
/// own. Sources without ids of their own are numbered from `next_source` on; a source id that the
/// snapshot has already is refused by name. The encoder must be the snapshot's; null for one
/// without vectors. Encoded chunks survive a kill, as in `build_snapshot`.
RewriteReport append_corpus(const RewriteOptions& options, const AppendOptions& append,
                            engine::TextEncoder* encoder);

struct DeleteOptions {
  std::vector<std::int64_t> ids;  ///< in any order, repeats count once
  bool ignore_missing = false;    ///< else an id that is not there is an error
};
/// Leaves passages out. The others keep their ids, and those of the deleted are never used again.
RewriteReport delete_passages(const RewriteOptions& options, const DeleteOptions& remove);

/// Reads passage ids, one a line; blank lines are passed over. Throws `UserError` with file and
/// line.
std::vector<std::int64_t> read_id_list(const std::filesystem::path& path);

}  // namespace rookery::index_tools
