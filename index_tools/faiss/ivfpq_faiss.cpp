#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/index_io.h>
#include <faiss/invlists/InvertedLists.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "index_tools/faiss/detail/faiss_calls.hpp"

namespace rookery::index_tools::detail {
namespace {

constexpr std::size_t kCodeBits = 8;
constexpr std::int64_t kEncodeBytes = 32 << 20;  ///< what one call of faiss's encoder may hold

faiss::MetricType metric_of(const VectorsView& view) {
  return view.l2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
}

/// faiss's index around a model of ours; the index holds a pointer to the quantizer beside it.
struct Index {
  Index(std::int32_t dimension, std::int32_t nlist, std::int32_t pq_bytes, faiss::MetricType metric)
      : quantizer(dimension, metric),
        ivfpq(&quantizer, static_cast<std::size_t>(dimension), static_cast<std::size_t>(nlist),
              static_cast<std::size_t>(pq_bytes), kCodeBits, metric) {
    ivfpq.use_precomputed_table = -1;  // for searching with faiss, at nlist × 64 KiB
  }
  Index(const FaissIvfPq& model, const VectorsView& shape)
      : Index(shape.dimension, model.nlist, model.pq_bytes, metric_of(shape)) {
    quantizer.add(model.nlist, model.centroids.data());
    ivfpq.pq.centroids = model.codebooks;
    ivfpq.is_trained = true;
    ivfpq.by_residual = model.by_residual;
  }
  faiss::IndexFlat quantizer;
  faiss::IndexIVFPQ ivfpq;
};

}  // namespace

FaissIvfPq train_faiss_ivfpq(const VectorsView& sample, std::int32_t nlist, std::int32_t pq_bytes,
                             std::uint64_t seed) {
  Index index(sample.dimension, nlist, pq_bytes, metric_of(sample));
  // faiss keeps 31 bits of a seed and treats negative ones apart.
  const auto short_seed = static_cast<int>(seed & 0x7FFFFFFFU);
  index.ivfpq.cp.seed = short_seed;
  index.ivfpq.pq.cp.seed = short_seed;
  // Whoever asks for few rows a list has been told; faiss would say it on standard error.
  index.ivfpq.cp.min_points_per_centroid = 1;
  index.ivfpq.pq.cp.min_points_per_centroid = 1;
  index.ivfpq.train(checked_rows(sample, "ivfpq training"), sample.vectors.data());
  FaissIvfPq model;
  model.nlist = nlist;
  model.pq_bytes = pq_bytes;
  const float* centroids = index.quantizer.get_xb();
  model.centroids.assign(centroids, centroids + std::int64_t{nlist} * sample.dimension);
  model.codebooks = index.ivfpq.pq.centroids;
  return model;
}

FaissIvfPq encode_faiss_ivfpq(const FaissIvfPq& model, const VectorsView& rows) {
  Index index(model, rows);
  const std::int64_t count = checked_rows(rows, "ivfpq build");
  std::vector<faiss::Index::idx_t> lists(static_cast<std::size_t>(count));
  index.quantizer.assign(count, rows.vectors.data(), lists.data());
  const auto width = static_cast<std::size_t>(model.pq_bytes);
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(count) * width);
  // faiss holds the residuals and a table of 256 distances a code byte for all rows of a call:
  // 40,000 rows of 768-d to 32 bytes took 1.4 GB.
  const std::int64_t row_bytes =
      std::int64_t{4} * rows.dimension + std::int64_t{1024} * model.pq_bytes;
  const std::int64_t step = std::max<std::int64_t>(64, kEncodeBytes / row_bytes);
  for (std::int64_t begin = 0; begin < count; begin += step) {
    index.ivfpq.encode_vectors(std::min(step, count - begin),
                               rows.vectors.data() + begin * rows.dimension, lists.data() + begin,
                               codes.data() + begin * model.pq_bytes);
  }
  FaissIvfPq result;
  result.nlist = model.nlist;
  result.pq_bytes = model.pq_bytes;
  result.nprobe = model.nprobe;
  result.by_residual = model.by_residual;
  result.list_rows.resize(static_cast<std::size_t>(model.nlist));
  result.list_codes.resize(static_cast<std::size_t>(model.nlist));
  for (std::size_t row = 0; row < lists.size(); ++row) {
    if (lists[row] < 0) {  // NaN: faiss finds no list; the row's vector was refused long before
      throw base::UserError("ivfpq: row " + std::to_string(row) + " belongs to no list");
    }
    const auto list = static_cast<std::size_t>(lists[row]);
    result.list_rows[list].push_back(static_cast<std::int64_t>(row));
    const auto begin = codes.begin() + static_cast<std::ptrdiff_t>(row * width);
    result.list_codes[list].insert(result.list_codes[list].end(), begin,
                                   begin + static_cast<std::ptrdiff_t>(width));
  }
  return result;
}

void write_faiss_ivfpq(const std::filesystem::path& path, const VectorsView& shape,
                       const FaissIvfPq& lists) {
  Index index(lists, shape);
  if (lists.nprobe > 0) index.ivfpq.nprobe = static_cast<std::size_t>(lists.nprobe);
  for (std::size_t list = 0; list < lists.list_rows.size(); ++list) {
    const auto& rows = lists.list_rows[list];
    if (rows.empty()) continue;
    const std::vector<faiss::Index::idx_t> ids(rows.begin(), rows.end());
    index.ivfpq.invlists->add_entries(list, ids.size(), ids.data(), lists.list_codes[list].data());
    index.ivfpq.ntotal += std::ssize(rows);
  }
  faiss::write_index(&index.ivfpq, path.c_str());
}

}  // namespace rookery::index_tools::detail
