#include "launch/search_contest.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <random>
#include <string>

#include "base/mapped_file.hpp"
#include "base/progress.hpp"
#include "base/subprocess.hpp"
#include "index_tools/int8_codes.hpp"
#include "index_tools/npy_file.hpp"
#include "launch/percentile.hpp"
#include "launch/rival.hpp"
#include "launch/scratch_folder.hpp"
#include "retriever_pool/machine_limits.hpp"
#include "retriever_pool/shard_index.hpp"

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using namespace retriever_pool;
using Clock = std::chrono::steady_clock;

constexpr std::int32_t kDocuments = 5;

/// The mapped files of the contest.
class MappedRows final : public index_tools::SnapshotShard {
 public:
  MappedRows(const fs::path& vectors, std::int64_t rows, std::int32_t dimension)
      : dimension_(dimension), file_(vectors), ids_(static_cast<std::size_t>(rows)) {
    std::iota(ids_.begin(), ids_.end(), std::int64_t{0});
    const std::size_t bytes = ids_.size() * static_cast<std::size_t>(dimension) * sizeof(float);
    bytes_ = file_.bytes().last(bytes);  // behind the header, which npy fills up to 64 bytes
  }
  void map_codes(const fs::path& path) { codes_.emplace(path); }
  [[nodiscard]] std::span<const std::byte> vector_bytes() const { return bytes_; }
  [[nodiscard]] std::int32_t shard() const override { return 0; }
  [[nodiscard]] std::int64_t count() const override { return std::ssize(ids_); }
  [[nodiscard]] std::int32_t dimension() const override { return dimension_; }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return ids_; }
  [[nodiscard]] std::span<const float> vectors() const override {
    return {reinterpret_cast<const float*>(bytes_.data()), bytes_.size() / sizeof(float)};
  }
  [[nodiscard]] std::span<const std::byte> file(std::string_view name) const override {
    return codes_ && name == "int8" ? codes_->bytes() : std::span<const std::byte>();
  }
  [[nodiscard]] index_tools::PassageView passage(std::int64_t row) const override {
    return {row, {}, {}, {}};
  }
  [[nodiscard]] std::optional<std::int64_t> row_of(std::int64_t id) const override { return id; }

 private:
  std::int32_t dimension_;
  base::MappedFile file_;
  std::vector<std::int64_t> ids_;
  std::span<const std::byte> bytes_;
  std::optional<base::MappedFile> codes_;
};

void write_random_units(const fs::path& path, std::int64_t rows, std::int32_t dimension,
                        std::uint64_t seed) {
  index_tools::NpyHeader shape;
  shape.columns = dimension;
  shape.rows = rows;
  index_tools::NpyWriter writer(path, shape);
  std::mt19937_64 random(seed);
  std::vector<float> row(static_cast<std::size_t>(dimension));
  for (std::int64_t r = 0; r < rows; ++r) {
    // Sums of four 16-bit numbers: near enough to normal, and quick.
    double squares = 0;
    for (float& x : row) {
      const std::uint64_t bits = random();
      x = static_cast<float>((bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) +
                             (bits >> 48)) -
          131070.0F;
      squares += static_cast<double>(x) * static_cast<double>(x);
    }
    const auto scale = static_cast<float>(1 / std::sqrt(std::max(squares, 1.0)));
    for (float& x : row) x *= scale;
    writer.write(std::as_bytes(std::span(row)));
  }
  writer.finish();
}

template <typename Call>
double timed_ms(const Call& call) {
  const auto begin = Clock::now();
  call();
  const std::chrono::duration<double, std::milli> took = Clock::now() - begin;
  return took.count();
}

bool equal_bits(const HitRows& a, const HitRows& b) {
  const auto same = [](const Hit& x, const Hit& y) {
    return x.id == y.id &&
           std::bit_cast<std::uint32_t>(x.score) == std::bit_cast<std::uint32_t>(y.score);
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const auto& x, const auto& y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), same);
  });
}

/// A rival's figure of one field, or none.
struct Opponent {
  const char* field;
  const char* mode;  ///< "default" or "best"
  Rival* rival;
};

Json measure(const SearchContestOptions& options, const MappedRows& rows, SearchTeam& team,
             const ShardIndex& exact, const ShardIndex& int8, const SearchBatch& batch,
             std::span<const Opponent> opponents) {
  const auto queries = static_cast<std::int32_t>(std::ssize(batch.queries) / options.dimension);
  const bool equal = equal_bits(exact.search(batch), int8.search(batch));
  std::vector<double> pass, peak, in_float, in_int8;
  std::vector<std::vector<double>> theirs(opponents.size());
  const auto ask = [&](const Opponent& opponent) {
    return opponent.rival
        ->ask({{"batch", queries}, {"threads", team.size()}, {"mode", opponent.mode}})
        .at("ms")
        .get<double>();
  };
  for (const Opponent& opponent : opponents) {
    if (opponent.rival != nullptr) ask(opponent);  // finds its best settings
  }
  for (int run = 0; run < options.repeat; ++run) {
    pass.push_back(pass_ms(rows.vector_bytes(), team));
    peak.push_back(peak_gflops(team));
    in_float.push_back(timed_ms([&] { static_cast<void>(exact.search(batch)); }));
    in_int8.push_back(timed_ms([&] { static_cast<void>(int8.search(batch)); }));
    for (std::size_t i = 0; i < opponents.size(); ++i) {
      if (opponents[i].rival != nullptr) theirs[i].push_back(ask(opponents[i]));
    }
  }
  const double operations = 2.0 * static_cast<double>(options.rows) * options.dimension * queries;
  // Bounds are what the machine did at its best in this run.
  Json result = {{"batch", queries},
                 {"threads", team.size()},
                 {"float_ms", median(in_float)},
                 {"int8_ms", median(in_int8)},
                 {"pass_ms", *std::min_element(pass.begin(), pass.end())},
                 {"flop_ms", operations / *std::max_element(peak.begin(), peak.end()) / 1e6},
                 {"equal", equal}};
  for (std::size_t i = 0; i < opponents.size(); ++i) {
    result[opponents[i].field] = theirs[i].empty() ? Json() : Json(median(theirs[i]));
  }
  return result;
}

}  // namespace

Json run_search_contest(const SearchContestOptions& options) {
  const ScratchFolder folder("search");
  const fs::path vectors = folder.path() / "vectors.npy",
                 queries_path = folder.path() / "queries.npy";
  write_random_units(vectors, options.rows, options.dimension, options.seed);
  const std::int32_t batch_max = *std::max_element(options.batches.begin(), options.batches.end());
  const std::int64_t queries_count = std::max(batch_max, 16);  // a rival may pad
  write_random_units(queries_path, queries_count, options.dimension, options.seed + 1);
  const auto rows = std::make_shared<MappedRows>(vectors, options.rows, options.dimension);
  const MappedRows queries(queries_path, queries_count, options.dimension);
  index_tools::write_int8_codes(*rows, folder.path(), "int8");
  rows->map_codes(folder.path() / "int8");

  const int threads_max = *std::max_element(options.threads.begin(), options.threads.end());
  const fs::path program = base::executable_folder().parent_path() / "tests/faiss_flat_rival";
  std::optional<Rival> faiss, faiss_cpu;
  if (fs::exists(program)) {
    faiss = Rival::start("program", {program.string(), folder.path().string()}, threads_max);
  }
  faiss_cpu = Rival::start("faiss_flat", {folder.path().string()}, threads_max);
  const std::vector<Opponent> opponents = {
      {"faiss_default_ms", "default", faiss ? &*faiss : nullptr},
      {"faiss_best_ms", "best", faiss ? &*faiss : nullptr},
      {"faiss_cpu_best_ms", "best", faiss_cpu ? &*faiss_cpu : nullptr}};
  Json results = Json::array();
  base::Progress progress("bench search", std::ssize(options.threads) * std::ssize(options.batches),
                          "settings");
  for (const int threads : options.threads) {
    const auto team = std::make_shared<SearchTeam>(threads);
    const auto exact = make_exact_index(rows, Metric::kInnerProduct, team);
    const auto int8 = make_int8_index(rows, Metric::kInnerProduct, team);
    for (const std::int32_t size : options.batches) {
      SearchBatch batch;
      batch.queries = queries.vectors().first(static_cast<std::size_t>(size) *
                                              static_cast<std::size_t>(options.dimension));
      batch.k = kDocuments;
      results.push_back(measure(options, *rows, *team, *exact, *int8, batch, opponents));
      progress.update(std::ssize(results));
    }
  }
  progress.finish();
  return results;
}

}  // namespace rookery::launch
