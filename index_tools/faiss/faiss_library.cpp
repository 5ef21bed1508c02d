// The inside of librookery_faiss.so: the one name that it exports, and the border at which faiss's
// exceptions become ours.
#include <faiss/impl/FaissException.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <utility>

#include "base/error.hpp"
#include "index_tools/faiss/detail/faiss_calls.hpp"
#include "index_tools/faiss/detail/faiss_threads.hpp"

namespace rookery::index_tools::detail {

std::int64_t checked_rows(const VectorsView& view, const std::string& where) {
  if (view.dimension < 1 ||
      view.vectors.size() % static_cast<std::size_t>(std::max(view.dimension, 1)) != 0) {
    throw std::invalid_argument(where + ": expected vectors of [rows, dimension], got " +
                                std::to_string(view.vectors.size()) + " floats and dimension " +
                                std::to_string(view.dimension));
  }
  return static_cast<std::int64_t>(view.vectors.size()) / view.dimension;
}

namespace {

template <typename Call>
auto guarded(const char* what, int threads, Call&& call) {
  const FaissThreads scope(threads);
  try {
    return std::forward<Call>(call)();
  } catch (const faiss::FaissException& error) {
    throw base::UserError(std::string(what) + ": faiss refused: " + error.what());
  } catch (const std::bad_alloc&) {
    throw base::UserError(std::string(what) + ": not enough memory; use more, smaller shards");
  }
}

class LoadedFaiss final : public FaissBridge {
 public:
  FaissHnsw build_hnsw(const VectorsView& rows, std::int32_t m, std::int32_t ef_construction,
                       int threads) override {
    return guarded("hnsw build", threads,
                   [&] { return build_faiss_hnsw(rows, m, ef_construction); });
  }
  FaissIvfPq train_ivfpq(const VectorsView& sample, std::int32_t nlist, std::int32_t pq_bytes,
                         std::uint64_t seed, int threads) override {
    return guarded("ivfpq training", threads,
                   [&] { return train_faiss_ivfpq(sample, nlist, pq_bytes, seed); });
  }
  FaissIvfPq encode_ivfpq(const FaissIvfPq& model, const VectorsView& rows, int threads) override {
    return guarded("ivfpq build", threads, [&] { return encode_faiss_ivfpq(model, rows); });
  }
  FaissContents read_file(const std::filesystem::path& path) override {
    return guarded(path.c_str(), 1, [&] { return read_faiss_file(path); });
  }
  void write_flat(const std::filesystem::path& path, const VectorsView& rows,
                  std::span<const std::int64_t> ids) override {
    guarded(path.c_str(), 1, [&] { write_faiss_flat(path, rows, ids); });
  }
  void write_hnsw(const std::filesystem::path& path, const VectorsView& rows,
                  const FaissHnsw& graph) override {
    guarded(path.c_str(), 1, [&] { write_faiss_hnsw(path, rows, graph); });
  }
  void write_ivfpq(const std::filesystem::path& path, const VectorsView& shape,
                   const FaissIvfPq& lists) override {
    guarded(path.c_str(), 1, [&] { write_faiss_ivfpq(path, shape, lists); });
  }
  std::unique_ptr<FaissHnswSearch> open_hnsw(const VectorsView& rows,
                                             const FaissHnsw& graph) override {
    return guarded("hnsw search", 1, [&] { return open_faiss_hnsw(rows, graph); });
  }
  std::unique_ptr<FaissFlatSearch> open_flat(const VectorsView& rows) override {
    return guarded("flat search", 1, [&] { return open_faiss_flat(rows); });
  }
};

}  // namespace
}  // namespace rookery::index_tools::detail

extern "C" __attribute__((visibility("default"))) rookery::index_tools::FaissBridge*
rookery_faiss_bridge() {
  static rookery::index_tools::detail::LoadedFaiss bridge;
  return &bridge;
}
