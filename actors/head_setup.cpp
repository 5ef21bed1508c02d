#include "actors/head_setup.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>
#include <span>
#include <utility>

#include "actors/head_ports.hpp"
#include "actors/messages.hpp"
#include "base/atomic_file.hpp"
#include "base/checksum.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "index_tools/snapshot.hpp"
#include "retriever_pool/embedded_pool.hpp"
#include "retriever_pool/filter_file.hpp"
#include "retriever_pool/shard_indexes.hpp"

namespace rookery::actors {

using retriever_pool::GenerationRole;

namespace {

/// Puts the filter where nodes read it. Its name changes with its text, so that nodes of another
/// filter are replaced. Empty for none.
std::string write_filter(const ColonyFolder& folder, const retriever_pool::PassageFilter& filter) {
  if (filter.empty()) return "";
  const std::string text = retriever_pool::filter_to_json(filter);
  char name[32];
  std::snprintf(name, sizeof name, "filter-%08x.json",
                base::crc32c(std::as_bytes(std::span(text))));
  const auto file = folder.path() / name;
  base::write_file_atomically(file, text);
  return file.string();
}

/// How the colony file calls the section of an index.
std::string section_of(const HeadOptions& options, const IndexOptions& index) {
  return options.config.string() + ": " +
         (index.name == options.index.name ? "index" : "indexes." + index.name);
}

std::vector<IndexOptions> all_indexes(const HeadOptions& options) {
  std::vector<IndexOptions> list = {options.index};
  list.insert(list.end(), options.indexes.begin(), options.indexes.end());
  return list;
}

IndexSettings settings_of(const IndexOptions& options) {
  IndexSettings settings;
  if (options.kind) settings.kind = index_tools::to_string(*options.kind);
  settings.ef_search = options.tuning.ef_search;
  settings.nprobe = options.tuning.nprobe;
  settings.candidates = options.tuning.candidates;
  return settings;
}

WantedGeneration described(const std::filesystem::path& snapshot,
                           const index_tools::Manifest& manifest, const IndexSettings& settings,
                           const std::string& where) {
  std::optional<index_tools::IndexKind> kind;
  if (!settings.kind.empty()) kind = index_tools::index_kind_from_name(settings.kind);
  WantedGeneration wanted;
  wanted.generation = manifest.generation;
  wanted.snapshot = snapshot.string();
  wanted.shards = static_cast<std::int32_t>(manifest.shards.size());
  wanted.description = retriever_pool::describe_index(manifest);
  wanted.description.default_kind =
      retriever_pool::resolve_default_kind(wanted.description.kinds, kind, where);
  return wanted;
}

/// What the last head wanted of this index, described anew; generations that cannot be read any
/// more are left out, and without its live one nothing is resumed.
std::vector<WantedGeneration> resumed(const WantedIndex& before, const IndexSettings& settings,
                                      const std::string& where) {
  std::vector<WantedGeneration> generations;
  bool live = false;
  for (const auto& old : before.generations) {
    try {
      auto generation = describe_generation(old.snapshot, settings, where);
      generation.role = old.role;
      generation.replicas = old.replicas;
      live = live || old.role == GenerationRole::kLive;
      generations.push_back(std::move(generation));
    } catch (const base::UserError& error) {
      base::logger("actors")->warn("head: generation {} of index {} is given up: {}",
                                   old.generation, before.name, error.what());
    }
  }
  return live ? generations : std::vector<WantedGeneration>{};
}

}  // namespace

int port_of(const std::string& address) {
  const auto colon = address.rfind(':');
  try {
    return colon == std::string::npos ? 0 : std::stoi(address.substr(colon + 1));
  } catch (const std::logic_error&) {
    return 0;
  }
}

WantedGeneration describe_generation(const std::filesystem::path& snapshot,
                                     const IndexSettings& settings, const std::string& where) {
  // Two spellings of one folder would look like another wanted snapshot to agents.
  const auto folder = std::filesystem::canonical(index_tools::resolve_generation(snapshot));
  return described(folder, index_tools::load_manifest(folder), settings, where);
}

index_tools::Manifest check_colony(const HeadOptions& options) {
  std::set<std::string> names;
  for (const auto& index : all_indexes(options)) {
    const auto section = section_of(options, index);
    if (!names.insert(index.name).second) {
      throw base::UserError(options.config.string() + ": indexes." + index.name +
                            ": expected a name that no other index has, got that of `index`");
    }
    if (index.path.empty()) {
      throw base::UserError(section +
                            ".path: expected a snapshot made by rookery index build, got "
                            "nothing");
    }
    (void)describe_generation(index.path, settings_of(index), section + ".kind");
  }
  auto manifest = index_tools::load_manifest(options.index.path);
  const auto shards = static_cast<std::int32_t>(manifest.shards.size());
  if (options.pool.shards && *options.pool.shards != shards) {
    throw base::UserError(options.config.string() + ": pool.shards: expected " +
                          std::to_string(shards) + ", the number of shards in " +
                          options.index.path.string() + ", got " +
                          std::to_string(*options.pool.shards) +
                          "; correct it, or rebuild the snapshot with: rookery index build "
                          "--shards " +
                          std::to_string(*options.pool.shards));
  }
  return manifest;
}

WantedState next_wanted(const ColonyFolder& folder, const HeadOptions& options) {
  const auto before = WantedState::load(folder.wanted_file()).value_or(WantedState{});
  const auto last = folder.head();  // `rookery down` removes it
  WantedState wanted;
  wanted.colony = options.colony;
  wanted.term = std::max(before.term, last ? last->term : 0) + 1;
  for (const auto& index : all_indexes(options)) {
    WantedIndex fresh;
    fresh.name = index.name;
    fresh.path = std::filesystem::absolute(index.path).lexically_normal().string();
    fresh.replicas_configured = index.replicas.value_or(options.pool.replicas);
    fresh.settings = settings_of(index);
    fresh.settings.filter_file = write_filter(folder, index.filter);
    const auto where = section_of(options, index) + ".kind";
    const auto* old = before.find(index.name);
    if (last && old != nullptr && old->name == index.name && old->path == fresh.path) {
      fresh.generations = resumed(*old, fresh.settings, where);
    }
    if (fresh.generations.empty()) {
      fresh.generations = {describe_generation(index.path, fresh.settings, where)};
      fresh.generations.front().role = GenerationRole::kLive;
      fresh.generations.front().replicas = fresh.replicas_configured;
    } else if (old->replicas_configured != fresh.replicas_configured) {
      fresh.live()->replicas = fresh.replicas_configured;  // somebody has changed the file
    }
    wanted.indexes.push_back(std::move(fresh));
  }
  const auto known = [&](const Slot& slot) {
    const auto* index = wanted.find(slot.index);
    const auto* generation =
        index != nullptr && index->name == slot.index ? index->find(slot.generation) : nullptr;
    return generation != nullptr && slot.shard < generation->shards &&
           (last || slot.replica < generation->replicas);
  };
  for (const auto& [slot, node] : before.nodes) {
    if (!known(slot)) continue;
    wanted.nodes[slot] = node;
    const auto agent = before.placement.find(slot);
    if (agent != before.placement.end()) wanted.placement[slot] = agent->second;
    const auto avoid = before.avoid.find(slot);
    if (last && avoid != before.avoid.end()) wanted.avoid[slot] = avoid->second;
  }
  if (last) {
    wanted.drained_agents = before.drained_agents;
    wanted.operations = before.operations;
  }
  return wanted;
}

NodeSpec node_pattern(const PoolOptions& pool) {
  NodeSpec node;
  node.listen = pool.listen;
  node.threads = pool.threads;
  node.queue_requests_max = pool.queue_requests_max;
  node.queue_bytes_max = pool.queue_bytes_max;
  node.batch_queries_max = pool.batch_queries_max;
  node.batch_window_us = pool.batch_window_us;
  std::transform(pool.priority_shares.begin(), pool.priority_shares.end(),
                 node.priority_shares.begin(),
                 [](double share) { return static_cast<std::int32_t>(std::lround(share * 1000)); });
  return node;
}

}  // namespace rookery::actors
