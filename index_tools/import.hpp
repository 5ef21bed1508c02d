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
#include "index_tools/vector_math.hpp"

namespace rookery::index_tools {

/// Which text belongs to a vector that has an id of its own.
enum class TextOrder {
  kAuto,  ///< kRow, but refused where ids are numbers of texts in another order
  kRow,   ///< row i of the vectors, text i of the file
  kId,    ///< passage id i, text i of the file, from 0
};

/// Vectors that were made elsewhere, and the texts that they were made of.
struct ImportOptions {
  std::vector<std::filesystem::path> vectors;  ///< see `open_vector_source`
  std::filesystem::path ids;  ///< `.npy` of passage ids by row; empty: what a faiss file maps, else
                              ///< the row itself
  std::filesystem::path passages;  ///< see `open_corpus`; never split; empty: no texts
  CorpusOptions corpus_options;
  TextOrder texts_by = TextOrder::kAuto;
  std::string corpus_name;  ///< for people; empty: the file's name
  std::filesystem::path out;
  /// inner_product, l2 or cosine (vectors are scaled to length 1); empty: what the vectors' file
  /// says, else inner_product. Another one than the file's is refused.
  std::string metric;
  /// Whose vectors these are. Without a hash the snapshot says so, and texts are no queries for it.
  engine::EncoderIdentity encoder;
  std::int32_t shards = 1;
  VectorType vector_type = VectorType::kFloat32;
  std::vector<IndexSpec> indexes;
  int threads = 0;  ///< of index builds, 0: all usable cores
  /// Takes the last column away: it makes inner product out of L2 (a query has a zero there), so
  /// that the metric becomes inner_product. Refused unless all rows have one length.
  bool drop_phi = false;
  bool allow_lossy = false;  ///< vectors decoded from codes, doubles rounded to floats
};

/// Called with rows done and rows in all.
using ImportProgress = std::function<void(std::int64_t, std::int64_t)>;

struct ImportReport {
  std::filesystem::path folder;  ///< `NAME/GENERATION`
  Manifest manifest;
  std::string loss;               ///< why vectors are not as they were encoded; empty: they are
  std::int64_t blank_texts = 0;   ///< rows left out, because their text is blank
  std::int64_t zero_vectors = 0;  ///< rows without a direction, imported all the same
  double seconds = 0;
};

/// Writes a generation of vectors that exist already and points `NAME/CURRENT` at it. Sizes,
/// metric, dimension, ids and the whole file of texts are checked before anything is written.
/// Blocks. Throws `UserError`, and leaves what was there, when counts of vectors, ids and texts
/// differ (with both numbers), an id is negative or comes twice, a vector holds NaN or infinity (by
/// row), the metric or the encoder's dimension is another, or vectors are lossy without leave.
ImportReport import_snapshot(const ImportOptions& options, const ImportProgress& progress = {});

}  // namespace rookery::index_tools
