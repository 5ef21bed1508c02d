#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "index_tools/index_spec.hpp"
#include "index_tools/snapshot.hpp"

namespace rookery::index_tools {

namespace detail {
class GenerationFile;
}
struct FaissHnsw;

/// The `hnsw` file of a shard: the links of the graph, node = row. Views into the mapped bytes.
struct HnswGraph {
  std::int64_t count = 0;
  std::int32_t m = 0;       ///< links on level 1 and above; 2 m on level 0
  std::int32_t levels = 0;  ///< of the highest node, at least 1
  std::int32_t entry = 0;   ///< node where every walk begins
  HnswParameters parameters;
  std::span<const std::int32_t> base;  ///< `[count, 2 m]`, level 0, unused places are -1 at the end
  std::span<const std::int32_t> upper_nodes;   ///< nodes above level 0, rising
  std::span<const std::int64_t> upper_begins;  ///< `[upper_nodes + 1]` into `upper_links`, in links
  std::span<const std::int32_t> upper_links;   ///< m a level from level 1 on, -1 at the end

  /// Links of a node on a level, padded with -1; empty when the node does not reach that level.
  [[nodiscard]] std::span<const std::int32_t> links(std::int32_t node, std::int32_t level) const;

  /// Checks every number in it (a link beyond the rows, an entry that is not there) before it is
  /// used. Throws `UserError` naming `where`.
  static HnswGraph open(std::span<const std::byte> bytes, std::int64_t count,
                        const std::string& where);
};

/// The graph in faiss's arrays, for export and comparison.
FaissHnsw to_faiss(const HnswGraph& graph);

/// Builds the graph of a shard with faiss and writes it. `threads` (0: all usable cores) counts
/// unless the parameters ask for a serial build, which gives the same file every time. Takes,
/// beside the mapped vectors, 8 m + 40 bytes a row for the links, twice that at the end, and for
/// float16 vectors 4 bytes an element. Blocks.
void write_hnsw_graph(const SnapshotShard& shard, const std::string& metric,
                      const HnswParameters& parameters, int threads, detail::GenerationFile& file);

}  // namespace rookery::index_tools
