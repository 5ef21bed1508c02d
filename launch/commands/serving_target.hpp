#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "actors/colony_folder.hpp"
#include "base/error.hpp"
#include "launch/colony_config.hpp"
#include "launch/open_retriever.hpp"
#include "retriever_pool/retriever.hpp"
#include "serving/serve_options.hpp"

namespace rookery::launch {

/// What `ask` and `serve` answer from: the options of a colony's file and its pool.
struct ServingTarget {
  serving::ServeOptions options;
  std::unique_ptr<retriever_pool::Retriever> retriever;  ///< null with workload none
  std::string pool;                                      ///< for people: where passages come from
};

/// `target` is a colony's YAML file, a running colony's name or `tcp://` endpoint, or a snapshot. A
/// file's colony is used when it runs; else its snapshot is searched in this process.
inline ServingTarget open_serving_target(const std::string& target,
                                         const retriever_pool::PoolClientOptions& client = {}) {
  ServingTarget out;
  out.pool = target;
  const std::filesystem::path path(target);
  if (path.extension() != ".yaml" && path.extension() != ".yml") {
    out.retriever = open_retriever(target, 0, client);
    return out;
  }
  const ColonyConfig config = ColonyConfig::load(path);
  out.options = config.serve;
  if (config.serve.workload_kind() == serving::Workload::kNone) {
    out.pool = "no pool";
    return out;
  }
  try {
    (void)actors::ColonyFolder(config.colony).running_head();
  } catch (const base::UserError&) {
    // The colony is not up.
    out.pool = config.index.path.string() + ", searched in this process";
    out.retriever = retriever_pool::open_embedded_pool(config.index.embedded(config.serve.threads));
    return out;
  }
  out.pool = "the colony " + config.colony;
  out.retriever = open_retriever(config.colony, 0, config.pool.client.applied(client));
  return out;
}

}  // namespace rookery::launch
