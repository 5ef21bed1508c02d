#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace rookery::launch {

/// What `rookery bench blog` measures. The defaults take some minutes on two cores.
struct BlogOptions {
  std::vector<int> trainers = {1, 2, 3, 4};
  std::vector<int> actors = {1, 2, 4};
  std::vector<int> compute_ms = {0, 50};
  std::vector<std::string> systems = {};  ///< names of `blog_systems`; empty: all
  std::vector<std::int64_t> vectors = {50'000, 100};
  std::int32_t dimension = 768;
  int threads = 0;  ///< search threads of all retrieval processes together; 0: usable cores
  int warmup = 4, steps = 40, rounds = 1;
  double cell_seconds = 1.5;  ///< a cell ends after this time, but not before 10 steps
  std::uint64_t seed = 1;
  std::filesystem::path folder = {};  ///< for vectors and colonies; empty: the temporary folder
};

/// What one cell's steps took, one inner list a step, in the order of ranks.
struct BlogSteps {
  std::vector<std::vector<double>> seconds;
  double wall_s = 0;  ///< of all measured steps, computing and barrier included
};
/// `rank0_p50_s`, `all_p50_s`, `all_p99_s`, `all_max_s`, `queries_per_s`; nulls without steps.
nlohmann::json blog_figures(const BlogSteps& steps, int batch);
/// A cell whose every figure is the median over the cells of several rounds, which agree in all
/// else; fields that are no figures are the first one's.
nlohmann::json median_cell(const std::vector<nlohmann::json>& rounds);

/// Runs all contestants in an order that the seed shuffles, one after the other, and gives
/// `{"machine", "options", "versions", "bounds", "cells"}`: one cell for each system, number of
/// trainers and actors, compute time and index; figures of a rival that cannot run here are null,
/// with a `reason`. `progress` is called with the cells done and all.
nlohmann::json run_blog_contest(const BlogOptions& options,
                                const std::function<void(std::int64_t, std::int64_t)>& progress);

/// What the failure rows measure.
struct BlogFailureOptions {
  std::vector<std::string> systems = {"torch", "rank0", "ray", "ray-policy", "pool"};
  int trainers = 2, actors = 2;
  int step = 200;       ///< the fault comes while this step runs
  int steps = 300;      ///< of an undisturbed run
  double watch_s = 10;  ///< a rank that is silent for so long hangs
  std::int64_t vectors = 100;
  std::int32_t dimension = 768;
  int threads = 0;
  std::uint64_t seed = 1;
  std::filesystem::path folder = {};
};
/// SIGKILL and SIGSTOP of one retrieval process (rank 0 where the design has none) at a step:
/// `[{"system", "signal", "outcome", "detail", "steps_done", "slowest_step_s"}]`; the outcome is
/// "goes on", "stops with an error" or "hangs", or null with a `reason`.
nlohmann::json run_blog_failures(const BlogFailureOptions& options);

}  // namespace rookery::launch
