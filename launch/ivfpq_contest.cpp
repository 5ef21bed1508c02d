#include "launch/ivfpq_contest.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <string>

#include "base/atomic_file.hpp"
#include "base/mapped_file.hpp"
#include "base/progress.hpp"
#include "base/subprocess.hpp"
#include "base/thread_team.hpp"
#include "index_tools/faiss/faiss_bridge.hpp"
#include "index_tools/ivfpq_lists.hpp"
#include "index_tools/npy_file.hpp"
#include "launch/clustered_vectors.hpp"
#include "launch/percentile.hpp"
#include "launch/rival.hpp"
#include "launch/scratch_folder.hpp"
#include "retriever_pool/shard_index.hpp"

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using namespace retriever_pool;
using Clock = std::chrono::steady_clock;
using Ids = std::vector<std::vector<std::int64_t>>;

constexpr std::int32_t kDocuments = 5, kCandidates = 50;
constexpr std::int64_t kTimedQueries = 256;

/// Rows in memory, with the mapped index file once it is there.
class BenchShard final : public index_tools::SnapshotShard {
 public:
  BenchShard(std::int32_t dimension, std::vector<float> vectors)
      : dimension_(dimension),
        vectors_(std::move(vectors)),
        ids_(vectors_.size() / static_cast<std::size_t>(dimension)) {
    std::iota(ids_.begin(), ids_.end(), std::int64_t{0});
  }
  void map(const fs::path& path) { file_.emplace(path); }
  [[nodiscard]] std::int32_t shard() const override { return 0; }
  [[nodiscard]] std::int64_t count() const override { return std::ssize(ids_); }
  [[nodiscard]] std::int32_t dimension() const override { return dimension_; }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return ids_; }
  [[nodiscard]] std::span<const float> vectors() const override { return vectors_; }
  [[nodiscard]] std::span<const std::byte> file(std::string_view name) const override {
    return file_ && name == "ivfpq" ? file_->bytes() : std::span<const std::byte>();
  }
  [[nodiscard]] index_tools::PassageView passage(std::int64_t row) const override {
    return {row, {}, {}, {}};
  }
  [[nodiscard]] std::optional<std::int64_t> row_of(std::int64_t id) const override { return id; }

 private:
  std::int32_t dimension_;
  std::vector<float> vectors_;
  std::vector<std::int64_t> ids_;
  std::optional<base::MappedFile> file_;
};

/// Trains, encodes and writes our file and faiss's.
void build_index(const IvfPqContestOptions& options, const std::shared_ptr<BenchShard>& shard,
                 const fs::path& folder) {
  index_tools::IvfPqParameters parameters;
  parameters.nlist = options.nlist;
  parameters.pq_bytes = options.pq_bytes;
  const std::vector<std::shared_ptr<const index_tools::SnapshotShard>> shards = {shard};
  const int threads = base::usable_cores();
  const auto model = index_tools::train_ivfpq(shards, "inner_product", parameters, threads);
  index_tools::write_ivfpq_file(*shard, "inner_product", model, threads, folder / "ivfpq");
  shard->map(folder / "ivfpq");
  const auto lists = index_tools::IvfPqLists::open(shard->file("ivfpq"), shard->count(),
                                                   shard->dimension(), "ivfpq");
  index_tools::faiss_bridge().write_ivfpq(folder / "index.faiss", {{}, options.dimension, false},
                                          index_tools::to_faiss(lists));
}

Ids ids_of(const HitRows& rows) {
  Ids ids;
  for (const auto& row : rows) {
    ids.emplace_back();
    for (const Hit& hit : row) ids.back().push_back(hit.id);
  }
  return ids;
}

double recall(const Ids& found, const Ids& truth) {
  std::int64_t hits = 0, wanted = 0;
  for (std::size_t q = 0; q < truth.size(); ++q) {
    const std::set<std::int64_t> good(truth[q].begin(), truth[q].end());
    wanted += std::ssize(good);
    if (q >= found.size()) continue;
    for (const std::int64_t id : found[q]) hits += static_cast<std::int64_t>(good.count(id));
  }
  return static_cast<double>(hits) / static_cast<double>(std::max<std::int64_t>(wanted, 1));
}

/// One setting of ours.
struct Setting {
  std::int32_t nprobe, batch, candidates;
};

Ids search_ours(const ShardIndex& index, std::span<const float> queries, const Setting& setting) {
  SearchBatch batch;
  batch.k = kDocuments;
  batch.tuning.nprobe = setting.nprobe;
  batch.tuning.candidates = setting.candidates;
  Ids ids;
  const auto width = static_cast<std::size_t>(std::int64_t{index.dimension()} * setting.batch);
  for (std::size_t at = 0; at < queries.size(); at += width) {
    batch.queries = queries.subspan(at, std::min(width, queries.size() - at));
    for (auto& row : ids_of(index.search(batch))) ids.push_back(std::move(row));
  }
  return ids;
}

/// Milliseconds a query.
double time_ours(const ShardIndex& index, std::span<const float> queries, const Setting& setting) {
  const auto begin = Clock::now();
  const Ids ids = search_ours(index, queries, setting);
  const std::chrono::duration<double, std::milli> took = Clock::now() - begin;
  return took.count() / static_cast<double>(ids.size());
}

/// A rival over the same file; the names of its fields begin with `name`.
struct Opponent {
  std::string name;
  std::optional<Rival> rival;
};

std::vector<Opponent> start_opponents(const fs::path& folder, int threads) {
  std::vector<Opponent> opponents;
  opponents.push_back({"faiss_cpu", Rival::start("faiss_ivfpq", {folder.string()}, threads)});
  const fs::path program = base::executable_folder().parent_path() / "tests/faiss_ivfpq_rival";
  opponents.push_back({"faiss_1_7_3", std::nullopt});
  if (fs::exists(program)) {
    opponents.back().rival = Rival::start("program", {program.string(), folder.string()}, threads);
  }
  return opponents;
}

Json request_of(const Setting& setting, bool refine, bool timed) {
  return {{"nprobe", setting.nprobe},
          {"batch", setting.batch},
          {"refine", refine},
          {"time", timed},
          {"queries", kTimedQueries}};
}

Json measure(const IvfPqContestOptions& options, const Setting& setting, const ShardIndex& index,
             std::vector<Opponent>& opponents, std::span<const float> queries, const Ids& truth) {
  Setting codes = setting;
  codes.candidates = kDocuments;
  const auto timed = queries.first(
      std::min(queries.size(),
               static_cast<std::size_t>(std::max<std::int64_t>(kTimedQueries, setting.batch) *
                                        index.dimension())));
  std::vector<double> ours, ours_codes;
  std::vector<std::vector<double>> theirs(opponents.size()), theirs_codes(opponents.size());
  time_ours(index, timed, setting);
  for (int run = 0; run < options.repeat; ++run) {
    ours.push_back(time_ours(index, timed, setting));
    ours_codes.push_back(time_ours(index, timed, codes));
    for (std::size_t i = 0; i < opponents.size(); ++i) {
      if (!opponents[i].rival) continue;
      Rival& rival = *opponents[i].rival;
      theirs[i].push_back(rival.ask(request_of(setting, true, true)).at("ms"));
      theirs_codes[i].push_back(rival.ask(request_of(setting, false, true)).at("ms"));
    }
  }
  Json result = {{"nprobe", setting.nprobe},
                 {"batch", setting.batch},
                 {"ms", median(ours)},
                 {"codes_ms", median(ours_codes)},
                 {"recall", recall(search_ours(index, queries, setting), truth)},
                 {"codes_recall", recall(search_ours(index, queries, codes), truth)}};
  for (std::size_t i = 0; i < opponents.size(); ++i) {
    const std::string& name = opponents[i].name;
    for (const char* field : {"_ms", "_codes_ms", "_recall", "_codes_recall", "_ratio"}) {
      result[name + field] = nullptr;
    }
    if (!opponents[i].rival) continue;
    Rival& rival = *opponents[i].rival;
    result[name + "_ms"] = median(theirs[i]);
    result[name + "_codes_ms"] = median(theirs_codes[i]);
    result[name + "_ratio"] = median(theirs[i]) / median(ours);
    result[name + "_recall"] =
        recall(rival.ask(request_of(setting, true, false)).at("ids").get<Ids>(), truth);
    result[name + "_codes_recall"] =
        recall(rival.ask(request_of(setting, false, false)).at("ids").get<Ids>(), truth);
  }
  return result;
}

}  // namespace

Json run_ivfpq_contest(const IvfPqContestOptions& options) {
  const ScratchFolder folder("ivfpq");
  const int cores = base::usable_cores();
  const ClusteredVectors data(options.dimension, options.seed);
  const auto shard =
      std::make_shared<BenchShard>(options.dimension, data.rows(0, options.rows, cores));
  // Rows that no index holds, of the same clusters.
  const std::vector<float> queries = data.rows(options.rows, options.queries, cores);
  index_tools::write_npy(folder.path() / "vectors.npy", shard->vectors(), options.dimension);
  index_tools::write_npy(folder.path() / "queries.npy", queries, options.dimension);
  const auto begin = Clock::now();
  build_index(options, shard, folder.path());
  const std::chrono::duration<double> build_seconds = Clock::now() - begin;

  SearchBatch exact;
  exact.queries = queries;
  exact.k = kDocuments;
  const Ids truth =
      ids_of(make_exact_index(shard, Metric::kInnerProduct, std::make_shared<SearchTeam>(cores))
                 ->search(exact));
  Json results = Json::array();
  base::Progress progress(
      "bench ivfpq",
      std::ssize(options.threads) * std::ssize(options.nprobes) * std::ssize(options.batches),
      "settings");
  for (const int threads : options.threads) {
    std::vector<Opponent> opponents = start_opponents(folder.path(), threads);
    const auto index =
        make_ivfpq_index(shard, Metric::kInnerProduct, std::make_shared<SearchTeam>(threads));
    for (const std::int32_t batch : options.batches) {
      for (const std::int32_t nprobe : options.nprobes) {
        Json result =
            measure(options, {nprobe, batch, kCandidates}, *index, opponents, queries, truth);
        result["threads"] = threads;
        results.push_back(std::move(result));
        progress.update(std::ssize(results));
      }
    }
  }
  progress.finish();
  return {{"results", std::move(results)},
          {"build_seconds", build_seconds.count()},
          {"index_bytes", fs::file_size(folder.path() / "ivfpq")}};
}

}  // namespace rookery::launch
