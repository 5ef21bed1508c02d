#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "base/error.hpp"
#include "base/thread_team.hpp"
#include "index_tools/faiss/faiss_bridge.hpp"
#include "index_tools/ivfpq_lists.hpp"

namespace rookery::index_tools {
namespace {

using base::UserError;

constexpr std::uint64_t kSeed = 1234;
constexpr std::int64_t kRowsPerList = 39;  // faiss's own lower bound for k-means
constexpr std::int64_t kNlistMax = 1 << 20;

// A bijection of 64-bit numbers that looks random (Stafford's mix 13 of the SplitMix64 finaliser):
// ids with the smallest images are the sample.
std::uint64_t scatter(std::int64_t id) {
  auto x = static_cast<std::uint64_t>(id) + 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

using Shards = std::span<const std::shared_ptr<const SnapshotShard>>;

struct Place {
  std::int64_t id;
  const SnapshotShard* shard;
  std::int64_t row;
};

// The rows of the sample by rising id.
std::vector<Place> choose_sample(Shards shards, std::int64_t rows, std::int64_t wanted) {
  std::uint64_t limit = ~std::uint64_t{0};
  if (wanted < rows) {
    std::vector<std::uint64_t> images;
    images.reserve(static_cast<std::size_t>(rows));
    for (const auto& shard : shards) {
      for (const std::int64_t id : shard->ids()) images.push_back(scatter(id));
    }
    const auto last = images.begin() + static_cast<std::ptrdiff_t>(wanted - 1);
    std::nth_element(images.begin(), last, images.end());
    limit = *last;
  }
  std::vector<Place> sample;
  for (const auto& shard : shards) {
    const auto ids = shard->ids();
    for (std::size_t row = 0; row < ids.size(); ++row) {
      if (scatter(ids[row]) <= limit) {
        sample.push_back({ids[row], shard.get(), static_cast<std::int64_t>(row)});
      }
    }
  }
  std::sort(sample.begin(), sample.end(),
            [](const Place& a, const Place& b) { return a.id < b.id; });
  return sample;
}

// The sizes of a code that the dimension allows, for the error's sake.
std::string fitting_code_sizes(std::int32_t dimension) {
  std::string list;
  for (std::int32_t bytes = 1; bytes <= std::min(dimension, 1024); ++bytes) {
    if (dimension % bytes == 0) list += (list.empty() ? "" : ", ") + std::to_string(bytes);
  }
  return list;
}

void check(const IvfPqParameters& parameters, std::int32_t dimension, std::int64_t rows) {
  if (dimension < 1) throw UserError("ivfpq: expected vectors, got a snapshot that has none");
  if (parameters.pq_bytes < 1 || dimension % parameters.pq_bytes != 0) {
    throw UserError("ivfpq: pq_bytes: expected a number that divides the dimension " +
                    std::to_string(dimension) + " (" + fitting_code_sizes(dimension) + "), got " +
                    std::to_string(parameters.pq_bytes));
  }
  if (rows < kPqWords) {
    throw UserError("ivfpq: expected at least 256 rows to find 256 codewords in, got " +
                    std::to_string(rows) + "; search so few exactly, without an index");
  }
  if (parameters.nlist > rows) {
    throw UserError(
        "ivfpq: nlist: expected at most one list for every row of the training sample (" +
        std::to_string(rows) + "), better " + std::to_string(default_nlist(rows)) + ", got " +
        std::to_string(parameters.nlist));
  }
}

}  // namespace

std::int32_t default_nlist(std::int64_t rows) {
  const auto roots =
      std::llround(4 * std::sqrt(static_cast<double>(std::max<std::int64_t>(rows, 0))));
  return static_cast<std::int32_t>(
      std::clamp<std::int64_t>(std::min<std::int64_t>(roots, rows / kRowsPerList), 1, kNlistMax));
}

IvfPqModel train_ivfpq(Shards shards, const std::string& metric, const IvfPqParameters& parameters,
                       int threads) {
  if (shards.empty()) throw std::invalid_argument("train_ivfpq: expected shards, got none");
  const std::int32_t dimension = shards.front()->dimension();
  std::int64_t rows = 0;
  for (const auto& shard : shards) {
    if (shard->dimension() != dimension) {
      throw std::invalid_argument("train_ivfpq: expected shards of one dimension");
    }
    if (shard->vector_type() == VectorType::kNone) {
      throw UserError("ivfpq: expected vectors, got a snapshot that has none");
    }
    rows += shard->count();
  }
  const std::int64_t wanted = std::min(rows, parameters.train_rows);
  check(parameters, dimension, wanted);

  IvfPqModel model;
  model.parameters = parameters;
  model.dimension = dimension;
  if (parameters.nlist == 0) {
    // The sample must feed every list, too.
    model.parameters.nlist = static_cast<std::int32_t>(
        std::clamp<std::int64_t>(wanted / kRowsPerList, 1, default_nlist(rows)));
  }
  VectorsView view{{}, dimension, metric == "l2"};
  std::vector<float> copies;
  if (shards.size() == 1 && wanted == rows && !shards.front()->vectors().empty()) {
    view.vectors = shards.front()->vectors();
  } else {
    const std::vector<Place> sample = choose_sample(shards, rows, wanted);
    const auto width = static_cast<std::size_t>(dimension);
    copies.resize(sample.size() * width);
    for (std::size_t i = 0; i < sample.size(); ++i) {
      copy_vector(*sample[i].shard, sample[i].row, std::span(copies).subspan(i * width, width));
    }
    view.vectors = copies;
  }
  FaissIvfPq trained =
      faiss_bridge().train_ivfpq(view, model.parameters.nlist, parameters.pq_bytes, kSeed,
                                 threads > 0 ? threads : base::usable_cores());
  model.centroids = std::move(trained.centroids);
  model.codebooks = std::move(trained.codebooks);
  return model;
}

}  // namespace rookery::index_tools
