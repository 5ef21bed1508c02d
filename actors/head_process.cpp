#include "actors/head_process.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "actors/admin_actions.hpp"
#include "actors/admin_pages.hpp"
#include "actors/admin_token.hpp"
#include "actors/colony_control.hpp"
#include "actors/colony_folder.hpp"
#include "actors/colony_observer.hpp"
#include "actors/colony_security.hpp"
#include "actors/detail/control_port.hpp"
#include "actors/detail/system.hpp"
#include "actors/head_ports.hpp"
#include "actors/registry.hpp"
#include "actors/supervisor.hpp"
#include "actors/swap_runner.hpp"
#include "base/error.hpp"
#include "base/http_server.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/trace.hpp"
#include "retriever_pool/view_server.hpp"

namespace rookery::actors {

namespace {

using namespace std::chrono_literals;

FolderLock lock_head(const ColonyFolder& folder) {
  if (auto lock = folder.try_lock("head")) return std::move(*lock);
  const auto other = folder.head();
  throw base::UserError("colony '" + folder.name() + "' has a head already" +
                        (other ? " (pid " + std::to_string(other->process.pid) + ")" : "") +
                        "; stop it with: rookery down " + folder.name());
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

retriever_pool::RoutingView first_view(const WantedState& wanted) {
  retriever_pool::RoutingView view;
  view.colony = wanted.colony;
  view.term = wanted.term;
  view.generations = wanted.generations();
  return view;
}

Supervisor spawn_supervisor(caf::actor_system& system, const HeadOptions& options,
                            const WantedState& wanted, const ColonyFolder& folder,
                            const std::shared_ptr<StatusBoard>& board) {
  SupervisorSetup setup;
  setup.wanted = wanted;
  setup.node = node_pattern(options.pool);
  setup.autoscale = options.pool.autoscale;
  setup.save = [folder](const WantedState& state) {
    try {
      state.save(folder.wanted_file());
    } catch (const base::UserError& error) {
      // A full disk must not end the colony.
      base::logger("actors")->warn("head: {}", error.what());
    }
  };
  setup.states = [board] { return board->node_states(); };
  setup.on_wanted = [board](const WantedState& state) { board->want(state); };
  setup.on_agents = [board](std::vector<AgentInfo> agents) {
    board->update_agents(std::move(agents));
  };
  return system.spawn<SupervisorActor, caf::detached>(std::move(setup));
}

/// How every index gets new generations and loses old ones.
SwapRunnerOptions swap_options(const HeadOptions& options, const ColonyFolder& folder,
                               const ColonySecurity& security) {
  SwapRunnerOptions swaps;
  swaps.warm_up.keys = security.as_client;  // it asks nodes as any client does
  swaps.indexes[options.index.name] = options.index.swap;
  for (const auto& index : options.indexes) swaps.indexes[index.name] = index.swap;
  swaps.colonies = folder.path().parent_path();
  return swaps;
}

}  // namespace

void run_head(const HeadOptions& options, const base::StopSignal& stop) {
  const auto log = base::logger("actors");
  std::optional<base::Trace> trace;
  if (!options.trace.empty()) trace.emplace(options.trace, "head of " + options.colony);
  const ColonyFolder folder(options.colony);
  check_colony(options);
  const auto lock = lock_head(folder);
  // With a name for every node, so that the first view has them all.
  const auto wanted =
      ColonyPlan(next_wanted(folder, options), {}, {}, std::chrono::steady_clock::now()).wanted();
  const auto last = folder.head().value_or(HeadRecord{});
  const auto& pool = options.pool;

  base::Metrics metrics;
  const auto security = ColonySecurity::open(pool.keys);
  const auto views = open_port(pool.routing_port, port_of(last.routing), [&](int port) {
    return std::make_unique<retriever_pool::ViewServer>(
        "tcp://" + pool.listen + ":" + (port == 0 ? "*" : std::to_string(port)), security.curve,
        retriever_pool::LeaseLimits{}, &metrics);
  });
  const auto view = first_view(wanted);
  const auto board = std::make_shared<StatusBoard>();
  board->want(wanted);
  board->update(Membership(view, {}, std::chrono::steady_clock::now()));
  const auto observer = std::make_shared<ColonyObserver>();

  detail::SystemConfig config(security.tls);
  caf::actor_system system(config);
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
  Supervisor supervisor = spawn_supervisor(system, options, wanted, folder, board);
  Registry registry = system.spawn<RegistryActor>(std::move(registry_setup), supervisor);
  const auto stop_actors = [&] {
    caf::anon_send_exit(registry, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
    registry = nullptr;
    supervisor = nullptr;
    system.await_all_actors_done();
  };
  std::uint16_t control = 0;
  std::unique_ptr<SwapRunner> swaps;
  std::unique_ptr<base::HttpServer> http;  // asks the runner
  try {
    const ColonyControl colony(system, supervisor);
    swaps = std::make_unique<SwapRunner>(colony, board, views->leases(),
                                         swap_options(options, folder, security));
    const auto token = AdminToken::load_or_create(folder.path());
    const AdminDesk desk = [colony, &swaps](const AdminRequest& request) {
      const bool swap = request.action == "swap" || request.action == "rollback";
      return swap ? swaps->order(request) : colony.order(request);
    };
    http = open_port(pool.http_port, port_of(last.http), [&](int port) {
      base::HttpServerOptions server;
      server.listen = pool.listen + ":" + std::to_string(port);
      server.tls = security.tls;
      return std::make_unique<base::HttpServer>(
          server, with_admin_actions(desk, token, make_admin_pages(board, observer, metrics)));
    });
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
    http.reset();
    swaps.reset();
    stop_actors();  // a published actor keeps the system alive
    throw;
  }
  log->info("head: colony {} term {} · control {}:{} · routing {} · {}://{}", options.colony,
            wanted.term, pool.listen, control, views->endpoint(),
            security.empty() ? "http" : "https", http->address());

  while (!stop.wait(1s)) observe(*observer, *board);
  http.reset();  // its threads order changes
  swaps.reset();
  detail::unpublish_control(system, registry, control);
  stop_actors();
}

}  // namespace rookery::actors
