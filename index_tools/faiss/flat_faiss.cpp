#include <faiss/IndexFlat.h>
#include <faiss/impl/FaissException.h>
#include <faiss/utils/distances.h>

#include <stdexcept>

#include "base/error.hpp"
#include "index_tools/faiss/detail/faiss_calls.hpp"
#include "index_tools/faiss/detail/faiss_threads.hpp"
#include "index_tools/faiss/detail/faiss_writer.hpp"

namespace rookery::index_tools::detail {
namespace {

class FlatIndexSearch final : public FaissFlatSearch {
 public:
  explicit FlatIndexSearch(const VectorsView& rows)
      : index_(rows.dimension, rows.l2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT) {
    index_.add(checked_rows(rows, "flat search"), rows.vectors.data());
  }

  std::vector<std::int64_t> search(std::span<const float> queries, std::int32_t k,
                                   int blas_threshold, int threads) override {
    const std::int64_t count =
        checked_rows({queries, static_cast<std::int32_t>(index_.d), false}, "flat search");
    const FaissThreads scope(threads);
    // A global of faiss; the scope lets one caller in at a time.
    const int before = faiss::distance_compute_blas_threshold;
    if (blas_threshold > 0) faiss::distance_compute_blas_threshold = blas_threshold;
    std::vector<float> scores(static_cast<std::size_t>(count) * static_cast<std::size_t>(k));
    std::vector<std::int64_t> ids(scores.size());
    try {
      index_.search(count, queries.data(), k, scores.data(), ids.data());
    } catch (const faiss::FaissException& error) {
      faiss::distance_compute_blas_threshold = before;
      throw base::UserError(std::string("flat search: faiss refused: ") + error.what());
    }
    faiss::distance_compute_blas_threshold = before;
    return ids;
  }

 private:
  faiss::IndexFlat index_;
};

}  // namespace

std::unique_ptr<FaissFlatSearch> open_faiss_flat(const VectorsView& rows) {
  return std::make_unique<FlatIndexSearch>(rows);
}

void FaissWriter::head(const VectorsView& rows) {
  constexpr std::int64_t kUnused = 1 << 20;
  value(rows.dimension);
  value(static_cast<std::int64_t>(rows.vectors.size()) / rows.dimension);
  value(kUnused);
  value(kUnused);
  value(std::uint8_t{1});                // trained
  value(std::int32_t{rows.l2 ? 1 : 0});  // the metric
}

void FaissWriter::flat(const VectorsView& rows) {
  letters(rows.l2 ? "IxF2" : "IxFI");
  head(rows);
  array(rows.vectors);
}

void write_faiss_flat(const std::filesystem::path& path, const VectorsView& rows,
                      std::span<const std::int64_t> ids) {
  const std::int64_t count = checked_rows(rows, path.string());
  if (!ids.empty() && std::ssize(ids) != count) {
    throw std::invalid_argument(path.string() + ": expected " + std::to_string(count) +
                                " ids or none, got " + std::to_string(ids.size()));
  }
  FaissWriter file(path);
  if (!ids.empty()) {
    file.letters("IxM2");
    file.head(rows);
  }
  file.flat(rows);
  if (!ids.empty()) file.array(ids);
  file.commit();
}

}  // namespace rookery::index_tools::detail
