#include "index_tools/hnsw_graph.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <vector>

#include "base/error.hpp"
#include "base/thread_team.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/faiss/faiss_bridge.hpp"

static_assert(std::endian::native == std::endian::little, "index files are little-endian");

namespace rookery::index_tools {
namespace {

constexpr char kMagic[8] = {'R', 'K', 'H', 'N', 'S', 'W', '0', '1'};
constexpr std::int32_t kLevelsMax = 64;  // 2^31 rows have a handful; faiss draws at most about 30

// The head of the file; after it `base`, `upper_nodes`, zeros up to 8 bytes, `upper_begins`,
// `upper_links`.
struct Header {
  char magic[8];
  std::int64_t count, upper_count, upper_link_count;
  std::int32_t m, levels, entry, ef_construction, ef_search;
  std::uint8_t int8_storage, serial;
  std::uint8_t zeros[10];
};
static_assert(sizeof(Header) == 64);

std::int64_t padding_after(std::int64_t upper_count) { return upper_count % 2 * 4; }

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

// Takes arrays from the front of the mapped bytes, whose length was compared with the header's
// counts before.
class ArrayReader {
 public:
  explicit ArrayReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  template <typename T>
  std::span<const T> take(std::int64_t count) {
    const auto size = static_cast<std::size_t>(count) * sizeof(T);
    const auto* begin = reinterpret_cast<const T*>(bytes_.data());
    bytes_ = bytes_.subspan(size);
    return {begin, static_cast<std::size_t>(count)};
  }
  void skip(std::int64_t size) { bytes_ = bytes_.subspan(static_cast<std::size_t>(size)); }

 private:
  std::span<const std::byte> bytes_;
};

// Throws `UserError` in the name of the file.
class GraphCheck {
 public:
  GraphCheck(const HnswGraph& graph, std::string where) : graph_(graph), where_(std::move(where)) {}

  [[noreturn]] void refuse(const std::string& what) const {
    throw base::UserError(where_ + ": " + what + "; build the index again");
  }

  void all() const {
    upper_nodes();
    entry();
    base_links();
    upper_links();
  }

 private:
  // Links of one node on one level: rows of the shard, then -1 up to the end.
  void list(std::span<const std::int32_t> links, std::int64_t node, std::int32_t level) const {
    bool ended = false;
    for (const std::int32_t link : links) {
      if (link == -1) {
        ended = true;
        continue;
      }
      if (ended || link < 0 || link >= graph_.count) {
        refuse("expected links of node " + std::to_string(node) + " on level " +
               std::to_string(level) + " to rows below " + std::to_string(graph_.count) +
               ", then -1, got " + std::to_string(link));
      }
      if (level > 0 && graph_.links(link, level).empty()) {
        refuse("expected links on level " + std::to_string(level) +
               " to nodes of that level, got one from node " + std::to_string(node) + " to " +
               std::to_string(link));
      }
    }
  }

  void upper_nodes() const {
    const auto nodes = graph_.upper_nodes;
    const auto begins = graph_.upper_begins;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i] < 0 || nodes[i] >= graph_.count || (i > 0 && nodes[i] <= nodes[i - 1])) {
        refuse("expected rising nodes above level 0, below " + std::to_string(graph_.count) +
               ", got " + std::to_string(nodes[i]));
      }
    }
    if (begins.front() != 0 || begins.back() != std::ssize(graph_.upper_links)) {
      refuse("expected links above level 0 from 0 to " + std::to_string(graph_.upper_links.size()) +
             ", got " + std::to_string(begins.front()) + " to " + std::to_string(begins.back()));
    }
    for (std::size_t i = 0; i + 1 < begins.size(); ++i) {
      // Compared before it is subtracted, which could overflow.
      const bool rises = begins[i] >= 0 && begins[i + 1] > begins[i];
      const std::int64_t links = rises ? begins[i + 1] - begins[i] : 0;
      if (links == 0 || links % graph_.m != 0 || links / graph_.m >= graph_.levels) {
        refuse("expected 1 to " + std::to_string(graph_.levels - 1) + " times " +
               std::to_string(graph_.m) + " links of node " + std::to_string(nodes[i]) +
               " above level 0, got them from " + std::to_string(begins[i]) + " to " +
               std::to_string(begins[i + 1]));
      }
    }
  }

  void entry() const {
    const std::int32_t entry = graph_.entry;
    const bool there = entry >= 0 && entry < graph_.count;
    if (!there || (graph_.levels > 1 && graph_.links(entry, graph_.levels - 1).empty())) {
      refuse("expected an entry node that reaches level " + std::to_string(graph_.levels - 1) +
             ", got node " + std::to_string(entry));
    }
  }

  void base_links() const {
    for (std::int64_t node = 0; node < graph_.count; ++node) {
      list(graph_.links(static_cast<std::int32_t>(node), 0), node, 0);
    }
  }

  void upper_links() const {
    for (const std::int32_t node : graph_.upper_nodes) {
      for (std::int32_t level = 1; level < graph_.levels; ++level) {
        list(graph_.links(node, level), node, level);
      }
    }
  }

  const HnswGraph& graph_;
  std::string where_;
};

// Refuses a header whose counts do not make up the file.
void check_header(const Header& header, std::span<const std::byte> bytes, std::int64_t count,
                  const GraphCheck& check) {
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) {
    check.refuse("expected an hnsw graph of this version, got another beginning");
  }
  if (header.count != count) {
    check.refuse("expected a graph of " + std::to_string(count) + " rows, got one of " +
                 std::to_string(header.count));
  }
  if (header.m < 2 || header.m > 512 || header.levels < 1 || header.levels > kLevelsMax ||
      header.ef_construction < 1 || header.ef_construction > 4096 || header.ef_search < 1 ||
      header.ef_search > 65'536 || header.int8_storage > 1 || header.serial > 1) {
    check.refuse(
        "expected m in [2, 512], 1 to 64 levels, ef_construction in [1, 4096] and "
        "ef_search in [1, 65536], got m " +
        std::to_string(header.m) + ", " + std::to_string(header.levels) + " levels, " +
        std::to_string(header.ef_construction) + " and " + std::to_string(header.ef_search));
  }
  if (header.upper_count < 0 || header.upper_count > count || header.upper_link_count < 0 ||
      header.upper_link_count > header.upper_count * header.m * kLevelsMax) {
    check.refuse("expected at most " + std::to_string(count) + " nodes above level 0, got " +
                 std::to_string(header.upper_count) + " with " +
                 std::to_string(header.upper_link_count) + " links");
  }
  // At most 2^31 nodes, 512 links and 64 levels: no product overflows.
  const std::int64_t expected = std::int64_t{sizeof(Header)} + count * header.m * 8 +
                                header.upper_count * 4 + padding_after(header.upper_count) +
                                (header.upper_count + 1) * 8 + header.upper_link_count * 4;
  if (std::ssize(bytes) != expected) {
    check.refuse("expected a file of " + std::to_string(expected) + " bytes, got " +
                 std::to_string(bytes.size()));
  }
}

Header header_of(const FaissHnsw& built, std::int64_t count, const HnswParameters& parameters) {
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.count = count;
  header.m = built.m;
  header.levels = std::max(built.levels, 1);
  header.entry = built.entry;
  header.ef_construction = parameters.ef_construction;
  header.ef_search = parameters.ef_search;
  header.int8_storage = parameters.storage == "int8" ? 1 : 0;
  header.serial = parameters.serial ? 1 : 0;
  return header;
}

// The shard's vectors as floats: mapped where they are float32, else converted into `storage`.
std::span<const float> float_vectors(const SnapshotShard& shard, std::vector<float>& storage) {
  if (shard.vector_type() != VectorType::kFloat16) return shard.vectors();
  const auto halves = shard.half_vectors();
  storage.resize(halves.size());
  std::transform(halves.begin(), halves.end(), storage.begin(), from_half);
  return storage;
}

}  // namespace

std::span<const std::int32_t> HnswGraph::links(std::int32_t node, std::int32_t level) const {
  if (level == 0) {
    return base.subspan(static_cast<std::size_t>(node) * 2 * static_cast<std::size_t>(m),
                        static_cast<std::size_t>(m) * 2);
  }
  const auto found = std::lower_bound(upper_nodes.begin(), upper_nodes.end(), node);
  if (found == upper_nodes.end() || *found != node) return {};
  const auto at = static_cast<std::size_t>(found - upper_nodes.begin());
  const std::int64_t begin = upper_begins[at] + std::int64_t{level - 1} * m;
  if (begin + m > upper_begins[at + 1]) return {};
  return upper_links.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(m));
}

HnswGraph HnswGraph::open(std::span<const std::byte> bytes, std::int64_t count,
                          const std::string& where) {
  HnswGraph graph;
  const GraphCheck check(graph, where);
  if (bytes.size() < sizeof(Header)) {
    check.refuse("expected an hnsw graph of at least 64 bytes, got " +
                 std::to_string(bytes.size()));
  }
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(std::int64_t) != 0 || count < 0 ||
      count > std::numeric_limits<std::int32_t>::max()) {
    throw std::invalid_argument("HnswGraph: expected aligned bytes and 0 to 2147483647 rows");
  }
  Header header{};
  std::memcpy(&header, bytes.data(), sizeof header);
  check_header(header, bytes, count, check);
  graph.count = count;
  graph.m = header.m;
  graph.levels = header.levels;
  graph.entry = header.entry;
  graph.parameters = {header.m, header.ef_construction, header.ef_search,
                      header.int8_storage != 0 ? "int8" : "float32", header.serial != 0};
  ArrayReader reader(bytes.subspan(sizeof header));
  graph.base = reader.take<std::int32_t>(count * 2 * header.m);
  graph.upper_nodes = reader.take<std::int32_t>(header.upper_count);
  reader.skip(padding_after(header.upper_count));
  graph.upper_begins = reader.take<std::int64_t>(header.upper_count + 1);
  graph.upper_links = reader.take<std::int32_t>(header.upper_link_count);
  if (count > 0) check.all();
  return graph;
}

FaissHnsw to_faiss(const HnswGraph& graph) {
  FaissHnsw result;
  result.m = graph.m;
  result.levels = graph.count > 0 ? graph.levels : 0;
  result.entry = graph.entry;
  result.ef_construction = graph.parameters.ef_construction;
  result.ef_search = graph.parameters.ef_search;
  result.offsets.push_back(0);
  for (std::int32_t node = 0; node < graph.count; ++node) {
    std::int32_t level = 0;
    for (auto links = graph.links(node, level); !links.empty(); links = graph.links(node, level)) {
      result.links.insert(result.links.end(), links.begin(), links.end());
      ++level;
    }
    result.node_levels.push_back(level);
    result.offsets.push_back(std::ssize(result.links));
  }
  return result;
}

void write_hnsw_graph(const SnapshotShard& shard, const std::string& metric,
                      const HnswParameters& parameters, int threads, detail::GenerationFile& file) {
  const std::int64_t count = shard.count();
  std::vector<float> storage;
  const VectorsView rows{float_vectors(shard, storage), shard.dimension(), metric == "l2"};
  if (rows.dimension < 1 || std::ssize(rows.vectors) != count * rows.dimension) {
    throw base::UserError("hnsw: expected a shard with vectors, got " +
                          std::to_string(rows.vectors.size()) + " floats for " +
                          std::to_string(count) + " rows of " + std::to_string(rows.dimension));
  }
  FaissHnsw built;
  built.m = parameters.m;
  built.entry = -1;
  built.offsets = {0};
  if (count > 0) {
    const int wanted = threads > 0 ? threads : base::usable_cores();
    built = faiss_bridge().build_hnsw(rows, parameters.m, parameters.ef_construction,
                                      parameters.serial ? 1 : wanted);
  }

  Header header = header_of(built, count, parameters);
  const std::size_t base_links = static_cast<std::size_t>(built.m) * 2;
  std::vector<std::int32_t> upper_nodes;
  std::vector<std::int64_t> upper_begins{0};
  const auto links_of = [&](std::size_t row) {
    const auto begin = static_cast<std::size_t>(built.offsets[row]);
    const auto end = static_cast<std::size_t>(built.offsets[row + 1]);
    return std::span<const std::int32_t>(built.links).subspan(begin, end - begin);
  };
  for (std::size_t row = 0; row < static_cast<std::size_t>(count); ++row) {
    const std::size_t upper = links_of(row).size() - base_links;
    if (upper == 0) continue;
    upper_nodes.push_back(static_cast<std::int32_t>(row));
    upper_begins.push_back(upper_begins.back() + static_cast<std::int64_t>(upper));
  }
  header.upper_count = std::ssize(upper_nodes);
  header.upper_link_count = upper_begins.back();

  file.write(std::as_bytes(std::span(&header, 1)));
  for (std::size_t row = 0; row < static_cast<std::size_t>(count); ++row) {
    file.write(std::as_bytes(links_of(row).first(base_links)));
  }
  file.write(bytes_of(upper_nodes));
  const std::int32_t zero = 0;
  if (padding_after(header.upper_count) != 0) file.write(std::as_bytes(std::span(&zero, 1)));
  file.write(bytes_of(upper_begins));
  for (const std::int32_t row : upper_nodes) {
    file.write(std::as_bytes(links_of(static_cast<std::size_t>(row)).subspan(base_links)));
  }
}

}  // namespace rookery::index_tools
