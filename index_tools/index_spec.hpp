#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::index_tools {

/// The ways in which a snapshot can be searched. Exact search needs no file of its own.
enum class IndexKind : std::uint8_t { kExact = 1, kInt8 = 2, kHnsw = 3, kIvfPq = 4, kBm25 = 5 };
/// "exact", "int8", "hnsw", "ivfpq", "bm25".
std::string to_string(IndexKind kind);
/// Throws `UserError` that lists the names.
IndexKind index_kind_from_name(std::string_view name);
/// All kinds in the order of their numbers.
const std::vector<IndexKind>& index_kinds();

/// A navigable small-world graph (Malkov and Yashunin, arXiv 1603.09320). RaLMSpec used m 64 and
/// ef_construction 40, HF's wiki_dpr m 128 and ef_construction 200 (specs: ralmspec 3, hf-rag 2.5).
struct HnswParameters {
  std::int32_t m = 32;                 ///< links a node and level, twice that on level 0; [2, 512]
  std::int32_t ef_construction = 200;  ///< candidates while building, [1, 4096]
  std::int32_t ef_search = 64;         ///< default of a search, which uses max(ef_search, k)
  std::string storage = "float32";     ///< what the walk reads: float32, or int8 (scalar-quantised)
  bool serial = false;                 ///< one building thread: the same graph every time
  friend bool operator==(const HnswParameters&, const HnswParameters&) = default;
};

/// Inverted lists with product-quantised residuals (Jégou et al., 2011).
struct IvfPqParameters {
  std::int32_t nlist = 0;       ///< lists; 0: about 4 √rows, at most rows / 39; [1, 1048576]
  std::int32_t pq_bytes = 64;   ///< bytes of a code; divides the dimension; [1, 1024]
  std::int32_t nprobe = 32;     ///< default of a search
  std::int32_t candidates = 0;  ///< default that are re-scored; 0: 10 × k, at least 50
  std::string coarse = "flat";  ///< how lists are found: flat, or hnsw (over the centroids)
  std::int64_t train_rows = 262'144;  ///< sample for training, at most
  friend bool operator==(const IvfPqParameters&, const IvfPqParameters&) = default;
};

/// Lucene's BM25 with exact document lengths.
struct Bm25Parameters {
  float k1 = 0.9F;  ///< [0, 100]
  float b = 0.4F;   ///< [0, 1]
  friend bool operator==(const Bm25Parameters&, const Bm25Parameters&) = default;
};

/// One index of a generation. Only the member of its kind counts.
struct IndexSpec {
  IndexKind kind = IndexKind::kExact;
  HnswParameters hnsw;
  IvfPqParameters ivfpq;
  Bm25Parameters bm25;
  friend bool operator==(const IndexSpec&, const IndexSpec&) = default;
};

/// Reads `int8`, `bm25:k1=1.2,b=0.75`, `hnsw:m=64,ef_construction=40,serial=true`. An unknown key,
/// a value out of its range or a kind without a file (`exact`) is a `UserError` naming it.
IndexSpec parse_index_spec(std::string_view text);
/// All parameters of the kind, in a fixed order; `parse_index_spec` gives the same spec back.
std::string to_string(const IndexSpec& spec);

}  // namespace rookery::index_tools
