#include "actors/node_process.hpp"

#include <unistd.h>

#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "actors/colony_folder.hpp"
#include "actors/colony_security.hpp"
#include "actors/detail/system.hpp"
#include "actors/head_connector.hpp"
#include "actors/process_identity.hpp"
#include "actors/retrieval_actor.hpp"
#include "actors/shard_host.hpp"
#include "actors/stall_watch.hpp"
#include "actors/watch_address.hpp"
#include "base/bus_error.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/thread_team.hpp"
#include "index_tools/snapshot.hpp"
#include "retriever_pool/embedded_pool.hpp"
#include "retriever_pool/filter_file.hpp"
#include "retriever_pool/shard_indexes.hpp"

namespace rookery::actors {

namespace {

using namespace std::chrono_literals;

/// The first reason to give up, handed from any thread to the main one.
class Failure {
 public:
  void set(const std::string& why) {
    const std::lock_guard lock(mutex_);
    if (!why_) why_ = why;
  }
  [[nodiscard]] std::optional<std::string> get() const {
    const std::lock_guard lock(mutex_);
    return why_;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<std::string> why_;
};

index_tools::Manifest check_snapshot(const NodeOptions& options) {
  auto manifest = index_tools::load_manifest(options.index);
  const auto shards = static_cast<std::int32_t>(manifest.shards.size());
  if (options.shard >= shards) {
    throw base::UserError("--shard: expected a shard of " + options.index.string() + " in [0, " +
                          std::to_string(shards - 1) + "], got " + std::to_string(options.shard));
  }
  return manifest;
}

NodeHello make_hello(const NodeOptions& options, const std::string& generation) {
  const auto self = ProcessIdentity::self();
  NodeHello hello;
  hello.colony = options.colony;
  hello.node = options.name.empty()
                   ? "node-" + std::to_string(options.shard) + "-" + std::to_string(options.replica)
                   : options.name;
  hello.index = options.index_name;
  hello.run = options.run;
  hello.shard = options.shard;
  hello.replica = options.replica;
  hello.host = detail::host_name();
  hello.pid = self.pid;
  hello.start_ticks = self.start_ticks;
  hello.boot = self.boot;
  hello.generation = generation;
  return hello;
}

/// A search thread that hangs cannot be joined: the process ends as it is, and its agent starts
/// another one.
[[noreturn]] void end_hung(const std::string& node) {
  base::logger("actors")->critical(
      "{}: the search thread hangs with requests waiting for {} s; ending this process", node,
      std::chrono::duration_cast<std::chrono::seconds>(StallWatch::kLimit).count());
  base::logger("actors")->flush();
  constexpr int kHung = 70;
  ::_exit(kHung);
}

}  // namespace

void run_node(const NodeOptions& options, const base::StopSignal& stop) {
  const auto security = ColonySecurity::find(options.keys, options.colony);
  check_listen("--listen", options.listen, security, options.insecure);
  auto watched = options.watch;
  watched.tls = security.tls;
  check_watch_address(watched, options.insecure);
  if (!options.head.empty()) detail::parse_host_port(options.head, "--head");
  base::explain_bus_errors();
  const auto manifest = check_snapshot(options);
  const auto where = head_address(options.colony, options.head);
  const auto log = base::logger("actors");

  Failure failure;
  base::Metrics metrics;
  detail::SystemConfig config(security.tls);
  caf::actor_system system(config);
  if (options.head_timeout > 0ms) find_head(system, where, options.head_timeout);

  const auto hello = make_hello(options, manifest.generation);
  base::ProcessWatch watch(watched, "node", hello.node, metrics);
  watch.set_readiness({false, "shard " + std::to_string(options.shard) + " is being loaded"});
  RetrievalActor actor;
  ShardHostSetup host_setup;
  host_setup.snapshot = index_tools::resolve_generation(options.index);
  host_setup.shard = options.shard;
  host_setup.generation = manifest.generation;
  host_setup.server.bind = "tcp://" + options.listen + ":*";
  host_setup.server.keys = security.curve;
  host_setup.server.threads = options.threads > 0 ? options.threads : base::usable_cores();
  host_setup.server.queue_requests_max = options.queue_requests_max;
  host_setup.server.queue_bytes_max = options.queue_bytes_max;
  host_setup.server.batch_queries_max = options.batch_queries_max;
  host_setup.server.batch_window = std::chrono::microseconds(options.batch_window_us);
  host_setup.server.priority_shares = options.priority_shares;
  if (!options.kind.empty()) {
    host_setup.server.kind = index_tools::index_kind_from_name(options.kind);
    retriever_pool::resolve_default_kind(retriever_pool::describe_index(manifest).kinds,
                                         host_setup.server.kind, options.index.string());
  }
  host_setup.server.tuning = options.tuning;
  host_setup.server.trace = watch.trace();
  host_setup.server.index_name = options.index_name;
  if (!options.filter_file.empty()) {
    host_setup.server.filter = retriever_pool::read_filter_file(options.filter_file);
  }

  // The actor asks the connector to seek while it starts, and the host tells the actor when it has
  // loaded; each holds the other only through a pointer that is set before it is used.
  std::unique_ptr<HeadConnector> connector;
  std::unique_ptr<ShardHost> host;
  std::mutex ready;  // held until both exist
  std::unique_lock building(ready);
  RetrievalSetup setup;
  setup.hello = hello;
  setup.http = watch.http();
  setup.load = [&] {
    const std::lock_guard lock(ready);
    return host->load();
  };
  setup.seek_head = [&] {
    const std::lock_guard lock(ready);
    connector->seek();
  };
  setup.refused = [&](const std::string& why) { failure.set(why); };
  actor = system.spawn<RetrievalActorActor>(std::move(setup));
  connector = std::make_unique<HeadConnector>(system, where, [actor](const HeadContact& contact) {
    caf::anon_send(actor, head_atom_v, contact.registry);
  });
  host_setup.on_ready = [&, actor](const std::string& endpoint) {
    log->info("{}: shard {} is served at {} · http://{}", hello.node, options.shard, endpoint,
              watch.http());
    watch.set_readiness({true, "shard " + std::to_string(options.shard) + " is served"});
    caf::anon_send(actor, loaded_atom_v, endpoint);
  };
  host_setup.on_failure = [&](const std::string& why) { failure.set(why); };
  host = std::make_unique<ShardHost>(std::move(host_setup), metrics);
  building.unlock();

  StallWatch stall;
  while (!stop.wait(100ms) && !failure.get()) {
    if (stall.look(host->pulse(), std::chrono::steady_clock::now())) end_hung(hello.node);
  }

  watch.set_readiness({false, "draining"});
  // Goodbye in the order that loses no query: no new ones, the queued ones, then out of the view.
  {
    caf::scoped_actor self(system);
    const auto done = [] {};
    const auto ignore = [](const caf::error&) {};
    self->request(actor, 1s, drain_atom_v).receive(done, ignore);
    host->drain();
    const auto end = std::chrono::steady_clock::now() + 1s;
    while (host->load().queue > 0 && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(5ms);
    }
    self->request(actor, 1s, leave_atom_v).receive(done, ignore);
  }
  caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  actor = nullptr;
  system.await_all_actors_done();  // nobody asks connector or host any more
  connector.reset();
  host.reset();
  if (const auto why = failure.get()) throw base::UserError(*why);
}

}  // namespace rookery::actors
