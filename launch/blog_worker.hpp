#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "trainer/baseline_index.hpp"
#include "trainer/bench_steps.hpp"

namespace rookery::launch {

/// A trainer process of `rookery bench blog` that asks a colony or Ray-policy replicas.
struct BlogTrainerOptions {
  trainer::BenchTrainer steps;
  std::string head;                   ///< of a colony; empty: `replicas` are asked
  std::vector<std::string> replicas;  ///< endpoints of `run_blog_replica`s
  std::uint64_t seed = 1;             ///< of the choice of replica
};
/// Until standard input ends. Returns the exit code.
int run_blog_trainer(const BlogTrainerOptions& options);

/// A retrieval process as Ray's actors are: a full copy of the index, one call at a time in the
/// order of arrival, no merging, no deadline. The request is the queries' floats, the reply ids and
/// then vectors.
struct BlogReplicaOptions {
  std::filesystem::path snapshot, queries;
  trainer::BaselineSearch search;
  bool tune = false;
};
/// Prints "ready ENDPOINT", serves until standard input ends. Returns the exit code.
int run_blog_replica(const BlogReplicaOptions& options);

}  // namespace rookery::launch
