#include "actors/head_process.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "actors/admin_pages.hpp"
#include "actors/colony_folder.hpp"
#include "actors/colony_security.hpp"
#include "actors/detail/control_port.hpp"
#include "actors/detail/system.hpp"
#include "actors/registry.hpp"
#include "actors/supervisor.hpp"
#include "actors/wanted_state.hpp"
#include "base/atomic_file.hpp"
#include "base/checksum.hpp"
#include "base/error.hpp"
#include "base/http_server.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/trace.hpp"
#include "index_tools/snapshot.hpp"
#include "retriever_pool/embedded_pool.hpp"
#include "retriever_pool/filter_file.hpp"
#include "retriever_pool/shard_indexes.hpp"
#include "retriever_pool/view_server.hpp"

namespace rookery::actors {

namespace {

using namespace std::chrono_literals;

/// What clients are told of the index.
retriever_pool::IndexDescription describe(const HeadOptions& options,
                                          const index_tools::Manifest& manifest) {
  auto index = retriever_pool::describe_index(manifest);
  index.default_kind = retriever_pool::resolve_default_kind(
      index.kinds, options.index.kind, options.config.string() + ": index.kind");
  return index;
}

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

/// Lets the pages remember what the board says now.
void observe(ColonyObserver& observer, const StatusBoard& board) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  try {
    observer.observe(board.status_json(),
                     std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  } catch (const base::UserError& error) {
    // What people see must not end the colony.
    base::logger("actors")->warn("head: {}", error.what());
  }
}

/// The port behind the last colon, 0 when there is none.
int port_of(const std::string& address) {
  const auto colon = address.rfind(':');
  try {
    return colon == std::string::npos ? 0 : std::stoi(address.substr(colon + 1));
  } catch (const std::logic_error&) {
    return 0;
  }
}

/// Opens a port: the configured one, or (when that is 0) the one of the last term, so that clients
/// and agents find the new head where the old one was, or else any free one.
template <class Open>
auto open_port(int configured, int last, Open open) {
  if (configured != 0) return open(configured);
  if (last != 0) {
    try {
      return open(last);
    } catch (const base::UserError& error) {
      base::logger("actors")->info("head: the last port is taken, another one it is: {}",
                                   error.what());
    }
  }
  return open(0);
}

/// Term, placement and counts for the head that starts now.
WantedState next_wanted(const ColonyFolder& folder, const HeadOptions& options,
                        const index_tools::Manifest& manifest, const std::string& snapshot) {
  auto wanted = WantedState::load(folder.wanted_file()).value_or(WantedState{});
  const auto last = folder.head();
  wanted.colony = options.colony;
  wanted.term = std::max(wanted.term, last ? last->term : 0) + 1;
  wanted.shards = static_cast<std::int32_t>(manifest.shards.size());
  wanted.replicas = options.pool.replicas;
  wanted.snapshot = snapshot;
  wanted.generation = manifest.generation;
  std::erase_if(wanted.placement, [&](const auto& entry) {
    return entry.first.shard >= wanted.shards || entry.first.replica >= wanted.replicas;
  });
  return wanted;
}

}  // namespace

index_tools::Manifest check_colony(const HeadOptions& options) {
  if (options.index.path.empty()) {
    throw base::UserError(options.config.string() +
                          ": index.path: expected a snapshot made by rookery index build, got "
                          "nothing");
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
  (void)describe(options, manifest);  // refuses a kind that is not there
  return manifest;
}

void run_head(const HeadOptions& options, const base::StopSignal& stop) {
  const auto log = base::logger("actors");
  std::optional<base::Trace> trace;
  if (!options.trace.empty()) trace.emplace(options.trace, "head of " + options.colony);
  const ColonyFolder folder(options.colony);
  const auto manifest = check_colony(options);
  const auto lock = folder.try_lock("head");
  if (!lock) {
    const auto other = folder.head();
    throw base::UserError("colony '" + options.colony + "' has a head already" +
                          (other ? " (pid " + std::to_string(other->process.pid) + ")" : "") +
                          "; stop it with: rookery down " + options.colony);
  }
  // Two spellings of one folder would look like another wanted snapshot to agents.
  const auto snapshot =
      std::filesystem::canonical(index_tools::resolve_generation(options.index.path)).string();
  auto wanted = next_wanted(folder, options, manifest, snapshot);
  const auto last = folder.head().value_or(HeadRecord{});
  const auto& pool = options.pool;

  base::Metrics metrics;
  const auto security = ColonySecurity::open(pool.keys);
  auto views = open_port(pool.routing_port, port_of(last.routing), [&](int port) {
    return std::make_unique<retriever_pool::ViewServer>(
        "tcp://" + pool.listen + ":" + (port == 0 ? "*" : std::to_string(port)), security.curve,
        retriever_pool::LeaseLimits{}, &metrics);
  });
  retriever_pool::RoutingView view;
  view.colony = options.colony;
  view.term = wanted.term;
  view.generations = {{options.index.name, retriever_pool::GenerationRole::kLive, wanted.shards,
                       wanted.replicas, describe(options, manifest), snapshot}};
  const auto board = std::make_shared<StatusBoard>();
  board->update(Membership(view, {}, std::chrono::steady_clock::now()));
  const auto observer = std::make_shared<ColonyObserver>();
  const auto http = open_port(pool.http_port, port_of(last.http), [&](int port) {
    base::HttpServerOptions server;
    server.listen = pool.listen + ":" + std::to_string(port);
    server.tls = security.tls;
    return std::make_unique<base::HttpServer>(server, make_admin_pages(board, observer, metrics));
  });

  detail::SystemConfig config(security.tls);
  caf::actor_system system(config);
  NodeSpec node;
  node.snapshot = snapshot;
  node.generation = manifest.generation;
  node.listen = pool.listen;
  node.threads = pool.threads;
  node.queue_requests_max = pool.queue_requests_max;
  node.queue_bytes_max = pool.queue_bytes_max;
  node.batch_queries_max = pool.batch_queries_max;
  if (options.index.kind) node.kind = index_tools::to_string(*options.index.kind);
  node.ef_search = options.index.tuning.ef_search;
  node.nprobe = options.index.tuning.nprobe;
  node.candidates = options.index.tuning.candidates;
  node.filter_file = write_filter(folder, options.index.filter);
  SupervisorSetup supervisor_setup;
  supervisor_setup.wanted = wanted;
  supervisor_setup.node = node;
  supervisor_setup.save = [folder, log](const WantedState& state) {
    try {
      state.save(folder.wanted_file());
    } catch (const base::UserError& error) {
      log->warn("head: {}", error.what());  // a full disk must not end the colony
    }
  };
  supervisor_setup.on_agents = [board](std::vector<AgentInfo> agents) {
    board->update_agents(std::move(agents));
  };
  RegistrySetup registry_setup;
  registry_setup.wanted = view;
  registry_setup.board = board;
  registry_setup.host = detail::host_name();
  registry_setup.is_dead = [](const ProcessIdentity& process) { return !process.alive(); };
  registry_setup.publish = [&views](const retriever_pool::RoutingView& fresh) {
    views->publish(fresh);
  };
  // The term is on disk before anyone can hear of it.
  wanted.save(folder.wanted_file());
  Supervisor supervisor = system.spawn<SupervisorActor, caf::detached>(std::move(supervisor_setup));
  Registry registry = system.spawn<RegistryActor>(std::move(registry_setup), supervisor);
  const auto stop_actors = [&] {
    caf::anon_send_exit(registry, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
    registry = nullptr;
    supervisor = nullptr;
    system.await_all_actors_done();
  };
  std::uint16_t control = 0;
  try {
    control = open_port(pool.control_port, port_of(last.control), [&](int port) {
      const auto bound =
          detail::publish_control(system, registry, static_cast<std::uint16_t>(port), pool.listen);
      if (!bound) {
        throw base::UserError(options.config.string() +
                              ": pool.control_port: expected a free port "
                              "at " +
                              pool.listen + ", got " + std::to_string(port) +
                              ", which is in use; choose another, or 0 for any free one");
      }
      return *bound;
    });
    folder.write_head({ProcessIdentity::self(), wanted.term,
                       pool.listen + ":" + std::to_string(control), views->endpoint(),
                       http->address(), std::filesystem::absolute(options.config).string(),
                       security.folder.string()});
  } catch (...) {
    stop_actors();  // a published actor keeps the system alive
    throw;
  }
  log->info("head: colony {} term {} · control {}:{} · routing {} · {}://{}", options.colony,
            wanted.term, pool.listen, control, views->endpoint(),
            security.empty() ? "http" : "https", http->address());

  while (!stop.wait(1s)) observe(*observer, *board);
  detail::unpublish_control(system, registry, control);
  stop_actors();
}

}  // namespace rookery::actors
