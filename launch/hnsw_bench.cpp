#include "launch/hnsw_bench.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "base/error.hpp"
#include "index_tools/faiss/faiss_bridge.hpp"
#include "index_tools/hnsw_graph.hpp"
#include "index_tools/npy_file.hpp"
#include "index_tools/snapshot.hpp"
#include "index_tools/snapshot_writer.hpp"
#include "launch/clustered_vectors.hpp"
#include "launch/percentile.hpp"
#include "launch/rival.hpp"
#include "launch/scratch_folder.hpp"
#include "retriever_pool/shard_index.hpp"

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;
using namespace index_tools;
using namespace retriever_pool;

constexpr std::int64_t kQueries = 512;  // for recall
constexpr std::int64_t kTimed = 128;    // of them in one timed pass

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// A snapshot of one shard with the wanted index, as a user would build it. Seconds are those of the
// graph alone, as far as the writer tells.
std::shared_ptr<const SnapshotShard> build_shard(const fs::path& name, std::span<const float> rows,
                                                 const HnswBenchOptions& options,
                                                 const std::string& storage, double& seconds) {
  Manifest facts;
  facts.build_key = name.filename().string();
  facts.corpus = "clustered";
  facts.sources = options.rows;
  facts.dimension = options.dimension;
  facts.encoder = {"none", std::string(64, '0'), "", options.dimension, "mean", true, 256};
  SnapshotWriterOptions writing;
  writing.indexes = {parse_index_spec(
      "hnsw:m=" + std::to_string(options.m) +
      ",ef_construction=" + std::to_string(options.ef_construction) + ",storage=" + storage)};
  writing.threads = options.build_threads;
  Clock::time_point begin;
  writing.index_progress = [&](const IndexSpec& spec, std::int64_t done, std::int64_t) {
    if (spec.kind == IndexKind::kHnsw && done == 0) begin = Clock::now();
    if (spec.kind == IndexKind::kHnsw && done > 0) seconds = seconds_since(begin);
  };
  SnapshotWriter writer(name, fs::path(name).concat(".work"), facts, writing);
  for (std::int64_t row = 0; row < options.rows; ++row) {
    const std::string id = std::to_string(row);
    writer.add({row, id, "", id}, rows.subspan(static_cast<std::size_t>(row * options.dimension),
                                               static_cast<std::size_t>(options.dimension)));
  }
  writer.commit();
  return open_shard(name, 0);
}

double recall_of(const std::vector<std::set<std::int64_t>>& exact,
                 const std::vector<std::int64_t>& ids) {
  const std::size_t k = ids.size() / exact.size();
  std::size_t found = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) found += exact[i / k].contains(ids[i]) ? 1U : 0U;
  return static_cast<double>(found) / static_cast<double>(ids.size());
}

// What is measured: `search` answers some queries, `ids` all of them.
struct Contender {
  std::string name;
  std::function<double(std::int32_t ef, std::int64_t batch, int threads)> pass;  // ms a query
  std::function<std::vector<std::int64_t>(std::int32_t ef)> ids;
};

struct Queries {
  std::vector<float> all;
  std::int32_t dimension = 0, k = 0;
  [[nodiscard]] std::span<const float> part(std::int64_t begin, std::int64_t count) const {
    return std::span(all).subspan(static_cast<std::size_t>(begin * dimension),
                                  static_cast<std::size_t>(count * dimension));
  }
};

// Milliseconds a query of one pass over the timed queries in batches.
template <typename Search>
double timed_pass(const Queries& queries, std::int64_t batch, Search&& search) {
  const auto begin = Clock::now();
  for (std::int64_t q = 0; q < kTimed; q += batch) {
    search(queries.part(q, std::min(batch, kTimed - q)));
  }
  return seconds_since(begin) * 1000 / static_cast<double>(kTimed);
}

Contender our_contender(const std::string& name, const std::shared_ptr<const SnapshotShard>& shard,
                        const Queries& queries) {
  // One index a number of threads.
  auto indexes = std::make_shared<std::map<int, std::unique_ptr<ShardIndex>>>();
  const auto index = [=](int threads) -> const ShardIndex& {
    auto& made = (*indexes)[threads];
    if (!made) {
      made = make_hnsw_index(shard, Metric::kInnerProduct, std::make_shared<SearchTeam>(threads));
    }
    return *made;
  };
  const auto search = [=, &queries](int threads, std::int32_t ef, std::span<const float> part) {
    SearchBatch batch;
    batch.queries = part;
    batch.k = queries.k;
    batch.tuning.ef_search = ef;
    return index(threads).search(batch);
  };
  Contender ours;
  ours.name = name;
  ours.pass = [=, &queries](std::int32_t ef, std::int64_t batch, int threads) {
    return timed_pass(queries, batch,
                      [&](std::span<const float> part) { (void)search(threads, ef, part); });
  };
  ours.ids = [=, &queries](std::int32_t ef) {
    std::vector<std::int64_t> ids;
    for (const auto& row : search(1, ef, queries.all)) {
      for (const Hit& hit : row) ids.push_back(hit.id);
      ids.resize((ids.size() + static_cast<std::size_t>(queries.k) - 1) /
                     static_cast<std::size_t>(queries.k) * static_cast<std::size_t>(queries.k),
                 -1);
    }
    return ids;
  };
  return ours;
}

Contender old_faiss(const std::shared_ptr<FaissHnswSearch>& faiss, const Queries& queries) {
  Contender contender;
  contender.name = "faiss_1_7_3";
  contender.pass = [=, &queries](std::int32_t ef, std::int64_t batch, int threads) {
    return timed_pass(queries, batch, [&](std::span<const float> part) {
      (void)faiss->search(part, queries.k, ef, threads);
    });
  };
  contender.ids = [=, &queries](std::int32_t ef) {
    return faiss->search(queries.all, queries.k, ef, 1);
  };
  return contender;
}

Contender python_faiss(const std::shared_ptr<Rival>& rival, std::int32_t k) {
  Contender contender;
  contender.name = "faiss_cpu";
  contender.pass = [=](std::int32_t ef, std::int64_t batch, int threads) {
    return rival
        ->ask({{"do", "time"},
               {"ef", ef},
               {"k", k},
               {"batch", batch},
               {"queries", kTimed},
               {"threads", threads}})
        .at("ms")
        .get<double>();
  };
  contender.ids = [=](std::int32_t ef) {
    return rival->ask({{"do", "ids"}, {"ef", ef}, {"k", k}, {"threads", 2}})
        .at("ids")
        .get<std::vector<std::int64_t>>();
  };
  return contender;
}

std::vector<std::set<std::int64_t>> exact_ids(const SnapshotShard& shard, const Queries& queries) {
  const ScanRows rows{shard.vectors().data(), shard.ids().data(), shard.count(), shard.dimension()};
  ScanOptions options;
  options.k = queries.k;
  std::vector<std::set<std::int64_t>> result;
  for (const auto& row : scan_exact(rows, queries.all, options).hits) {
    result.emplace_back();
    for (const Hit& hit : row) result.back().insert(hit.id);
  }
  return result;
}

}  // namespace

std::optional<double> ms_at_recall(const std::vector<RecallPoint>& curve, double recall) {
  for (std::size_t i = 0; i < curve.size(); ++i) {
    if (curve[i].recall < recall) continue;
    if (i == 0 || curve[i].recall <= curve[i - 1].recall) return curve[i].ms;
    const double part = (recall - curve[i - 1].recall) / (curve[i].recall - curve[i - 1].recall);
    return curve[i - 1].ms + part * (curve[i].ms - curve[i - 1].ms);
  }
  return std::nullopt;
}

Json measure_hnsw(const HnswBenchOptions& options,
                  const std::function<void(const std::string&)>& tell) {
  const ScratchFolder scratch("hnsw");
  tell("drawing " + std::to_string(options.rows) + " vectors");
  const ClusteredVectors drawn(options.dimension, 1);
  const std::vector<float> rows = drawn.rows(0, options.rows, options.build_threads);
  const Queries queries{drawn.rows(options.rows, kQueries, options.build_threads),
                        options.dimension, options.k};
  write_npy(scratch.path() / "vectors.npy", rows, options.dimension);
  write_npy(scratch.path() / "queries.npy", queries.all, options.dimension);

  // Before faiss is loaded here, which sets how OpenMP's threads wait in this process and below it.
  auto rival = Rival::start("hnsw_faiss", {scratch.path().string()}, options.build_threads);

  Json result;
  tell("building the graph");
  double our_seconds = 0, again = 0;
  const auto shard = build_shard(scratch.path() / "float", rows, options, "float32", our_seconds);
  tell("building it once more, to be walked over int8 codes");
  const auto coded = build_shard(scratch.path() / "int8", rows, options, "int8", again);
  const HnswGraph graph = HnswGraph::open(shard->file("hnsw"), shard->count(), "hnsw");
  const VectorsView view{shard->vectors(), options.dimension, false};

  std::vector<Contender> contenders;
  contenders.push_back(our_contender("float32", shard, queries));
  contenders.push_back(our_contender("int8", coded, queries));
  contenders.push_back(
      old_faiss(std::shared_ptr(faiss_bridge().open_hnsw(view, to_faiss(graph))), queries));
  Json built = {{"rookery_s", std::min(our_seconds, again)}, {"faiss_cpu_s", nullptr}};
  if (rival) {
    tell("faiss-cpu builds its own");
    const Json answer = rival->ask({{"do", "build"},
                                    {"m", options.m},
                                    {"ef_construction", options.ef_construction},
                                    {"threads", options.build_threads}});
    built["faiss_cpu_s"] = answer.at("seconds");
    built["faiss_cpu_version"] = answer.at("version");
    contenders.push_back(python_faiss(std::make_shared<Rival>(*std::move(rival)), options.k));
  }
  result["build"] = built;

  tell("recall");
  const auto exact = exact_ids(*shard, queries);
  std::map<std::string, std::vector<double>> recalls;
  for (const Contender& contender : contenders) {
    for (const std::int32_t ef : options.ef_search) {
      recalls[contender.name].push_back(recall_of(exact, contender.ids(ef)));
    }
  }
  result["results"] = Json::array();
  for (const int threads : options.threads) {
    for (const std::int32_t batch : options.batch) {
      tell("batch " + std::to_string(batch) + ", threads " + std::to_string(threads));
      std::map<std::string, std::vector<RecallPoint>> curves;
      for (std::size_t i = 0; i < options.ef_search.size(); ++i) {
        std::map<std::string, std::vector<double>> times;
        for (int run = 0; run < options.repeat; ++run) {
          for (const Contender& contender : contenders) {
            times[contender.name].push_back(contender.pass(options.ef_search[i], batch, threads));
          }
        }
        for (const Contender& contender : contenders) {
          curves[contender.name].push_back(
              {recalls[contender.name][i], median(times[contender.name])});
        }
      }
      Json entry = {{"threads", threads}, {"batch", batch}, {"points", Json::array()}};
      for (std::size_t i = 0; i < options.ef_search.size(); ++i) {
        Json point = {{"ef_search", options.ef_search[i]}};
        for (const auto& [name, curve] : curves) {
          point[name] = {{"recall", curve[i].recall}, {"ms", curve[i].ms}};
        }
        for (const std::string rival_name : {"faiss_cpu", "faiss_1_7_3"}) {
          for (const std::string ours : {"float32", "int8"}) {
            const RecallPoint& at = curves[ours][i];
            const auto theirs = ms_at_recall(curves[rival_name], at.recall);
            const auto best = ms_at_recall(curves[ours], at.recall);
            point[ours]["ratio_to_" + rival_name] =
                theirs && best ? Json(*theirs / *best) : Json(nullptr);
          }
        }
        entry["points"].push_back(point);
      }
      result["results"].push_back(entry);
    }
  }
  return result;
}

}  // namespace rookery::launch
