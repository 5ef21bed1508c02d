#include "launch/blog_contest.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <set>

#include "base/error.hpp"
#include "base/thread_team.hpp"
#include "launch/blog_data.hpp"
#include "launch/blog_systems.hpp"
#include "launch/detail/blog_trainers.hpp"
#include "launch/percentile.hpp"
#include "launch/process_figures.hpp"
#include "launch/rival.hpp"
#include "launch/scratch_folder.hpp"

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kLeastSteps = 10;
const char* const kFigures[] = {"rank0_p50_s",   "all_p50_s", "all_p99_s",       "all_max_s",
                                "queries_per_s", "pss_gb",    "cpu_s_per_query", "recall"};

/// One contestant of one round.
struct Entry {
  const BlogSystem* system = nullptr;
  int actors = 1;
};

class Contest {
 public:
  Contest(const BlogOptions& options,
          const std::function<void(std::int64_t, std::int64_t)>& progress)
      : options_(options),
        progress_(progress),
        scratch_("blog", options.folder.empty() ? fs::temp_directory_path() : options.folder) {
    if (options_.threads == 0) options_.threads = base::usable_cores();
    for (const BlogSystem& system : blog_systems()) {
      const auto& wanted = options_.systems;
      if (wanted.empty() || std::ranges::find(wanted, system.name) != wanted.end()) {
        systems_.push_back(&system);
      }
    }
    for (const std::string& name : options_.systems) (void)blog_system(name);
  }

  Json run() {
    Json bounds = Json::array();
    for (const std::int64_t vectors : options_.vectors) {
      BlogData data({.folder = scratch_.path() / std::to_string(vectors),
                     .vectors = vectors,
                     .dimension = options_.dimension,
                     .seed = options_.seed,
                     .threads = options_.threads,
                     .hnsw = wants_hnsw()});
      const BlogData::Bounds limits = data.bounds(options_.threads);
      bounds.push_back({{"vectors", vectors},
                        {"gflops", limits.gflops},
                        {"pass_ms", limits.pass_ms},
                        {"copy_gb", data.megabytes() / 1e3}});
      run_index(data);
    }
    Json cells = Json::array();
    for (const auto& key : order_) cells.push_back(median_cell(rounds_.at(key)));
    return {{"machine", machine_facts()},
            {"options",
             {{"seed", options_.seed},
              {"batch", BlogData::kBatch},
              {"k", BlogData::kDocuments},
              {"dimension", options_.dimension},
              {"threads", options_.threads},
              {"steps", options_.steps},
              {"warmup", options_.warmup},
              {"rounds", options_.rounds},
              {"trainers", options_.trainers},
              {"actors", options_.actors},
              {"vectors", options_.vectors},
              {"compute", "sleep: the GPU's share of a step needs no core"}}},
            {"versions", rival_versions()},
            {"bounds", bounds},
            {"cells", cells}};
  }

 private:
  [[nodiscard]] bool wants_hnsw() const {
    return std::ranges::any_of(systems_, [](const auto* s) { return s->search == "hnsw"; });
  }

  [[nodiscard]] std::vector<Entry> entries() const {
    std::vector<Entry> all;
    for (const BlogSystem* system : systems_) {
      if (!system->has_actors()) {
        all.push_back({system, 1});
        continue;
      }
      for (const int actors : options_.actors) {
        if (system->runs_with(actors)) all.push_back({system, actors});
      }
    }
    return all;
  }

  void run_index(BlogData& data) {
    // Before the clock runs for anybody: what is built at the first use.
    for (const BlogSystem* system : systems_) {
      (void)data.snapshot(system->design == BlogSystem::Design::kPoolShards ? 2 : 1);
    }
    std::vector<Entry> order = entries();
    const auto per_entry =
        static_cast<std::int64_t>(options_.trainers.size() * options_.compute_ms.size());
    total_ = std::ssize(order) * per_entry * options_.rounds * std::ssize(options_.vectors);
    // Cells appear in the order of the table, whatever the order in which they were measured.
    for (const Entry& entry : order) {
      for (const int trainers : options_.trainers) {
        for (const int compute_ms : options_.compute_ms) {
          order_.push_back(key(entry, trainers, compute_ms, data));
        }
      }
    }
    std::mt19937_64 random(options_.seed);
    for (int round = 0; round < options_.rounds; ++round) {
      std::shuffle(order.begin(), order.end(), random);
      for (const Entry& entry : order) {
        run_entry(data, entry);
        done_ += per_entry;
        progress_(done_, total_);
      }
    }
  }

  static std::string key(const Entry& entry, int trainers, int compute_ms, const BlogData& data) {
    return entry.system->name + " " + std::to_string(entry.actors) + " " +
           std::to_string(trainers) + " " + std::to_string(compute_ms) + " " +
           std::to_string(data.vectors());
  }

  void run_entry(BlogData& data, const Entry& entry) {
    const BlogServiceOptions service_options = {.data = &data,
                                                .actors = entry.actors,
                                                .threads = options_.threads,
                                                .scratch = scratch_.path(),
                                                .seed = options_.seed};
    std::unique_ptr<BlogService> service;
    std::string reason;
    try {
      service = start_blog_service(*entry.system, service_options);
    } catch (const std::exception& error) {
      reason = error.what();
    }
    for (const int count : options_.trainers) {
      std::optional<BlogTrainers> trainers;
      double rank0_before = 0;
      try {
        if (service) {
          trainers.emplace(service->trainers(count), data);
          // A rank-0 design's memory is what rank 0 has more than another process of its kind.
          if (service->retrieval_processes().empty()) {
            rank0_before = count > 1 ? pss_bytes(trainers->pid(1)).value_or(0) : lone_rank_bytes_;
            if (count > 1) lone_rank_bytes_ = rank0_before;
          }
        }
      } catch (const std::exception& error) {
        reason = error.what();
      }
      for (const int compute_ms : options_.compute_ms) {
        Json cell = {{"system", entry.system->name},
                     {"label", entry.system->label},
                     {"trainers", count},
                     {"actors", entry.system->has_actors() ? Json(entry.actors) : Json()},
                     {"compute_ms", compute_ms},
                     {"index", entry.system->is_pool() ? entry.system->search : "exact"},
                     {"vectors", data.vectors()},
                     {"threads", blog_threads(*entry.system, service_options)}};
        for (const char* figure : kFigures) cell[figure] = nullptr;
        try {
          if (trainers) measure(*trainers, *service, compute_ms, rank0_before, cell);
        } catch (const std::exception& error) {
          reason = error.what();
          trainers.reset();
        }
        if (!trainers) cell["reason"] = reason;
        rounds_[key(entry, count, compute_ms, data)].push_back(std::move(cell));
      }
    }
  }

  void measure(BlogTrainers& trainers, const BlogService& service, int compute_ms,
               double rank0_before, Json& cell) const {
    double recall = 0;
    for (int i = 0; i < options_.warmup; ++i) recall += trainers.checked_step(compute_ms);
    const std::vector<pid_t> ours = descendants(::getpid());
    const double cpu = cpu_seconds(ours);
    BlogSteps steps;
    const auto begin = std::chrono::steady_clock::now();
    while (static_cast<int>(steps.seconds.size()) < options_.steps &&
           (static_cast<int>(steps.seconds.size()) < kLeastSteps ||
            steps.wall_s < options_.cell_seconds)) {
      steps.seconds.push_back(trainers.step(compute_ms));
      steps.wall_s =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    const double used = cpu_seconds(ours) - cpu;
    cell.update(blog_figures(steps, BlogData::kBatch));
    double bytes = 0;
    for (const pid_t pid : service.retrieval_processes()) bytes += pss_bytes(pid).value_or(0);
    if (service.retrieval_processes().empty()) {
      bytes = std::max(0.0, pss_bytes(trainers.pid(0)).value_or(0) - rank0_before);
    }
    cell["pss_gb"] = bytes / 1e9;
    cell["cpu_s_per_query"] =
        used / static_cast<double>(steps.seconds.size() *
                                   static_cast<std::size_t>(trainers.size()) * BlogData::kBatch);
    cell["steps"] = steps.seconds.size();
    if (options_.warmup > 0) cell["recall"] = recall / options_.warmup;
  }

  static Json rival_versions() {
    // Written by launch/setup --peers; the same pins stand there.
    return {{"faiss (C++)", "1.7.3"},
            {"libtorch", "2.11.0"},
            {"faiss-cpu", "1.15.1"},
            {"torch", "2.11.0"},
            {"ray", "2.60.0"}};
  }

  BlogOptions options_;
  const std::function<void(std::int64_t, std::int64_t)>& progress_;
  ScratchFolder scratch_;
  std::vector<const BlogSystem*> systems_;
  std::vector<std::string> order_;
  std::map<std::string, std::vector<Json>> rounds_;
  std::int64_t done_ = 0, total_ = 0;
  double lone_rank_bytes_ = 0;
};

}  // namespace

Json blog_figures(const BlogSteps& steps, int batch) {
  if (steps.seconds.empty()) return Json::object();
  std::vector<double> rank0, all;
  for (const auto& step : steps.seconds) {
    rank0.push_back(step.front());
    all.insert(all.end(), step.begin(), step.end());
  }
  return {{"rank0_p50_s", median(rank0)},
          {"all_p50_s", median(all)},
          {"all_p99_s", percentile(all, 0.99)},
          {"all_max_s", percentile(all, 1)},
          {"queries_per_s", static_cast<double>(all.size()) * batch / steps.wall_s}};
}

Json median_cell(const std::vector<Json>& rounds) {
  Json cell = rounds.front();
  for (const char* figure : kFigures) {
    std::vector<double> values;
    for (const Json& round : rounds) {
      if (round.contains(figure) && round[figure].is_number()) {
        values.push_back(round[figure].get<double>());
      }
    }
    cell[figure] = values.empty() ? Json() : Json(median(values));
  }
  return cell;
}

Json run_blog_contest(const BlogOptions& options,
                      const std::function<void(std::int64_t, std::int64_t)>& progress) {
  return Contest(options, progress).run();
}

}  // namespace rookery::launch
