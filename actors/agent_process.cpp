#include "actors/agent_process.hpp"

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "actors/agent.hpp"
#include "actors/colony_folder.hpp"
#include "actors/colony_security.hpp"
#include "actors/detail/system.hpp"
#include "actors/head_connector.hpp"
#include "actors/placement.hpp"
#include "actors/pool_options.hpp"
#include "actors/process_identity.hpp"
#include "actors/process_keeper.hpp"
#include "actors/watch_address.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/thread_team.hpp"
#include "index_tools/manifest.hpp"
#include "index_tools/snapshot.hpp"

namespace rookery::actors {

namespace {

using namespace std::chrono_literals;

/// How its shard is served and searched, as flags of `rookery node`.
std::vector<std::string> search_flags(const NodeSpec& spec) {
  std::vector<std::string> flags;
  const auto add = [&](const char* flag, const std::string& value) {
    flags.emplace_back(flag);
    flags.push_back(value);
  };
  std::string shares;
  for (const std::int32_t thousandths : spec.priority_shares) {
    shares += (shares.empty() ? "" : ",") + std::to_string(thousandths / 1000.0);
  }
  add("--priority-shares", shares);
  if (!spec.kind.empty()) add("--kind", spec.kind);
  if (spec.ef_search > 0) add("--ef-search", std::to_string(spec.ef_search));
  if (spec.nprobe > 0) add("--nprobe", std::to_string(spec.nprobe));
  if (spec.candidates > 0) add("--candidates", std::to_string(spec.candidates));
  if (!spec.filter_file.empty()) add("--filter-file", spec.filter_file);
  return flags;
}

/// `traces/agent.json` and `node-1` give `traces/agent.node-1.json`.
std::filesystem::path node_trace_file(const std::filesystem::path& ours, const std::string& node) {
  auto file = ours;
  return file.replace_filename(ours.stem().string() + "." + node + ours.extension().string());
}

/// The command line of one node.
base::SubprocessOptions node_command(const AgentOptions& options, const ColonyFolder& folder,
                                     std::int32_t cores, const NodeSpec& spec, std::int32_t slots) {
  const auto threads = spec.threads > 0 ? spec.threads : thread_share(cores, slots);
  const auto listen = options.listen.empty() ? spec.listen : options.listen;
  base::SubprocessOptions process;
  process.command = {options.program.string(),
                     "node",
                     "--colony",
                     folder.name(),
                     "--index",
                     spec.snapshot,
                     "--index-name",
                     spec.index,
                     "--run",
                     std::to_string(spec.run),
                     "--shard",
                     std::to_string(spec.shard),
                     "--replica",
                     std::to_string(spec.replica),
                     "--name",
                     spec.node,
                     "--listen",
                     listen,
                     "--threads",
                     std::to_string(threads),
                     "--queue-requests-max",
                     std::to_string(spec.queue_requests_max),
                     "--queue-bytes-max",
                     std::to_string(spec.queue_bytes_max),
                     "--batch-queries-max",
                     std::to_string(spec.batch_queries_max),
                     "--batch-window-us",
                     std::to_string(spec.batch_window_us),
                     "--head-timeout",
                     "0"};
  if (!options.keys.empty()) {
    process.command.insert(process.command.end(), {"--keys", options.keys.string()});
  }
  if (!options.head.empty()) {
    process.command.insert(process.command.end(), {"--head", options.head});
  }
  if (!options.watch.trace.empty()) {
    const auto file = node_trace_file(options.watch.trace, spec.node);
    // A node that comes again must not write over what its last process saw.
    std::error_code ignored;
    std::filesystem::rename(file, file.string() + ".old", ignored);
    process.command.insert(process.command.end(), {"--trace", file.string()});
  }
  for (std::string& word : search_flags(spec)) process.command.push_back(std::move(word));
  // Whoever started the colony has allowed this address.
  if (!is_loopback(listen)) process.command.emplace_back("--insecure");
  process.log = folder.log(spec.node);
  process.die_with_parent = true;
  return process;
}

/// Where a volunteer finds what it was assigned. Throws `UserError` for a snapshot that is not
/// there or is another generation.
std::string snapshot_here(const std::filesystem::path& given, const NodeSpec& spec) {
  std::filesystem::path path = spec.snapshot;
  if (!given.empty()) {
    path = std::filesystem::exists(given / spec.generation) ? given / spec.generation : given;
  }
  const std::string remedy =
      "; copy the snapshot to this host and name where it lies with: rookery node --index PATH";
  std::string found;
  try {
    found = index_tools::load_manifest(path).generation;
  } catch (const base::UserError& error) {
    throw base::UserError(path.string() + ": expected generation " + spec.generation +
                          " of index '" + spec.index + "', got: " + error.what() + remedy);
  }
  if (found != spec.generation) {
    throw base::UserError(path.string() + ": expected generation " + spec.generation +
                          " of index '" + spec.index + "', which the colony serves, got " + found +
                          remedy);
  }
  return path.string();
}

/// The first reason why a volunteer gives up, handed from any thread to the main one.
class GiveUp {
 public:
  void because(const std::string& why) {
    const std::lock_guard lock(mutex_);
    if (why_.empty()) why_ = why;
  }
  [[nodiscard]] std::string why() const {
    const std::lock_guard lock(mutex_);
    return why_;
  }

 private:
  mutable std::mutex mutex_;
  std::string why_;
};

std::string agent_name(const AgentOptions& options, const std::string& host, pid_t pid) {
  if (!options.name.empty()) return options.name;
  return options.volunteer ? host + "-" + std::to_string(pid) : host;
}

}  // namespace

void run_agent(const AgentOptions& given, const base::StopSignal& stop) {
  AgentOptions options = given;
  const auto security = ColonySecurity::find(options.keys, options.colony);
  options.keys = security.folder;
  if (!options.listen.empty()) {
    check_listen("--listen", options.listen, security, options.insecure);
  }
  if (options.colony.empty() && options.head.empty()) {
    throw base::UserError("expected --colony NAME or --head HOST:PORT, got neither");
  }
  if (options.program.empty()) options.program = "/proc/self/exe";
  if (options.program == "/proc/self/exe") {
    options.program = std::filesystem::read_symlink("/proc/self/exe");
  }
  options.watch.tls = security.tls;
  check_watch_address(options.watch, options.insecure);
  if (!options.head.empty()) detail::parse_host_port(options.head, "--head");
  if (!options.watch.trace.empty())
    options.watch.trace = std::filesystem::absolute(options.watch.trace);

  detail::SystemConfig config(security.tls);
  caf::actor_system system(config);
  const auto contact =
      find_head(system, head_address(options.colony, options.head), options.head_timeout);
  options.colony = contact.welcome.colony;

  const ColonyFolder folder(options.colony);
  folder.create();
  const auto lock = options.volunteer ? std::nullopt : folder.try_lock("agent");
  if (!options.volunteer && !lock) {
    throw base::UserError("colony '" + options.colony +
                          "' has an agent on this host already; stop it with: rookery down " +
                          options.colony);
  }
  const auto self = ProcessIdentity::self();
  const auto host = detail::host_name();
  const auto cores = options.cores > 0 ? options.cores : base::usable_cores();
  const auto name = agent_name(options, host, self.pid);
  GiveUp give_up;
  if (!options.volunteer) folder.write_agent({self, {}});
  base::Metrics metrics;
  base::ProcessWatch watch(options.watch, options.volunteer ? "volunteer" : "agent", name, metrics);

  std::mutex ready;  // held until everything that the actor calls exists
  std::unique_lock building(ready);
  std::unique_ptr<HeadConnector> connector;
  std::unique_ptr<ProcessKeeper> keeper;
  AgentSetup setup;
  setup.hello = {kWireVersion, options.colony,           name, host, self.pid,
                 cores,        options.volunteer ? 1 : 0};
  setup.assign = [&](const std::vector<NodeSpec>& specs) {
    const std::lock_guard guard(ready);
    auto mine = specs;
    try {
      if (options.volunteer) {
        for (auto& spec : mine) spec.snapshot = snapshot_here(options.index, spec);
      }
      keeper->assign(mine);
    } catch (const base::UserError& error) {
      give_up.because(error.what());
    }
  };
  setup.events = [&] {
    const std::lock_guard guard(ready);
    return keeper->events();
  };
  setup.seek_head = [&] {
    const std::lock_guard guard(ready);
    connector->seek();
  };
  Agent actor = system.spawn<AgentActor>(std::move(setup));
  connector = std::make_unique<HeadConnector>(
      system, head_address(options.colony, options.head),
      [actor](const HeadContact& found) { caf::anon_send(actor, head_atom_v, found.registry); });
  KeeperSetup keeper_setup;
  keeper_setup.agent = name;
  keeper_setup.command = [&](const NodeSpec& spec, std::int32_t slots) {
    return node_command(options, folder, cores, spec, slots);
  };
  keeper_setup.on_event = [&, actor](const ProcessEvent& event) {
    constexpr int kUserMistake = 2;
    if (options.volunteer && !event.running && event.exit_code == kUserMistake) {
      give_up.because(event.reason.empty() ? "its node ended with code 2" : event.reason);
    }
    caf::anon_send(actor, event_atom_v, event);
  };
  keeper_setup.on_processes = [&](const std::vector<ProcessIdentity>& nodes) {
    if (options.volunteer) return;
    try {
      folder.write_agent({self, nodes});
    } catch (const base::UserError& error) {
      // A full disk must not end the colony; only `down` would know less of it.
      base::logger("actors")->warn("agent {}: {}", name, error.what());
    }
  };
  keeper = std::make_unique<ProcessKeeper>(std::move(keeper_setup));
  building.unlock();
  watch.set_readiness({true, "the nodes of this host are looked after"});
  base::logger("actors")->info("agent {}: {} cores for colony {} · http://{}", name, cores,
                               options.colony, watch.http());

  while (!stop.wait(100ms) && give_up.why().empty()) {
  }
  caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  actor = nullptr;
  system.await_all_actors_done();
  keeper.reset();
  connector.reset();
  if (const auto why = give_up.why(); !why.empty()) throw base::UserError(why);
}

}  // namespace rookery::actors
