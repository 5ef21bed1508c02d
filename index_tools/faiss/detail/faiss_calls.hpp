#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "index_tools/faiss/faiss_bridge.hpp"

namespace rookery::index_tools::detail {

/// What `FaissBridge` does, one function a method, in a file a kind. These lie inside
/// `librookery_faiss.so`; whoever calls them holds a `FaissThreads` and turns faiss's exceptions
/// into `UserError`.
FaissHnsw build_faiss_hnsw(const VectorsView& rows, std::int32_t m, std::int32_t ef_construction);
FaissIvfPq train_faiss_ivfpq(const VectorsView& sample, std::int32_t nlist, std::int32_t pq_bytes,
                             std::uint64_t seed);
FaissIvfPq encode_faiss_ivfpq(const FaissIvfPq& model, const VectorsView& rows);
FaissContents read_faiss_file(const std::filesystem::path& path);
void write_faiss_flat(const std::filesystem::path& path, const VectorsView& rows,
                      std::span<const std::int64_t> ids);
void write_faiss_hnsw(const std::filesystem::path& path, const VectorsView& rows,
                      const FaissHnsw& graph);
std::unique_ptr<FaissFlatSearch> open_faiss_flat(const VectorsView& rows);
std::unique_ptr<FaissHnswSearch> open_faiss_hnsw(const VectorsView& rows, const FaissHnsw& graph);
void write_faiss_ivfpq(const std::filesystem::path& path, const VectorsView& shape,
                       const FaissIvfPq& lists);

/// Rows of a view. Throws `std::invalid_argument` when the floats are not whole rows of a dimension
/// of 1 or more.
std::int64_t checked_rows(const VectorsView& view, const std::string& where);

}  // namespace rookery::index_tools::detail
