#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "actors/colony_folder.hpp"
#include "base/error.hpp"
#include "launch/colony_config.hpp"
#include "retriever_pool/retriever.hpp"
#include "serving/serve_options.hpp"

namespace rookery::launch {

/// What `ask` and `serve` answer from: the options of a colony's file and its pool.
struct ServingTarget {
  serving::ServeOptions options;
  std::unique_ptr<retriever_pool::Retriever> retriever;  ///< null with workload none
  std::string pool;                                      ///< for people: where passages come from
};

/// `target` is a colony's YAML file, a running colony's name or `tcp://` endpoint, or a snapshot.
/// A file's colony is used when it runs; else its snapshot is searched in this process.
inline ServingTarget open_serving_target(const std::string& target) {
  namespace fs = std::filesystem;
  ServingTarget out;
  const auto client = [&](const std::string& endpoint) {
    retriever_pool::PoolClientOptions options;
    options.head = endpoint;
    out.retriever = retriever_pool::open_pool_client(options);
    out.pool = "the colony at " + endpoint;
  };
  const auto embedded = [&](const fs::path& snapshot) {
    out.retriever = retriever_pool::open_embedded_pool(
        {.snapshot = snapshot.string(), .threads = out.options.threads});
    out.pool = snapshot.string() + ", searched in this process";
  };
  const fs::path path(target);
  if (path.extension() == ".yaml" || path.extension() == ".yml") {
    const ColonyConfig config = ColonyConfig::load(path);
    out.options = config.serve;
    if (config.serve.workload_kind() == serving::Workload::kNone) {
      out.pool = "no pool";
      return out;
    }
    std::string endpoint;
    try {
      endpoint = actors::head_routing_endpoint(config.colony);
    } catch (const base::UserError&) {
      embedded(config.index.path);  // the colony is not up
      return out;
    }
    client(endpoint);
  } else if (fs::is_directory(path)) {
    embedded(path);
  } else {
    client(actors::head_routing_endpoint(target));
  }
  return out;
}

}  // namespace rookery::launch
