#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/impl/DistanceComputer.h>

#include <memory>
#include <stdexcept>

#include "index_tools/faiss/detail/faiss_calls.hpp"
#include "index_tools/faiss/detail/faiss_threads.hpp"
#include "index_tools/faiss/detail/faiss_writer.hpp"
#include "index_tools/faiss/detail/row_distances.hpp"

namespace rookery::index_tools::detail {
namespace {

void check_shape(const FaissHnsw& graph, std::int64_t count, const std::string& where) {
  if (std::ssize(graph.node_levels) != count || std::ssize(graph.offsets) != count + 1 ||
      graph.offsets.back() != std::ssize(graph.links) || graph.m < 2 || graph.m > 4096) {
    throw std::invalid_argument(where + ": expected a graph of " + std::to_string(count) +
                                " rows, got one of " + std::to_string(graph.node_levels.size()));
  }
}

// Distances to rows that stay where they are.
class ViewDistances final : public faiss::DistanceComputer {
 public:
  explicit ViewDistances(const VectorsView& rows) : rows_(rows) {}
  void set_query(const float* query) override { query_ = query; }
  float operator()(idx_t row) override { return distance(query_, at(row)); }
  float symmetric_dis(idx_t a, idx_t b) override { return distance(at(a), at(b)); }

 private:
  [[nodiscard]] const float* at(idx_t row) const {
    return rows_.vectors.data() + row * rows_.dimension;
  }
  [[nodiscard]] float distance(const float* a, const float* b) const {
    return rows_.l2 ? row_squares_avx2(a, b, rows_.dimension)
                    : row_product_avx2(a, b, rows_.dimension);
  }
  VectorsView rows_;
  const float* query_ = nullptr;
};

// The storage of an index that is being built over a mapped shard: `IndexHNSWFlat` would copy every
// vector, which doubles what a build takes.
class ViewStorage final : public faiss::Index {
 public:
  explicit ViewStorage(const VectorsView& rows)
      : faiss::Index(rows.dimension, rows.l2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT),
        rows_(rows) {
    is_trained = true;
  }
  void add(idx_t count, const float* /*vectors*/) override { ntotal += count; }
  void reset() override { ntotal = 0; }
  void search(idx_t /*n*/, const float* /*x*/, idx_t /*k*/, float* /*distances*/, idx_t* /*labels*/,
              const faiss::SearchParameters* /*params*/) const override {
    throw std::logic_error("a view is not searched");
  }
  [[nodiscard]] faiss::DistanceComputer* get_distance_computer() const override {
    return new ViewDistances(rows_);
  }

 private:
  VectorsView rows_;
};

// faiss's own index as it is; the graph is checked before, since faiss follows it blindly.
class FlatSearch final : public FaissHnswSearch {
 public:
  FlatSearch(const VectorsView& rows, const FaissHnsw& graph)
      : index_(rows.dimension, graph.m, rows.l2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT) {
    const std::int64_t count = checked_rows(rows, "hnsw search");
    check_shape(graph, count, "hnsw search");
    index_.storage->add(count, rows.vectors.data());
    index_.ntotal = count;
    faiss::HNSW& hnsw = index_.hnsw;
    hnsw.levels.assign(graph.node_levels.begin(), graph.node_levels.end());
    hnsw.offsets.assign(graph.offsets.begin(), graph.offsets.end());
    hnsw.neighbors = graph.links;
    hnsw.entry_point = graph.entry;
    hnsw.max_level = graph.levels - 1;
  }
  std::vector<std::int64_t> search(std::span<const float> queries, std::int32_t k,
                                   std::int32_t ef_search, int threads) override {
    const FaissThreads scope(threads);
    const std::int64_t count = checked_rows({queries, index_.d, false}, "hnsw search");
    std::vector<std::int64_t> ids(static_cast<std::size_t>(count * k));
    std::vector<float> distances(ids.size());
    index_.hnsw.efSearch = ef_search;
    index_.search(count, queries.data(), k, distances.data(), ids.data());
    return ids;
  }

 private:
  faiss::IndexHNSWFlat index_;
};

}  // namespace

std::unique_ptr<FaissHnswSearch> open_faiss_hnsw(const VectorsView& rows, const FaissHnsw& graph) {
  return std::make_unique<FlatSearch>(rows, graph);
}

FaissHnsw build_faiss_hnsw(const VectorsView& rows, std::int32_t m, std::int32_t ef_construction) {
  const std::int64_t count = checked_rows(rows, "hnsw build");
  if (count < 1 || count > INT32_MAX || m < 2 || ef_construction < 1) {
    throw std::invalid_argument(
        "hnsw build: expected 1 to 2147483647 rows, m of 2 or more and "
        "ef_construction of 1 or more, got " +
        std::to_string(count) + ", " + std::to_string(m) + " and " +
        std::to_string(ef_construction));
  }
  ViewStorage storage(rows);
  faiss::IndexHNSW index(&storage, m);  // does not own the storage
  index.hnsw.efConstruction = ef_construction;
  index.add(count, rows.vectors.data());

  faiss::HNSW& hnsw = index.hnsw;
  FaissHnsw graph;
  graph.m = m;
  graph.levels = hnsw.max_level + 1;
  graph.entry = hnsw.entry_point;
  graph.ef_construction = ef_construction;
  graph.ef_search = hnsw.efSearch;
  graph.node_levels.assign(hnsw.levels.begin(), hnsw.levels.end());
  graph.offsets.assign(hnsw.offsets.begin(), hnsw.offsets.end());
  graph.links = std::move(hnsw.neighbors);
  return graph;
}

void write_faiss_hnsw(const std::filesystem::path& path, const VectorsView& rows,
                      const FaissHnsw& graph) {
  const std::int64_t count = checked_rows(rows, path.string());
  check_shape(graph, count, path.string());
  const faiss::HNSW shape(graph.m);  // the probabilities and link counts of its levels
  const std::vector<std::uint64_t> offsets(graph.offsets.begin(), graph.offsets.end());
  FaissWriter file(path);
  file.letters("IHNf");
  file.head(rows);
  file.array(shape.assign_probas);
  file.array(shape.cum_nneighbor_per_level);
  file.array(graph.node_levels);
  file.array(offsets);
  file.array(graph.links);
  file.value(graph.entry);
  file.value(graph.levels - 1);
  file.value(graph.ef_construction);
  file.value(graph.ef_search);
  file.value(std::int32_t{1});  // the upper beam, which faiss no longer uses
  file.flat(rows);
  file.commit();
}

}  // namespace rookery::index_tools::detail
