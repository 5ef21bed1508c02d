// Reads the index files that faiss writes, up to those of 1.15, by our own strict reader: faiss's
// own takes sizes from the file and allocates, copies and follows them unchecked.
#include <faiss/impl/ScalarQuantizer.h>

#include <algorithm>
#include <map>

#include "base/mapped_file.hpp"
#include "index_tools/faiss/detail/faiss_bytes.hpp"
#include "index_tools/faiss/detail/faiss_calls.hpp"

namespace rookery::index_tools::detail {
namespace {

constexpr std::int32_t kDimensionMax = 65'536;
constexpr int kDepthMax = 4;  // an id map over an inverted file over an hnsw graph over vectors

// What people call the kinds that we do not read.
const std::map<std::string, std::string>& other_types() {
  static const std::map<std::string, std::string> types = {
      {"IxPT", "IndexPreTransform"},
      {"IxPq", "IndexPQ"},
      {"IxPQ", "IndexPQ"},
      {"IxPo", "IndexPQ"},
      {"IxHE", "IndexLSH"},
      {"IxHe", "IndexLSH"},
      {"IwSq", "IndexIVFScalarQuantizer"},
      {"IwSQ", "IndexIVFScalarQuantizer"},
      {"IwQR", "IndexIVFPQR"},
      {"IvQR", "IndexIVFPQR"},
      {"IvPQ", "IndexIVFPQ of an old version"},
      {"IvFL", "IndexIVFFlat of an old version"},
      {"IvFl", "IndexIVFFlat of an old version"},
      {"IwFd", "IndexIVFFlatDedup"},
      {"IHNp", "IndexHNSWPQ"},
      {"IHN2", "IndexHNSW2Level"},
      {"IHc2", "IndexHNSWCagra"},
      {"IHNc", "IndexHNSWCagra"},
      {"IxRF", "IndexRefine"},
      {"IxFS", "an index with scanned codes"},
      {"IPfs", "IndexPQFastScan"},
      {"IwPf", "IndexIVFPQFastScan"},
      {"INSf", "IndexNSGFlat"},
      {"Ix2L", "Index2Layer"},
      {"IxSp", "IndexShards"},
      {"IBxF", "IndexBinaryFlat"}};
  return types;
}

FaissContents contents_of(const FaissHead& head, std::string type) {
  FaissContents contents;
  contents.type = std::move(type);
  contents.metric = head.l2 ? "l2" : "inner_product";
  contents.dimension = head.dimension;
  contents.count = head.count;
  return contents;
}

FaissContents read_flat(FaissBytes& bytes) {
  const FaissHead head = read_faiss_head(bytes);
  FaissContents contents = contents_of(head, "flat");
  contents.vectors = bytes.array<float>("vectors", head.count * head.dimension);
  return contents;
}

// Numbers that the codes of a type are trained by; -1 for a type that 1.7.3 does not know.
std::int64_t trained_values(std::int32_t type, std::int64_t dimension) {
  using Quantizer = faiss::ScalarQuantizer;
  switch (type) {
    case Quantizer::QT_8bit:
    case Quantizer::QT_4bit:
    case Quantizer::QT_6bit:
      return 2 * dimension;
    case Quantizer::QT_8bit_uniform:
    case Quantizer::QT_4bit_uniform:
      return 2;
    case Quantizer::QT_fp16:
    case Quantizer::QT_8bit_direct:
      return 0;
    default:
      return -1;
  }
}

FaissContents read_scalar(FaissBytes& bytes) {
  const FaissHead head = read_faiss_head(bytes);
  const auto type = bytes.read<std::int32_t>("a scalar quantiser's type");
  (void)bytes.read<std::int32_t>("a range statistic");
  (void)bytes.read<float>("a range statistic's argument");
  const std::int64_t trained = trained_values(type, head.dimension);
  bytes.expect(trained >= 0,
               "expected a scalar quantiser of faiss 1.7.3 (types 0 to 6), got type " +
                   std::to_string(type));
  (void)bytes.count("the scalar quantiser's dimension", head.dimension, head.dimension);
  faiss::ScalarQuantizer quantizer(static_cast<std::size_t>(head.dimension),
                                   static_cast<faiss::ScalarQuantizer::QuantizerType>(type));
  const auto code_bytes = static_cast<std::int64_t>(quantizer.code_size);
  (void)bytes.count("bytes of a code", code_bytes, code_bytes);
  quantizer.trained = bytes.array<float>("the scalar quantiser's ranges", trained);
  const auto codes = bytes.array<std::uint8_t>("codes", head.count * code_bytes);
  FaissContents contents = contents_of(head, "sq");
  contents.vectors_are_exact = false;
  contents.vectors.resize(static_cast<std::size_t>(head.count * head.dimension));
  if (head.count > 0) {
    quantizer.decode(codes.data(), contents.vectors.data(), static_cast<std::size_t>(head.count));
  }
  return contents;
}

void check_graph(const FaissBytes& bytes, const FaissHnsw& graph,
                 const std::vector<std::int32_t>& ends, std::int64_t count) {
  bytes.expect(graph.levels <= 64 && (count == 0) == (graph.levels < 1),
               "expected the highest level in [0, 63], got " + std::to_string(graph.levels - 1));
  bytes.expect(count == 0 || (graph.entry >= 0 && graph.entry < count),
               "expected an entry node below " + std::to_string(count) + ", got " +
                   std::to_string(graph.entry));
  bytes.expect(graph.offsets.front() == 0 && graph.offsets.back() == std::ssize(graph.links),
               "expected links from 0 to " + std::to_string(graph.links.size()));
  for (std::size_t row = 0; row < static_cast<std::size_t>(count); ++row) {
    const std::int32_t levels = graph.node_levels[row];
    bytes.expect(levels >= 1 && levels <= graph.levels,
                 "expected levels of node " + std::to_string(row) + " in [1, " +
                     std::to_string(graph.levels) + "], got " + std::to_string(levels));
    const std::int64_t links = ends[static_cast<std::size_t>(levels)];
    bytes.expect(graph.offsets[row] >= 0 && graph.offsets[row] <= std::ssize(graph.links) - links &&
                     graph.offsets[row + 1] == graph.offsets[row] + links,
                 "expected " + std::to_string(links) + " links of node " + std::to_string(row));
  }
  for (const std::int32_t link : graph.links) {
    bytes.expect(
        link >= -1 && link < count,
        "expected links to rows below " + std::to_string(count) + ", got " + std::to_string(link));
  }
  bytes.expect(
      count == 0 || graph.node_levels[static_cast<std::size_t>(graph.entry)] == graph.levels,
      "expected an entry node of the highest level");
}

FaissContents read_graph(FaissBytes& bytes, int depth) {
  const FaissHead head = read_faiss_head(bytes);
  auto graph = std::make_unique<FaissHnsw>();
  const auto chances = bytes.array<double>("the levels' probabilities");
  const auto ends = bytes.array<std::int32_t>("links a level");
  // ends[l] is where the links of level l begin: 0, 2 m, 3 m, …
  bytes.expect(ends.size() >= 3 && ends.size() <= 66 && ends[0] == 0,
               "expected links of 2 to 65 levels, got " + std::to_string(ends.size()) + " numbers");
  const std::int64_t m = std::int64_t{ends[2]} - ends[1];
  bytes.expect(m >= 1 && m <= 4096 && ends[1] == 2 * m,
               "expected 2 m links on level 0 and m above, got " + std::to_string(ends[1]) +
                   " and " + std::to_string(m));
  graph->m = static_cast<std::int32_t>(m);
  for (std::size_t level = 2; level < ends.size(); ++level) {
    bytes.expect(ends[level] == (static_cast<std::int32_t>(level) + 1) * graph->m,
                 "expected the same number of links on every level above 0");
  }
  graph->node_levels = bytes.array<std::int32_t>("levels of the nodes", head.count);
  graph->offsets = bytes.array<std::int64_t>("where the nodes' links begin", head.count + 1);
  graph->links = bytes.array<std::int32_t>("links");
  graph->entry = bytes.read<std::int32_t>("the entry node");
  graph->levels = bytes.read<std::int32_t>("the highest level");
  bytes.expect(graph->levels < static_cast<std::int32_t>(ends.size()) - 1,
               "expected the highest level below " + std::to_string(ends.size() - 1));
  ++graph->levels;
  graph->ef_construction = bytes.read<std::int32_t>("efConstruction");
  graph->ef_search = bytes.read<std::int32_t>("efSearch");
  (void)bytes.read<std::int32_t>("the upper beam");
  check_graph(bytes, *graph, ends, head.count);

  FaissContents storage = read_faiss_index(bytes, depth + 1);
  bytes.expect((storage.type == "flat" || storage.type == "sq") && storage.count == head.count &&
                   storage.dimension == head.dimension,
               "expected the graph's own vectors, flat or scalar-quantised, got " + storage.type +
                   " of " + std::to_string(storage.count) + " rows");
  FaissContents contents = contents_of(head, storage.type == "sq" ? "hnsw-sq" : "hnsw");
  contents.vectors = std::move(storage.vectors);
  contents.vectors_are_exact = storage.vectors_are_exact;
  contents.hnsw = std::move(graph);
  return contents;
}

FaissContents read_id_map(FaissBytes& bytes, int depth) {
  const FaissHead head = read_faiss_head(bytes);
  FaissContents contents = read_faiss_index(bytes, depth + 1);
  bytes.expect(
      contents.count == head.count && contents.dimension == head.dimension && contents.ids.empty(),
      "expected an index of " + std::to_string(head.count) +
          " rows without ids of its own inside the id map");
  contents.ids = bytes.array<std::int64_t>("ids", head.count);
  return contents;
}

}  // namespace

FaissHead read_faiss_head(FaissBytes& bytes) {
  FaissHead head;
  head.dimension = bytes.read<std::int32_t>("the dimension");
  bytes.expect(head.dimension >= 1 && head.dimension <= kDimensionMax,
               "expected a dimension in [1, 65536], got " + std::to_string(head.dimension));
  head.count = bytes.count("rows", 0, INT32_MAX);
  (void)bytes.read<std::int64_t>("an unused number");
  (void)bytes.read<std::int64_t>("an unused number");
  const auto trained = bytes.read<std::uint8_t>("whether it is trained");
  const auto metric = bytes.read<std::int32_t>("the metric");
  bytes.expect(trained <= 1 && (trained == 1 || head.count == 0), "expected a trained index");
  bytes.expect(metric == 0 || metric == 1,
               "expected the metric inner product (0) or L2 (1), got " + std::to_string(metric));
  head.l2 = metric == 1;
  return head;
}

FaissContents read_faiss_index(FaissBytes& bytes, int depth) {
  bytes.expect(depth < kDepthMax, "expected at most 4 indexes inside each other");
  const std::string letters = bytes.letters();
  if (letters == "IxFI" || letters == "IxF2" || letters == "IxFl") return read_flat(bytes);
  if (letters == "IxSQ") return read_scalar(bytes);
  if (letters == "IxMp" || letters == "IxM2") return read_id_map(bytes, depth);
  if (letters == "IHNf" || letters == "IHNs") return read_graph(bytes, depth);
  if (letters == "IwFl") return read_faiss_ivf_flat(bytes, depth);
  if (letters == "IwPQ") return read_faiss_ivf_pq(bytes, depth);
  const auto found = other_types().find(letters);
  if (found == other_types().end())
    bytes.refuse("expected a faiss index file, got another beginning");
  bytes.refuse("expected a flat, HNSW, IVF-flat, IVF-PQ or scalar-quantised index, got " +
               found->second);
}

FaissContents read_faiss_file(const std::filesystem::path& path) {
  const base::MappedFile file(path);
  FaissBytes bytes(file.bytes(), path.string());
  FaissContents contents = read_faiss_index(bytes, 0);
  bytes.expect(bytes.left() == 0,
               "expected the end of the file, got " + std::to_string(bytes.left()) + " bytes more");
  return contents;
}

}  // namespace rookery::index_tools::detail
